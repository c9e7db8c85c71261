"""A person's data: nothing clear at rest, all of it handed over on request, none of it left once erased."""

from __future__ import annotations

import csv
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Table, select, update

from bot.clock import real_now
from bot.doctors import Outcome, import_doctors, issue_codes, verify
from bot.evidence import Sealer
from bot.evidence import verify as verify_chain
from bot.inbound.receive import Receiver
from bot.model import (
    Account,
    Audience,
    Channel,
    Choice,
    Fault,
    Inbound,
    InboundKind,
    InboxState,
    MedrepError,
    OutboxState,
    Purpose,
)
from bot.privacy import erase_person, export_person
from bot.runtime.services import Services
from bot.schedule.changes import set_timer
from bot.schedule.timers import step
from bot.settings import Accounts, WebChatAccount
from bot.store import contacts, conversations, doctors, tables, tasks, timers, turns
from bot.store import outbox as outgoing
from bot.store.contacts import Contact
from bot.store.keyring import Keyring
from bot.store.outbox import Draft
from bot.store.tables import (
    attempt,
    contact,
    conversation,
    data_key,
    doctor,
    effect,
    evidence,
    invitation_code,
    metadata,
    occurrence,
    offer,
    task,
    timer,
    turn,
)
from bot.store.timers import Action
from bot.store.vault import Vault
from bot.tasks import Kind, add_to_open, open_task

DEMO = Account(Channel.WEBCHAT, "demo")
ACCOUNTS = Accounts(webchat={"demo": WebChatAccount(audience=Audience.DOCTOR)})
NAME, PHONE, OPENID = "欧阳明月", "13812345678", "oPRIVATE_0123456789abcdefghi"
BEFORE = "认证之前写的话"
QUESTION = "青霉素的问题只有我会这样问"
ADVERSE = "我有个患者吃了二甲双胍以后起了皮疹，这句话要留存"
NEEDLES = (
    NAME,
    PHONE,
    OPENID,
    BEFORE,
    QUESTION,
    ADVERSE,
    "只属于会话的话",
    "只属于选项的话",
    "只属于动作的话",
)


@dataclass(frozen=True, slots=True)
class Life:
    """A doctor who verified by code, asked, was answered and told of an adverse event; beside another."""

    services: Services
    contact: Contact
    newcomer: UUID
    doctor: UUID
    path: Path


async def write(services: Services, text: str, address: str = OPENID) -> int:
    inbound = Inbound(DEMO, address, f"m:{uuid4().hex}", InboundKind.TEXT, real_now(), text=text)
    return (await Receiver(services).accept(inbound, Audience.DOCTOR, passive_until=None)).inbox_id


@pytest.fixture
async def life(services: Services, tmp_path: Path) -> Life:
    now = services.clock.now()
    path = tmp_path / "doctors.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = [
            ["D1", NAME, "虚构县青石医院", PHONE, "王代表"],
            ["D2", "李四", "示例县中医院", "13900000000", ""],
        ]
        csv.writer(file).writerows([["外部编号", "姓名", "医院", "手机", "负责代表"], *rows])
    report = await import_doctors(services.db, services.vault, services.clock, ACCOUNTS, path)
    codes = dict(await issue_codes(services.db, services.vault.keyring, services.clock, report.loaded))
    await write(services, BEFORE)
    async with services.db.begin() as tx:
        before = await contacts.by_address(tx, services.vault, DEMO, OPENID)
        assert before is not None
        answers = {"name": NAME, "hospital": "虚构县青石医院", "phone": PHONE}
        assert await verify(tx, services, before, {**answers, "code": "none"}, now) == Outcome.WAIT
        assert await verify(tx, services, before, {**answers, "code": codes["D1"]}, now) == Outcome.VERIFIED
    await write(services, QUESTION)
    await write(services, ADVERSE)
    async with services.db.begin() as tx:
        contact = await contacts.by_id(tx, before.id)
        await _talk(tx, services, contact)
    return Life(services, contact, before.person_id, contact.person_id, path)


async def _talk(tx: Any, services: Services, contact: Contact) -> None:
    """What a turn and a schedule leave behind, one row in every table that has something of a person."""
    now, vault = services.clock.now(), services.vault
    claim = await turns.claim_next(tx, real_now() + timedelta(minutes=1), timedelta(minutes=5))
    assert claim is not None and claim.contact_id == contact.id
    offered = (Choice("human", "只属于选项的话"),)
    await conversations.write_conversation(tx, vault, contact, "只属于会话的话".encode(), offered, now)
    await conversations.write_effect(
        tx, vault, contact, claim.turn_id, "action_answer", 0, {"said": "只属于动作的话"}, now
    )
    reply = services.published.dialogue.reply("utter_thanks", Audience.DOCTOR)
    for _ in range(2):
        await outgoing.add(
            tx, vault, contact, Draft.of(reply), now=now, retry_at=real_now(), turn_id=claim.turn_id
        )
    await set_timer(
        tx,
        contact,
        Action.MESSAGE,
        "response",
        {"response": "utter_thanks"},
        purpose=Purpose.SERVICE,
        subject="visit:7",
        starts_at=now - timedelta(seconds=1),
        grace=timedelta(minutes=1),
        now=now,
        rrule="FREQ=DAILY",
    )
    due = await timers.claim(tx, now, 10)
    assert await timers.advance(tx, [step(one, now) for one in due], now, real_now()) == (1, 0)
    reminder = tables.outbox.c.occurrence_id.is_not(None)
    await tx.execute(update(tables.outbox).where(reminder).values(state="held", platform_id="p1"))


def _bytes(value: Any) -> bytes:
    if value is None:
        return b""
    if isinstance(value, bytes | memoryview):
        return bytes(value)
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str).encode()
    return str(value).encode()


async def everything(services: Services) -> AsyncIterator[tuple[Table, Any]]:
    for table in metadata.sorted_tables:
        async with services.db.begin() as tx:
            for row in (await tx.execute(select(table))).all():
                yield table, row


async def find(services: Services, *needles: str) -> list[str]:
    """Where any of these stands in clear (as UTF-8, or as JSON escapes it), in any column of any table."""
    raw = [form for n in needles for form in (n.encode(), json.dumps(n)[1:-1].encode())]
    return [
        f"{table.name}.{column}"
        async for table, row in everything(services)
        for column, value in row._mapping.items()
        if any(form in _bytes(value) for form in raw)
    ]


async def readable(services: Services, vault: Vault, people: set[UUID]) -> dict[str, int]:
    """How many ciphertexts of these people still open, by table."""
    places = {
        "contact": "address",
        "inbox": "body",
        "outbox": "body",
        "conversation": "body",
        "offer": "body",
    }
    places |= {"effect": "result", "task": "detail"}
    found: dict[str, int] = {}
    async for table, row in everything(services):
        for column in (c.name for c in table.c if c.name.endswith("_enc")):
            key = row._mapping.get("person_id")
            sealed = row._mapping[column]
            if key not in people or not sealed:
                continue
            contexts = [f"{table.name}.{column.removesuffix('_enc')}"]
            if table is evidence:
                contexts = [f"{name}.{place}" for name, place in places.items()]
            for context in contexts:
                async with services.db.begin() as tx:
                    try:
                        await vault.open(tx, key, sealed, context)
                    except MedrepError:
                        continue
                found[table.name] = found.get(table.name, 0) + 1
    return found


async def test_nothing_rests_in_clear(life: Life) -> None:
    assert await find(life.services, *NEEDLES) == []
    assert await find(life.services, "虚构县青石医院") == [
        "doctor.hospital"
    ]  # the search finds what is clear
    opened = await readable(life.services, life.services.vault, {life.newcomer, life.doctor})
    assert set(opened) == {
        *("contact", "conversation", "doctor", "effect", "evidence", "inbox", "offer", "outbox", "task"),
    }


async def test_the_export_holds_all_of_it_in_order(life: Life) -> None:
    services = life.services
    document = await export_person(services.db, services.vault, external_id="D1")
    assert json.loads(json.dumps(document)) == document
    assert document["profile"]["name"] == NAME and document["profile"]["phone"] == PHONE
    assert document["profile"]["rep"] == "王代表"
    assert document["verification"]["by"] == "code"
    assert [c["address"] for c in document["contacts"]] == [OPENID]
    texts = [m["text"] for m in document["messages"] if m["direction"] == "in"]
    assert texts == [BEFORE, QUESTION, ADVERSE]
    times = [m["at"] for m in document["messages"]]
    assert times == sorted(times)
    answers = [m["text"] for m in document["messages"] if m["direction"] == "out" and m["text"]]
    assert services.published.dialogue.text("utter_thanks") in answers
    assert {t["kind"] for t in document["tasks"]} == {"identity", "adverse_event"}
    assert any(ADVERSE in (t["detail"] or "") for t in document["tasks"])
    assert {"message.received", "doctor.verified"} <= {r["kind"] for r in document["record"]}
    assert (await export_person(services.db, services.vault, person_id=life.newcomer)) == {
        **document,
        "person": str(life.newcomer),
    }


async def test_an_erased_person_is_gone_from_every_store(life: Life) -> None:
    services, people = life.services, {life.newcomer, life.doctor}
    async with services.db.begin() as tx:
        outgoing_ids = set((await tx.execute(select(tables.outbox.c.id))).scalars())
    receipts = await erase_person(services, external_id="D1", by="管理员")
    assert {r.store: r.rows for r in receipts} == {
        "keys": 4,
        "doctor": 1,
        "contact": 1,
        "inbox": 3,
        "outbox": len(outgoing_ids),
        "turn": 1,
        "conversation": 1,
        "offer": 1,
        "effect": 1,
        "consent": 0,
        "timer": 1,
        "task": 1,
        "safety_case": 1,
        "compliance_case": 0,
        "evidence": 0,
        "backup": 0,
    }
    assert await find(services, *NEEDLES) == []
    for vault in (services.vault, Vault(Keyring(services.home / "keys"))):
        assert await readable(services, vault, people) == {}
    async with services.db.begin() as tx:
        keys = select(data_key.c.wrapped).where(data_key.c.person_id.in_(people))
        assert set((await tx.execute(keys)).scalars()) == {None}
        for table in (conversation, offer, effect):
            assert (await tx.execute(select(table))).all() == []
        assert (await tx.execute(select(attempt).where(attempt.c.what == "verify"))).all() == []
        assert (await tx.execute(select(doctor.c.external_id))).scalars().all() == ["D2"]
        owners = set((await tx.execute(select(invitation_code.c.person_id))).scalars())
        assert owners == {await doctors.person_of(tx, "D2")}
        row = (await tx.execute(select(contact).where(contact.c.id == life.contact.id))).one()
        assert (row.address_hmac, row.address_enc) == (None, b"")
        states = set((await tx.execute(select(tables.outbox.c.state))).scalars())
        assert states == {OutboxState.CANCELLED.value}
        assert set((await tx.execute(select(tables.inbox.c.state))).scalars()) == {"failed"}
        assert set((await tx.execute(select(turn.c.state))).scalars()) == {"failed"}
        assert (await tx.execute(select(timer.c.next_due, timer.c.refs))).all() == [(None, {})]
        ended = await tx.execute(select(occurrence.c.state, occurrence.c.reason))
        assert ended.all() == [("cancelled", "erased")]


async def test_what_the_law_keeps_stays_readable(life: Life) -> None:
    services = life.services
    await erase_person(services, external_id="D1", by="管理员")
    async with services.db.begin() as tx:
        kept = {row.kind: row for row in await tasks.read(tx, services.vault)}
    assert kept["adverse_event"].detail is not None and ADVERSE in kept["adverse_event"].detail
    assert kept["adverse_event"].state == "open"
    assert (kept["identity"].detail, kept["identity"].state) == ("已依法删除", "done")


async def test_a_compliance_case_stays_readable_and_open(life: Life) -> None:
    """Its key is nobody's, so it goes neither with the person nor with the contact."""
    services, now = life.services, life.services.clock.now()
    async with services.db.begin() as tx:
        for words in ("请把我的资料都删掉", "再说一遍"):
            kind, key = Kind.DATA_REQUEST, "request"
            await open_task(tx, services.vault, kind, now=now, contact=life.contact, key=key, detail=words)
        await add_to_open(tx, services.vault, kind, now=now, contact=life.contact, detail="还有一句")
        (case,) = [row for row in await tasks.read(tx, services.vault) if row.kind == kind]
        owner = select(data_key.c.person_id, data_key.c.contact_id).where(data_key.c.id == case.key_id)
        assert (await tx.execute(owner)).one() == (None, None)
    receipts = await erase_person(services, external_id="D1", by="管理员")
    assert {r.store: r.rows for r in receipts}["compliance_case"] == 1
    async with services.db.begin() as tx:
        (case,) = [row for row in await tasks.read(tx, services.vault) if row.kind == kind]
    assert (case.detail, case.state) == ("请把我的资料都删掉\n再说一遍\n还有一句", "open")


async def test_the_chain_is_whole_and_says_so(life: Life) -> None:
    services = life.services
    sealer = Sealer(services.db, services.home)
    await sealer.seal()
    await erase_person(services, external_id="D1", by="管理员")
    await sealer.seal()
    verdict = await verify_chain(services.db, services.home)
    assert verdict.ok, verdict.broken
    async with services.db.begin() as tx:
        receipt = (await tx.execute(select(evidence).where(evidence.c.kind == "person.erased"))).one()
    assert (
        receipt.person_id == life.doctor
        and receipt.facts["by"] == "管理员"
        and "inbox:3" in receipt.facts["receipts"]
    )


async def test_a_worker_that_was_at_it_commits_nothing(life: Life) -> None:
    services = life.services
    async with services.db.begin() as tx:
        row = (await tx.execute(select(turn).where(turn.c.contact_id == life.contact.id))).one()
    claim = turns.Claim(row.id, row.contact_id, row.fence, row.attempts)
    await erase_person(services, external_id="D1", by="管理员")
    with pytest.raises(MedrepError) as refused:
        async with services.db.begin() as tx:
            await turns.finish(tx, claim, InboxState.DONE, services.clock.now())
    assert refused.value.fault == Fault.LEASE_LOST
    async with services.db.begin() as tx:
        assert await turns.claim_next(tx, real_now() + timedelta(hours=1), timedelta(minutes=1)) is None


async def test_the_same_account_writing_again_is_a_newcomer(life: Life) -> None:
    services = life.services
    await erase_person(services, external_id="D1", by="管理员")
    await write(services, "你好，是我")
    async with services.db.begin() as tx:
        again = await contacts.by_address(tx, services.vault, DEMO, OPENID)
        assert again is not None and again.id != life.contact.id
        assert again.person_id not in {life.doctor, life.newcomer}
        standing = await doctors.standing(tx, again.person_id)
        assert not standing.verified and not standing.waiting


async def test_an_import_does_not_bring_them_back(life: Life) -> None:
    services = life.services
    await erase_person(services, external_id="D1", by="管理员")
    report = await import_doctors(services.db, services.vault, services.clock, ACCOUNTS, life.path)
    assert (report.added, report.unchanged) == (0, 1)
    assert [(f.row, f.reason) for f in report.faults] == [(2, "此人已按本人要求删除，不再导入")]
    assert await find(services, NAME, PHONE) == []


async def test_others_are_untouched(life: Life) -> None:
    services = life.services
    before = await export_person(services.db, services.vault, external_id="D2")
    await erase_person(services, external_id="D1", by="管理员")
    assert await export_person(services.db, services.vault, external_id="D2") == before
    assert before["profile"]["name"] == "李四"


async def test_erasing_a_newcomer_or_by_the_newcomers_id(life: Life) -> None:
    services = life.services
    await write(services, "我还没有认证", "oSOMEBODY")
    async with services.db.begin() as tx:
        newcomer = await contacts.by_address(tx, services.vault, DEMO, "oSOMEBODY")
    assert newcomer is not None
    receipts = {
        r.store: r.rows for r in await erase_person(services, person_id=newcomer.person_id, by="管理员")
    }
    assert (receipts["keys"], receipts["doctor"], receipts["inbox"]) == (2, 0, 1)
    await erase_person(services, person_id=life.newcomer, by="管理员")  # who had turned out to be D1
    assert await readable(services, services.vault, {life.newcomer, life.doctor}) == {}


async def test_twice_nobody_and_both(life: Life) -> None:
    services = life.services
    await erase_person(services, external_id="D1", by="管理员")
    for named, fault in (
        ({"external_id": "D1"}, Fault.NOT_FOUND),
        ({"person_id": life.doctor}, Fault.ERASED),
        ({"person_id": uuid4()}, Fault.NOT_FOUND),
        ({}, Fault.BAD_INPUT),
        ({"external_id": "D2", "person_id": life.doctor}, Fault.BAD_INPUT),
    ):
        with pytest.raises(MedrepError) as refused:
            await erase_person(services, **named, by="管理员")
        assert refused.value.fault == fault
        with pytest.raises(MedrepError) as refused:
            await export_person(services.db, services.vault, **named)
        assert refused.value.fault == fault


async def test_an_erasure_that_fails_changes_nothing(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    services = life.services

    async def fail(*_: object) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(Vault, "destroy", fail)
    with pytest.raises(RuntimeError):
        await erase_person(services, external_id="D1", by="管理员")
    assert (await export_person(services.db, services.vault, external_id="D1"))["profile"]["name"] == NAME


async def test_the_search_for_clear_text_can_fail(life: Life) -> None:
    async with life.services.db.begin() as tx:
        await tx.execute(update(task).values(outcome=f"{NAME}来过"))
    assert "task.outcome" in await find(life.services, *NEEDLES)

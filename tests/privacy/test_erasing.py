"""Erasing a person: none of it left but what the law keeps, and nobody else touched."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select

from bot.clock import real_now
from bot.doctors import import_doctors
from bot.evidence import Sealer
from bot.evidence import verify as verify_chain
from bot.model import Fault, InboxState, MedrepError, OutboxState
from bot.privacy import erase_person, export_person
from bot.store import contacts, doctors, scenes, tables, tasks, turns
from bot.store.keyring import Keyring
from bot.store.tables import (
    attempt,
    contact,
    conversation,
    data_key,
    doctor,
    effect,
    evidence,
    invitation_code,
    occurrence,
    offer,
    timer,
    turn,
)
from bot.store.vault import Vault
from bot.tasks import Kind, add_to_open, open_task
from tests.privacy.life import (
    ACCOUNTS,
    ADVERSE,
    DEMO,
    NAME,
    NEEDLES,
    OPENID,
    PHONE,
    Life,
    find,
    readable,
    write,
)

TOLD = (
    *("profile_tag", "profile_event", "affiliation", "engagement", "suggestion", "change_request"),
    *("material_sent", "material_open", "visit", "visit_fact", "visit_summary"),
    *("visit_summary_version", "appointment", "own_visit", "own_visit_version", "crm_delivery", "chat_note"),
    "meeting_invitation",
)


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
        **dict.fromkeys(TOLD, 1),
        "medical_request": 1,
        "medical_step": 1,
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
        for table in (conversation, offer, effect, *(tables.metadata.tables[name] for name in TOLD)):
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
        background = await scenes.background(tx, services.vault, again.id, real_now(), real_now())
    assert not background.standing.verified and not background.standing.waiting


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

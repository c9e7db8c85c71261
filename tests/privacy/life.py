"""What a person leaves behind in all tables, and the search for it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Table, func, insert, select, update

from bot import crm, profiles
from bot.clock import real_now
from bot.inbound.receive import Receiver
from bot.model import Account, Audience, Channel, Choice, Inbound, InboundKind, MedrepError, Purpose
from bot.profiles.said import read_said
from bot.profiles.tags import note_said
from bot.runtime.services import Services
from bot.schedule.changes import set_timer
from bot.schedule.timers import step
from bot.settings import Accounts, WebChatAccount
from bot.store import (
    appointments,
    chat_notes,
    conversations,
    materials,
    medical_requests,
    meetings,
    own_visits,
    tables,
    timers,
    turns,
    visit_plans,
    visit_summaries,
    visits,
)
from bot.store import outbox as outgoing
from bot.store import staff as staff_rows
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.outbox import Draft
from bot.store.own_visits import NewOwnVisit
from bot.store.reviewed import OWN_VISIT, Standing
from bot.store.tables import evidence, metadata
from bot.store.timers import Action
from bot.store.vault import Vault
from bot.store.visit_plans import PlanRow

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
    "只属于纪要的话",
    "只属于代表拜访的话",
    "只属于推送的话",
    "只属于建议的话",
    "只属于更正的话",
    "只属于备注的话",
    "只属于问询的话",
    "只属于答复的话",
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


async def talk(tx: Any, services: Services, contact: Contact) -> None:
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
    await _profile(tx, vault, contact, now)
    writer = await staff_rows.add(tx, "备注代表", None, None, "")
    assert writer is not None
    await chat_notes.add(tx, vault, contact, writer, "只属于备注的话", now)
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
    sent_id = await materials.add(tx, contact, "metformin-digest", 1, now, now + timedelta(days=30))
    sent = await materials.sent(tx, sent_id)
    assert sent is not None
    await materials.opened(tx, sent, b"browser", now, real_now())
    await _visit(tx, vault, contact, now)
    await _request(tx, vault, contact, now)
    due = await timers.claim(tx, now, 10)
    assert await timers.advance(tx, [step(one, now) for one in due], now, real_now()) == (1, 0)
    reminder = tables.outbox.c.occurrence_id.is_not(None)
    await tx.execute(update(tables.outbox).where(reminder).values(state="held", platform_id="p1"))


async def _visit(tx: Tx, vault: Vault, contact: Contact, now: datetime) -> None:
    """A visit that has ended, what was noticed in it, and its summary."""
    plan = PlanRow("one", "metformin", "试", (), (), (), now.date(), now.date(), 30, 0)
    await visit_plans.write_plan(tx, plan, "wang", now)
    visit_id = await visits.add(
        tx, "one", contact.person_id, contact.id, "need", now, forced=True, requested=False
    )
    assert visit_id is not None
    visit = await visits.end_one(tx, visit_id, "refused", now)
    assert visit is not None
    await visits.add_fact(tx, visit, "need", "dose", None, now)
    sealed = await vault.seal(tx, contact.person_id, '{"next_step": "只属于纪要的话"}', "visit_summary.body")
    assert await visit_summaries.add(tx, visit, contact.person_id, sealed, now)
    told = '{"discussed": "只属于代表拜访的话"}'
    sealed = await vault.seal(tx, contact.person_id, told, OWN_VISIT.place)
    made = Standing(0, contact.id, contact.person_id, "draft", 1, sealed)
    assert await own_visits.add(tx, NewOwnVisit(made, None, "wang", now), now)
    body = "只属于推送的话".encode()
    await crm.tell(tx, vault, "summary.approved", f"visit:{visit_id}", 1, body, now, of=contact)
    rep = (
        await tx.execute(select(tables.doctor.c.rep_id).where(tables.doctor.c.external_id == "D1"))
    ).scalar_one()
    await appointments.add(tx, contact, rep, "call", now, now)
    assert await meetings.add(tx, contact, "a-meeting", (now, now + timedelta(hours=1)), "线上", "wang", now)


async def _request(tx: Tx, vault: Vault, contact: Contact, now: datetime) -> None:
    """A question to medical information, of a task that is there already, and a step towards its answer."""
    task_id = (await tx.execute(select(func.min(tables.task.c.id)))).scalar_one()
    question = await vault.seal(tx, contact.person_id, "只属于问询的话", "medical_request.question")
    values = {"product": "metformin", "wish": "phone", "off_label": True}
    await medical_requests.add(tx, task_id, contact.id, contact.person_id, question, **values)
    found = await medical_requests.locked(tx, task_id)
    assert found is not None
    body = await vault.seal(tx, contact.person_id, '{"text": "只属于答复的话"}', "medical_step.body")
    await medical_requests.add_step(tx, found, "saved", "wang", body, now, state="draft", answer=1)


async def _profile(tx: Tx, vault: Vault, contact: Contact, now: datetime) -> None:
    """A row in every table of a doctor's profile."""
    theirs = {"person_id": contact.person_id, "contact_id": contact.id}
    await note_said(tx, contact, read_said("别给我发长文").statements, ["message:1"], now)
    await profiles.note_deed(tx, contact, profiles.Deed.OPENED, "material:1", now)
    await profiles.add_affiliation(tx, contact.person_id, "虚构镇卫生院", "wang", now)
    score = {"points": 1, "tier": "low", "parts": [], "made_at": now}
    await tx.execute(insert(tables.engagement).values(**theirs, **score))
    await tx.execute(
        insert(tables.suggestion).values(
            **theirs,
            rule="no_contact",
            subject="contact",
            made_at=now,
            expires_at=now,
            state="dismissed",
            note_enc=await vault.seal(tx, contact.person_id, "只属于建议的话", "suggestion.note"),
        )
    )
    await tx.execute(
        insert(tables.change_request).values(
            **theirs,
            task_id=select(func.min(tables.task.c.id)).scalar_subquery(),
            name="hospital",
            wanted_enc=await vault.seal(tx, contact.person_id, "只属于更正的话", "change_request.wanted"),
            opened_at=now,
            state="open",
        )
    )


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
            contexts = [f"{table.name.removesuffix('_version')}.{column.removesuffix('_enc')}"]
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

"""A reminder's occurrence comes to its end: sent, missed, cancelled, or nobody knows; and the record says
what was really sent."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from bot.dialogue.version import Dialogue
from bot.model import Choice, Purpose
from bot.outbound import wording
from bot.outbound.receipts import reported
from bot.outbound.wording import Wording
from bot.privacy import erase_person
from bot.runtime.services import Services
from bot.schedule.timers import Timers
from bot.store import contact_view, receipts, restored
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.occurrences import Origin
from bot.store.receipts import DeliveryReport
from tests.outbound.test_templates import cards, due, outside
from tests.schedule.setting import remind
from tests.stage import DOCTORS, Stage

__all__ = ["outside"]
SEND = "message/custom/send"


async def queued(stage: Stage, **more: Any) -> int:
    """The outbox row of a reminder that is due now."""
    await remind(stage.services, await stage.contact(), stage.services.clock.now(), None, **more)
    assert await Timers(stage.services).tick() == 1
    return int((await stage.rows("SELECT max(id) FROM outbox"))[0][0])


async def ends(stage: Stage) -> list[Any]:
    return await stage.rows("SELECT state, reason FROM occurrence ORDER BY id")


async def body_of(stage: Stage, sealed: bytes) -> dict[str, Any]:
    contact = await stage.contact()
    async with stage.services.db.begin() as tx:
        text = await stage.services.vault.open_text(tx, contact.person_id, sealed, "outbox.body")
    found: dict[str, Any] = json.loads(text)
    return found


async def test_what_left_is_sent(open_window: Stage) -> None:
    stage = open_window
    await queued(stage)
    assert await ends(stage) == [("pending", None)]
    await stage.sender.push()
    assert await ends(stage) == [("sent", None)]
    async with stage.services.db.begin() as tx:
        (line,) = await contact_view.timers(tx, (await stage.contact()).id)
    assert line.state == "sent" and line.sent_at is not None
    assert line.basis == str(stage.services.published.dialogue.basis("utter_thanks"))


@pytest.mark.parametrize(
    ("fault", "end"),
    [
        ({"kind": "accept_then_reset"}, ("unknown", "ambiguous")),
        ({"kind": "errcode", "errcode": 43004}, ("missed", "unreachable")),
    ],
)
async def test_what_the_platform_makes_of_it(
    open_window: Stage, fault: dict[str, Any], end: tuple[str, str]
) -> None:
    stage = open_window
    await stage.fault(**fault)
    await queued(stage)
    await stage.sender.push()
    assert await ends(stage) == [end]


async def test_the_text_is_what_is_true_when_it_is_sent_and_the_record_holds_just_that(
    open_window: Stage,
) -> None:
    """F15: evidence of a reminder named the plan's basis and held no text."""
    stage = open_window
    row = await queued(stage)
    published = stage.services.published
    before = published.dialogue
    old = before.text("utter_thanks")
    new = "不客气，祝您工作顺利。"
    domain = before.files["domain.yml"]
    assert old in domain
    published._dialogue = after = Dialogue({**before.files, "domain.yml": domain.replace(old, new)})
    published._dialogues[after.fingerprint[:12]] = after
    await stage.sender.push()
    assert await stage.reply_texts() == [new]
    ((basis, body),) = await stage.rows(
        "SELECT facts ->> 'basis', body_enc FROM evidence WHERE kind = 'message.sent' AND subject = :row",
        row=f"outbox:{row}",
    )
    assert basis == str(after.basis("utter_thanks")) != str(before.basis("utter_thanks"))
    assert (await body_of(stage, body))["parts"] == [[new, basis]]
    found = await stage.row(row)
    assert (found.basis, found.body_enc) == (basis, body)
    assert new.encode() not in body


async def test_a_template_is_recorded_with_the_words_that_filled_it(outside: Stage) -> None:
    """F15, for what leaves as the platform's template."""
    stage = outside
    await due(stage)
    await stage.sender.push()
    assert await ends(stage) == [("sent", None)]
    ((basis, body),) = await stage.rows(
        "SELECT facts ->> 'basis', body_enc FROM evidence WHERE kind = 'message.sent'"
    )
    assert basis == str(stage.services.published.dialogue.basis("utter_human"))
    assert (await body_of(stage, body))["fields"]["rep"] == "值班同事"


async def test_a_failed_template_receipt_makes_a_sent_reminder_a_missed_one(outside: Stage) -> None:
    stage = outside
    await stage.control("faults", {"template_status": "failed:user block"})
    row = await due(stage)
    await stage.sender.push()
    await until(stage, "SELECT 1 FROM evidence WHERE kind = 'message.receipt'")
    assert await ends(stage) == [("missed", "failed:user block")]
    assert (await stage.row(row)).state == "failed"
    assert len(await cards(stage)) == 0


@pytest.mark.parametrize(
    ("status", "end"),
    [("success", ("sent", None)), ("failed: system failed", ("missed", "failed: system failed"))],
)
async def test_a_receipt_may_come_before_the_answer_to_the_send(
    outside: Stage, status: str, end: tuple[str, str | None]
) -> None:
    stage = outside
    await stage.control("faults", {"template_status": status, "template_early": True})
    row = await due(stage)
    await stage.sender.push()
    assert await ends(stage) == [end]
    assert (await stage.row(row)).state == ("delivered" if status == "success" else "failed")
    assert await stage.rows("SELECT 1 FROM early_receipt") == []
    assert len(await stage.rows("SELECT 1 FROM evidence WHERE kind = 'message.receipt'")) == 1


async def test_a_receipt_waits_for_a_send_that_is_just_being_settled(open_window: Stage) -> None:
    """Neither may look before the other commits."""
    stage = open_window
    row = await stage.queue()
    now, report = stage.services.clock.now(), DeliveryReport(DOCTORS, "m-1", False, "failed:user block")
    other = asyncio.Event()

    async def receipt() -> None:
        async with stage.services.db.begin() as tx:
            other.set()
            await reported(tx, [report], now)

    async with stage.services.db.begin() as tx:
        await receipts.alone(tx, [(DOCTORS, "m-1")])
        comes = asyncio.create_task(receipt())
        await other.wait()
        await stage.rows("SELECT 1")  # the other one asks for its lock meanwhile
        update = "UPDATE outbox SET state = 'sent', platform_id = 'm-1' WHERE id = :id"
        await tx.execute(text(update), {"id": row})
    await comes
    assert (await stage.row(row)).state == "failed"
    assert await stage.rows("SELECT 1 FROM early_receipt") == []


async def test_a_receipt_of_nothing_we_sent_is_kept_a_while(open_window: Stage) -> None:
    stage = open_window
    now = stage.services.clock.now()
    async with stage.services.db.begin() as tx:
        for delivered in (True, False):
            await reported(tx, [DeliveryReport(DOCTORS, "m-9", delivered, str(delivered))], now)
    assert await stage.rows("SELECT platform_id, status FROM early_receipt") == [("m-9", "False")]


async def test_an_erased_persons_reminders_are_cancelled(
    open_window: Stage,
) -> None:
    stage = open_window
    row = await queued(stage)
    contact = await stage.contact()
    await erase_person(stage.services, person_id=contact.person_id, by="test")
    assert await ends(stage) == [("cancelled", "erased")]
    assert (await stage.row(row)).body_enc == b""
    assert await stage.rows("SELECT next_due, refs FROM timer") == [(None, {})]


async def test_what_is_cancelled_after_a_restore_is_cancelled(open_window: Stage) -> None:
    stage = open_window
    row = await queued(stage)
    async with stage.services.db.begin() as tx:
        assert await restored.cancel(tx, [row]) == 1
    assert await ends(stage) == [("cancelled", "restored")]


async def test_without_consent_it_is_missed(open_window: Stage) -> None:
    stage = open_window
    await stage.write("UPDATE consent SET withdrawn_at = given_at WHERE purpose = 'medication'")
    await queued(stage)
    await stage.sender.push()
    assert await ends(stage) == [("missed", "no_consent")]


async def test_a_room_whose_ids_lead_nowhere_is_a_task_and_a_missed_reminder(open_window: Stage) -> None:
    stage = open_window
    for refs, name in (({"response": "utter_nothing"}, "response"), ({"dose": 7}, "nobody")):
        await queued(stage, refs=refs, wording=name)
        await stage.sender.push()
    assert await ends(stage) == [("missed", "not_found")] * 2
    assert "failed_turn" in await stage.tasks()


async def test_choices_of_a_reminder_are_remembered_under_its_row(
    open_window: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = open_window

    async def asking(_: Tx, services: Services, contact: Contact, __: Origin) -> Wording:
        reply = services.published.dialogue.reply("utter_thanks", contact.audience)
        return Wording(replace(reply, choices=(Choice("human", "人工"),)))

    monkeypatch.setitem(wording.ROOMS, "asking", asking)
    row = await queued(stage, wording="asking", purpose=Purpose.MEDICATION)
    await stage.sender.push()
    assert (await body_of(stage, (await stage.row(row)).body_enc))["choices"] == [["human", "人工"]]


async def until(stage: Stage, query: str) -> None:
    """Wait until the query finds something."""
    async with asyncio.timeout(20):
        while not await stage.rows(query):
            await asyncio.sleep(0.02)

"""What one batch of claimed rows shares: its locks, its statements, and what one row may not do to others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, text
from structlog.testing import capture_logs

import bot.outbound.departures
import bot.outbound.sender
from bot.clock import real_now
from bot.content import seed_content
from bot.knowledge import answer_text
from bot.model import Basis, BasisKind, Choice, OutboxState, Purpose, Reply
from bot.outbound import wording
from bot.outbound.wording import Wording
from bot.people import consent
from bot.runtime.services import Services
from bot.schedule.timers import Timers
from bot.store import people
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.occurrences import Origin
from bot.store.outbox import Draft, Part
from tests.locks import begun
from tests.outbound.test_release import CONTENT, ENTRY
from tests.phone import Phone
from tests.schedule.setting import remind
from tests.stage import Stage

HUMAN = (Choice("human", "找同事"),)


async def other_phone(stage: Stage) -> Phone:
    """Somebody else who has written and agreed to everything."""
    phone = await Phone.newcomer(stage.http, stage.double, "别人")
    await phone.send(type="image", wait=True)
    stage.phone, own = phone, stage.phone
    await stage.agree()
    stage.phone = own
    return phone


async def due(stage: Stage, address: str, room: str = "response", **more: Any) -> int:
    """The outbox row of a reminder that is due now."""
    now, contact = stage.services.clock.now(), await stage.contact(address)
    await remind(stage.services, contact, now, None, wording=room, **more)
    assert await Timers(stage.services).tick() == 1
    return int((await stage.rows("SELECT max(id) FROM outbox"))[0][0])


# ---------------------------------------------------------------- one row and its neighbours


async def no_key(_: Tx, __: Services, ___: Contact, origin: Origin) -> Wording:
    raise KeyError(origin.name)


async def no_column(tx: Tx, _: Services, __: Contact, ___: Origin) -> Wording:
    await tx.execute(text("SELECT no_such_column FROM outbox"))
    raise AssertionError


async def too_long(tx: Tx, _: Services, __: Contact, ___: Origin) -> Wording:
    await tx.execute(text("SET LOCAL statement_timeout = '20ms'"))
    await tx.execute(text("SELECT pg_sleep(5)"))
    raise AssertionError


@pytest.mark.parametrize("room", [no_key, no_column])
async def test_a_bug_in_the_text_of_one_reminder_keeps_no_other_back(
    open_window: Stage, monkeypatch: pytest.MonkeyPatch, room: Callable[..., Any]
) -> None:
    stage = open_window
    monkeypatch.setitem(wording.ROOMS, "broken", room)
    other = await other_phone(stage)
    broken, whole = await due(stage, stage.phone.openid, "broken"), await due(stage, other.openid)
    with capture_logs() as logged:
        assert await stage.sender.push() == 2
    assert [entry["row"] for entry in logged if entry["event"] == "outbox.bug"] == [broken]
    found = await stage.row(broken)
    assert (found.state, found.fault) == (OutboxState.WAITING, "configuration")
    assert found.parked and found.retry_at > real_now() - timedelta(seconds=1), "it is tried again, later"
    assert (await stage.row(whole)).state == OutboxState.SENT
    assert len(await other.replies()) == 1 and await stage.used() == 1
    assert await stage.tasks() == {"platform"}, "somebody is told"
    await stage.write("UPDATE outbox SET attempts = 59, retry_at = now() WHERE id = :id", id=broken)
    with capture_logs():
        await stage.sender.push()
    assert (await stage.row(broken)).state == OutboxState.FAILED
    assert await stage.tasks() == {"platform", "failed_turn"}


async def no_basis(_: Tx, __: Services, ___: Contact, ____: Origin) -> Wording:
    return Wording(Reply("没有依据的话"))


async def test_a_refusal_that_cannot_be_written_keeps_no_other_back(
    open_window: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A blocked text is told to a colleague by a task, under a key that is destroyed."""
    stage = open_window
    monkeypatch.setitem(wording.ROOMS, "broken", no_basis)
    other = await other_phone(stage)
    stuck, whole = await due(stage, stage.phone.openid, "broken"), await due(stage, other.openid, "broken")
    # The text of an occurrence is made when it is sent: nothing was to be opened before.
    key_id = (await stage.contact()).key_id
    await stage.write("UPDATE data_key SET wrapped = NULL WHERE id = :id", id=key_id)
    stage.services.vault.forget_all()
    await stage.sender.push()
    assert (await stage.row(whole)).state == OutboxState.BLOCKED
    found = await stage.row(stuck)
    assert (found.state, found.written_at) == (OutboxState.SENDING, None), "its lease decides"


async def test_who_is_locked_for_long_keeps_no_other_back(
    open_window: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An erasure or an import may hold a contact for longer than the lease of who is claimed with it."""
    stage = open_window
    monkeypatch.setattr(bot.outbound.departures, "LOCK_WAIT", 0.2)
    monkeypatch.setattr(bot.outbound.sender, "AT_ONCE", 0)
    other = await other_phone(stage)
    locked, whole = await stage.queue(), await due(stage, other.openid)
    contact = await stage.contact()
    async with stage.services.db.begin() as tx:
        await tx.execute(text("SELECT FROM contact WHERE id = :id FOR UPDATE"), {"id": contact.id})
        assert await stage.sender.push() == 2
    assert (await stage.row(whole)).state == OutboxState.SENT
    found = await stage.row(locked)
    assert (found.state, found.fault) == (OutboxState.WAITING, "transient")
    assert not await stage.tasks(), "it passes by itself"
    await stage.at_once()
    await stage.sender.push()
    assert (await stage.row(locked)).state == OutboxState.SENT


# ---------------------------------------------------------------- what was not handed over


async def canceled(tx: Tx) -> None:
    await too_long(tx, None, None, None)  # type: ignore[arg-type]


async def cut(tx: Tx) -> None:
    raw: Any = (await tx.get_raw_connection()).driver_connection
    await raw.close()
    await tx.execute(text("SELECT 1"))


def failing(monkeypatch: pytest.MonkeyPatch, times: int, fail: Callable[[Tx], Any]) -> None:
    """The next transactions that prepare a batch end so, when all of it is written."""
    prepare, left = bot.outbound.sender.prepare, [fail] * times

    async def then_fail(tx: Tx, *given: Any) -> Any:
        made = await prepare(tx, *given)
        if left:
            await left.pop()(tx)
        return made

    monkeypatch.setattr(bot.outbound.sender, "prepare", then_fail)


@pytest.mark.parametrize("fail", [canceled, cut])
async def test_what_failed_before_the_hand_over_is_tried_again_at_once(
    open_window: Stage, monkeypatch: pytest.MonkeyPatch, fail: Callable[[Tx], Any]
) -> None:
    stage = open_window
    row = await stage.queue()
    failing(monkeypatch, 1, fail)
    await stage.sender.push()
    assert (await stage.row(row)).state == OutboxState.SENT
    assert await stage.used() == 1


async def test_what_was_not_handed_over_waits_for_no_lease(
    open_window: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = open_window
    row = await stage.queue()
    failing(monkeypatch, 2, cut)
    await stage.sender.push()
    found = await stage.row(row)
    assert (found.state, found.attempts) == (OutboxState.WAITING, 0), "an outage counts against no message"
    assert found.retry_at < real_now() + timedelta(seconds=2)
    await stage.at_once()
    await stage.sender.push()
    assert (await stage.row(row)).state == OutboxState.SENT


# ---------------------------------------------------------------- locks


@pytest.mark.parametrize("said", ["stop", "withdraw"])
async def test_what_they_say_while_a_batch_waits_for_them_is_found(open_window: Stage, said: str) -> None:
    """The batch read what they want, and then waited for the very transaction that changed it."""
    stage, now = open_window, open_window.services.clock.now()
    rows = [await stage.queue("utter_thanks", purpose) for purpose in (Purpose.SERVICE, Purpose.MEDICATION)]
    contact = await stage.contact()
    async with stage.services.db.begin() as tx:
        if said == "stop":
            await people.stop(tx, contact.person_id, now)
        else:
            for purpose in (Purpose.SERVICE, Purpose.MEDICATION):
                await consent.withdraw(tx, contact, purpose, now, source="test")
        claimed = await begun(stage.services.db, stage.sender.push())
    await claimed
    await stage.sender.push()
    states = {((await stage.row(row)).state, (await stage.row(row)).fault) for row in rows}
    assert states == {(OutboxState.CANCELLED, "stopped" if said == "stop" else "no_consent")}
    assert not await stage.calls("message/custom/send")


async def test_a_batch_and_an_erasure_lock_in_one_order(open_window: Stage) -> None:
    """The batch held windows and rows, and then waited for the contact, of which its offer is."""
    stage = open_window
    row = await stage.queue(draft=replace(stage.draft(), choices=HUMAN))
    contact = await stage.contact()
    async with stage.services.db.begin() as tx:
        await tx.execute(text("SELECT FROM contact WHERE id = :id FOR UPDATE"), {"id": contact.id})
        push = await begun(stage.services.db, stage.sender.push())
        await tx.execute(text("SET LOCAL lock_timeout = '300ms'"))
        await tx.execute(text("SELECT FROM outbox FOR UPDATE"))
        await tx.execute(text("SELECT FROM send_window FOR UPDATE"))
    await push
    assert (await stage.row(row)).state == OutboxState.SENT


async def test_windows_are_locked_by_what_they_are_and_not_by_when_they_close(open_window: Stage) -> None:
    """`closes_at` changes with every act, so two batches could lock one person's windows in two orders."""
    stage = open_window
    contact, closes_at = await stage.contact(), stage.services.clock.now() + timedelta(days=9)
    await stage.write(
        "INSERT INTO send_window (contact_id, act, closes_at, allowance) VALUES (:id, 'click', :at, 3)",
        id=contact.id,
        at=closes_at,
    )
    row = await stage.queue()
    lock = text("SELECT FROM send_window WHERE act = :act FOR UPDATE")
    async with stage.services.db.begin() as tx:
        await tx.execute(lock, {"act": "click"})
        push = await begun(stage.services.db, stage.sender.push())
        await tx.execute(text("SET LOCAL lock_timeout = '300ms'"))
        await tx.execute(lock, {"act": "message"})
    await push
    assert (await stage.row(row)).state == OutboxState.SENT


# ---------------------------------------------------------------- statements and transactions


async def test_a_batch_is_prepared_in_as_many_statements_as_one_row(
    open_window: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Choices, and what a quoted text rests on, were written and asked for row by row."""
    stage = open_window
    await seed_content(stage.services.db, stage.services.clock.now())
    quoted_text = answer_text(ENTRY, CONTENT, stage.services.clock.now())
    part = Part(quoted_text, Basis(BasisKind.CONTENT, ENTRY.id, "1"))
    phones = [stage.phone, await other_phone(stage), await other_phone(stage)]
    doctors = [await stage.contact(phone.openid) for phone in phones]
    for number, contact in enumerate(doctors):
        await stage.write(
            "INSERT INTO doctor (person_id, external_id, name_enc, hospital, digest, verified_at, updated_at)"
            " VALUES (:person, :number, '', '示例医院', '', now(), now())",
            person=contact.person_id,
            number=f"T-{number}",
        )
    counts: list[tuple[int, int]] = []
    prepare = bot.outbound.sender.prepare

    async def counted(tx: Tx, services: Services, channel: Any, rows: Any, lease: Any) -> Any:
        asked: list[str] = []
        with statements(stage, asked):
            made = await prepare(tx, services, channel, rows, lease)
        counts.append((len(rows), len(asked)))
        return made

    monkeypatch.setattr(bot.outbound.sender, "prepare", counted)
    queued = []
    for those in (doctors[:1], doctors[:1], doctors):  # the first reads what is kept in memory from then on
        async with stage.services.db.begin() as tx:
            draft = Draft((part,), Purpose.SERVICE, HUMAN)
            queued += [await stage.queue_in(tx, contact, draft) for contact in those]
        await stage.write("UPDATE turn SET started_at = started_at - interval '1 hour'")
        await stage.write("UPDATE outbox SET sent_at = sent_at - interval '9 days'")
        await stage.sender.push()
    assert {(await stage.row(row)).state for row in queued} == {OutboxState.SENT}
    assert [rows for rows, _ in counts] == [1, 1, 3]
    assert counts[1][1] == counts[2][1] <= 14


@contextmanager
def statements(stage: Stage, asked: list[str]) -> Iterator[None]:
    """Those that are executed meanwhile, on whichever connection."""
    engine = stage.services.db._engine.sync_engine

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        asked.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", note)


@pytest.mark.parametrize("why", ["quiet hours", "account"])
async def test_what_waits_for_one_reason_is_written_in_one_transaction(open_window: Stage, why: str) -> None:
    """20,000 messages that are due in the quiet hours took as many transactions, one after the other."""
    stage = open_window
    phones = [stage.phone, await other_phone(stage), await other_phone(stage)]
    rows = []
    for phone in phones:
        contact = await stage.contact(phone.openid)
        async with stage.services.db.begin() as tx:
            draft = stage.draft("utter_thanks", Purpose.SERVICE)
            rows.append(await stage.queue_in(tx, contact, draft))
    if why == "account":
        await stage.fault("errcode", api="stable_token", errcode=40164, times=None)
    else:
        await stage.move(stage.services.clock.now().replace(hour=22))
    await stage.sender.push()
    found = [await stage.row(row) for row in rows]
    assert {row.state for row in found} == {OutboxState.WAITING} and all(row.parked for row in found)
    assert {row.attempts for row in found} == {0}, "waiting is no failed try"
    noted = await stage.rows(
        "SELECT count(*), count(DISTINCT xmin::text) FROM evidence WHERE kind = 'message.not_sent'"
    )
    assert noted == [(len(phones), 1)]
    assert await stage.tasks() == ({"platform"} if why == "account" else set())


async def test_a_push_makes_one_claim_unless_places_were_wanting(
    open_window: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = open_window
    await stage.queue()
    await stage.sender.push()
    assert not stage.sender.wake.is_set(), "nothing was left behind"
    monkeypatch.setattr(bot.outbound.sender, "TOGETHER", 1)
    await stage.queue()
    await stage.queue("utter_emergency", Purpose.EMERGENCY)
    assert await stage.sender.push() == 1
    assert stage.sender.wake.is_set()

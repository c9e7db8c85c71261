"""What each answer of the platform leads to: the row, the tries, the circuits, the tasks, the ledger."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import ProgrammingError

import bot.store.outbox_claims
from bot.clock import CHINA, real_now
from bot.model import OutboxState, Purpose
from bot.store.database import UNAVAILABLE
from tests.phone import Phone
from tests.stage import Stage


@dataclass(frozen=True)
class Case:
    errcode: int
    state: str
    fault: str
    task: str = ""
    used: int = 0  # of the ledger, once it is over


CASES = (
    Case(40003, "cancelled", "unreachable"),
    Case(43004, "cancelled", "unreachable"),
    Case(40164, "waiting", "address_not_allowed", "platform"),
    Case(45009, "waiting", "daily_quota", "platform"),
    Case(45011, "waiting", "minute_quota"),
    Case(45015, "held", "window_closed"),
    Case(45047, "held", "count_used_up", used=5),
    Case(48001, "waiting", "no_permission", "platform"),
    Case(40008, "failed", "rejected", "failed_turn"),
    Case(45002, "waiting", "too_long"),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.errcode))
async def test_a_refusal_leads_to_its_reaction(open_window: Stage, case: Case) -> None:
    stage = open_window
    row = await stage.queue()
    await stage.fault("errcode", errcode=case.errcode)
    assert await stage.sender.push() == 1
    found = await stage.row(row)
    assert (found.state, found.fault) == (case.state, case.fault)
    assert await stage.used() == case.used, "what was refused is not counted"
    assert case.task in {"", *await stage.tasks()}
    await stage.at_once()
    if case.state != "waiting":
        assert await stage.sender.push() == 0, "it is not tried again"
    assert await stage.reply_texts() == []
    ((fault, state),) = await stage.rows(
        "SELECT facts ->> 'fault', facts ->> 'state' FROM evidence WHERE kind = 'message.not_sent'"
    )
    assert (fault, state) == (case.fault, case.state)


async def test_busy_is_tried_three_times_with_longer_pauses(open_window: Stage) -> None:
    stage = open_window
    row = await stage.queue()
    await stage.fault("errcode", errcode=-1, times=None)
    pauses = []
    for _ in range(3):
        assert await stage.sender.push() == 1
        pauses.append((await stage.row(row)).retry_at - real_now())
        assert await stage.sender.push() == 0, "not before its time"
        await stage.at_once()
    assert timedelta(seconds=1) < pauses[0] < pauses[1] < timedelta(seconds=5)
    assert (await stage.row(row)).state == OutboxState.FAILED
    assert await stage.sender.push() == 0
    assert len(await stage.calls("message/custom/send")) == 3
    assert await stage.used() == 0
    assert await stage.tasks() == {"failed_turn"}


async def test_busy_once_then_it_leaves(open_window: Stage) -> None:
    stage = open_window
    row = await stage.queue()
    await stage.fault("errcode", errcode=-1)
    await stage.sender.push()
    await stage.at_once()
    await stage.sender.push()
    assert (await stage.row(row)).state == OutboxState.SENT
    assert len(await stage.reply_texts()) == 1
    assert await stage.used() == 1


@pytest.mark.parametrize("errcode", [40001, 40014, 42001])
async def test_a_refused_token_is_renewed_and_the_send_repeated_once(
    open_window: Stage, errcode: int
) -> None:
    stage = open_window
    row = await stage.queue()
    await stage.fault("errcode", errcode=errcode)
    await stage.sender.push()
    assert (await stage.row(row)).state == OutboxState.SENT
    assert len(await stage.calls("message/custom/send")) == 2
    await stage.fault("errcode", errcode=errcode, times=None)
    row = await stage.queue()
    await stage.sender.push()
    found = await stage.row(row)
    assert (found.state, found.fault) == (OutboxState.WAITING, "token")
    assert len(await stage.calls("message/custom/send")) == 4, "once more, not for ever"
    assert "platform" in await stage.tasks()
    assert await stage.used() == 1


@pytest.mark.parametrize("errcode", [40001, 40164, 48001])
async def test_what_the_account_was_turned_away_for_leaves_once_it_is_mended(
    open_window: Stage, errcode: int
) -> None:
    stage = open_window
    row = await stage.queue()
    await stage.fault("errcode", errcode=errcode, times=None)
    await stage.sender.push()
    await stage.at_once()
    assert await stage.sender.push() == 0, "the account rests: nothing is tried meanwhile"
    ((until,),) = await stage.rows("SELECT open_until FROM circuit")
    assert timedelta() < until - real_now() <= timedelta(minutes=1)
    await stage.control("faults", method="DELETE")
    await stage.write("UPDATE circuit SET open_until = now()")
    assert await stage.sender.push() == 1
    found = await stage.row(row)
    assert found.state == OutboxState.SENT
    assert len(await stage.reply_texts()) == 1


async def test_too_long_is_split_again_in_order(open_window: Stage) -> None:
    stage = open_window
    text = stage.services.published.dialogue.text("utter_introduce")
    assert len(text.encode()) > 128
    row = await stage.queue("utter_introduce")
    await stage.fault("errcode", errcode=45002, times=3)
    for halved in (1, 2, 3):
        assert await stage.sender.push() == 1
        assert (await stage.row(row)).halved == halved
        await stage.at_once()
    await stage.sender.push()
    assert (await stage.row(row)).state == OutboxState.SENT
    replies = await stage.reply_texts()
    assert len(replies) >= 2 and "".join(replies) == text
    assert max(len(piece.encode()) for piece in replies) <= 256
    assert await stage.used() == len(replies)


async def test_too_long_is_not_halved_for_ever(open_window: Stage) -> None:
    stage = open_window
    row = await stage.queue()
    await stage.fault("errcode", errcode=45002, times=None)
    for _ in range(4):
        await stage.sender.push()
        await stage.at_once()
    assert (await stage.row(row)).state == OutboxState.FAILED
    assert "failed_turn" in await stage.tasks()


async def test_the_quotas_keep_the_whole_account_quiet(open_window: Stage) -> None:
    stage = open_window
    first = await stage.queue()
    await stage.fault("errcode", errcode=45011)
    await stage.sender.push()
    urgent = await stage.queue(purpose=Purpose.EMERGENCY)
    await stage.at_once()
    assert await stage.sender.push() == 0
    ((until, fault),) = await stage.rows("SELECT open_until, fault FROM circuit")
    assert fault == "minute_quota"
    assert until.second == 0 and timedelta() < until - real_now() <= timedelta(minutes=1)
    await stage.write("UPDATE circuit SET open_until = now()")
    await stage.fault("errcode", errcode=45009)
    assert await stage.sender.push() == 2
    ((until, fault),) = await stage.rows("SELECT open_until, fault FROM circuit")
    assert fault == "daily_quota" and until.astimezone(CHINA).hour == 0
    assert timedelta() < until - real_now() <= timedelta(hours=24, seconds=5)
    await stage.write("UPDATE circuit SET open_until = now()")
    await stage.at_once()
    while await stage.sender.push():
        pass
    states = {(await stage.row(row)).state for row in (first, urgent)}
    assert states == {OutboxState.SENT}
    assert (await stage.row(first)).attempts <= 2, "waiting for a quota is not a failed try"


async def test_who_does_not_follow_gets_nothing_more_until_they_write(open_window: Stage) -> None:
    stage = open_window
    first, second = await stage.queue(), await stage.queue()
    await stage.fault("errcode", errcode=43004)
    await stage.sender.push()
    assert {(await stage.row(row)).state for row in (first, second)} == {OutboxState.CANCELLED}
    assert (await stage.contact()).unreachable_at is not None
    assert len(await stage.calls("message/custom/send")) == 1
    third = await stage.queue()
    await stage.sender.push()
    assert (await stage.row(third)).state == OutboxState.CANCELLED
    await stage.phone.send(type="image", wait=True)
    fourth = await stage.queue()
    await stage.sender.push()
    assert (await stage.row(fourth)).state == OutboxState.SENT


@pytest.mark.parametrize("kind", ["reset", "html", "hang", "accept_then_reset"])
async def test_what_may_have_arrived_is_never_sent_again(open_window: Stage, kind: str) -> None:
    stage = open_window
    row = await stage.queue()
    await stage.fault(kind)
    await stage.sender.push()
    assert (await stage.row(row)).state == OutboxState.UNKNOWN
    await stage.at_once()
    await stage.sender.tidy()
    assert await stage.sender.push() == 0
    assert len(await stage.calls("message/custom/send")) == 1
    assert len(await stage.reply_texts()) == (kind == "accept_then_reset")
    assert await stage.used() == 1, "it may have been counted there"
    assert await stage.tasks() == {"uncertain_send"}
    after = await stage.queue()
    await stage.sender.push()
    assert (await stage.row(after)).state == OutboxState.SENT, "it holds up nothing"


async def test_nobody_there_is_not_ambiguous(open_window: Stage) -> None:
    stage = open_window
    row = await stage.queue()
    await stage.wechat.api._http.close()
    await stage.sender.push()
    found = await stage.row(row)
    assert (found.state, found.fault) == (OutboxState.WAITING, "transient")


async def test_one_row_that_cannot_be_read_ends_alone(open_window: Stage) -> None:
    """F22: a row whose text or person cannot be read ended the outbox loop, and counted as an outage."""
    stage = open_window
    other = await Phone.newcomer(stage.http, stage.double, "别人")
    await other.send(type="image", wait=True)
    broken = await stage.queue("utter_thanks")
    async with stage.services.db.begin() as tx:
        whole = await stage.queue_in(tx, await stage.contact(other.openid), stage.draft())
    await stage.write("UPDATE outbox SET body_enc = body_enc || '\\x00' WHERE id = :id", id=broken)
    assert await stage.sender.push() == 2
    found = await stage.row(broken)
    assert (found.state, found.fault) == (OutboxState.FAILED, "tampered")
    assert (await stage.row(whole)).state == OutboxState.SENT
    assert len(await other.replies()) == 1


async def test_a_row_of_somebody_who_was_erased_ends(open_window: Stage) -> None:
    """F22: nobody can be told of it, and others go on."""
    stage = open_window
    contact = await stage.contact()
    stuck = await stage.queue("utter_thanks", Purpose.MEDICATION)
    waiting = [await stage.queue("utter_thanks", Purpose.MEDICATION), await stage.queue("utter_media")]
    await stage.write(
        "UPDATE outbox SET state = 'sending', written_at = now(), lease_until = now() - interval '1 second'"
        " WHERE id = :id",
        id=stuck,
    )
    await stage.write("UPDATE data_key SET wrapped = NULL WHERE person_id = :id", id=contact.person_id)
    stage.services.vault.forget_all()
    await stage.sender.tidy()
    assert (await stage.row(stuck)).state == OutboxState.CANCELLED, "nobody can be told of it"
    await stage.sender.push()
    assert {(await stage.row(row)).state for row in waiting} == {OutboxState.CANCELLED}


async def test_a_bug_is_not_taken_for_an_outage(open_window: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """F22: a wrong statement was waited out as if the database were away."""
    stage = open_window

    asked = asyncio.Event()

    async def wrong(*_: Any, **__: Any) -> None:
        asked.set()
        await stage.rows("SELECT no_such_column FROM outbox")

    monkeypatch.setattr(bot.store.outbox_claims, "claim", wrong)
    with pytest.raises(ProgrammingError), suppress(*UNAVAILABLE):
        await stage.sender.push()
    asked.clear()
    running = asyncio.create_task(stage.sender.run())
    await asyncio.wait_for(asked.wait(), 30)
    monkeypatch.undo()
    row = await stage.queue()
    async with asyncio.timeout(30):
        while (await stage.row(row)).state != OutboxState.SENT:
            await asyncio.sleep(0.05)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_what_is_held_expires_after_two_days(open_window: Stage) -> None:
    stage = open_window
    await stage.move(stage.services.clock.now() + timedelta(hours=49))
    row = await stage.queue()
    await stage.sender.push()
    assert (await stage.row(row)).state == OutboxState.HELD
    await stage.move(stage.services.clock.now() + timedelta(hours=49))
    await stage.sender.tidy()
    assert (await stage.row(row)).state == OutboxState.EXPIRED
    await stage.phone.send(type="image", wait=True)
    assert await stage.sender.push() == 0, "an answer of days ago is out of place"

"""The reply that rides on the connection that brought the message."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock
from uuid import UUID

import psycopg
import pytest

from bot.inbound import connections, endings
from bot.inbound.gateway import PASSIVE_WAIT
from bot.inbound.turns import TurnWorkers
from bot.model import Accepted, Fault, Inbound, InboundKind, MedrepError, OutboxState, PassiveReply, Turn
from bot.store.outbox import Draft
from tests.stage import DOCTORS, RETRY_WAIT, Stage

RED_FLAG = "我现在胸口疼得厉害，喘不上气"


async def let_us_push(stage: Stage) -> None:
    """They clicked something, and that is over."""
    await stage.phone.send(type="event", event="CLICK", wait=True)
    await stage.write("UPDATE inbox SET state = 'done'")


async def via(stage: Stage) -> list[str]:
    return [item["via"] for item in await stage.phone.replies()]


async def test_it_costs_nothing(stage: Stage) -> None:
    async with stage.running():
        receipt = await stage.phone.send(type="image", wait=True)
    assert receipt["outcome"] == "replied"
    assert await via(stage) == ["passive"]
    assert await stage.used() == 0
    sent = "SELECT facts ->> 'via' FROM evidence WHERE kind = 'message.sent'"
    async with asyncio.timeout(10):
        # Recorded after it was written to the connection, and so after the platform had it.
        while await stage.rows(sent) != [("passive",)]:
            await asyncio.sleep(0.05)
    assert await stage.rows("SELECT state, via FROM outbox") == [("sent", "passive")]


async def test_a_red_flag_is_answered_on_its_connection_with_no_worker_and_no_engine(stage: Stage) -> None:
    stage.engine.available = False
    receipt = await stage.phone.send(type="text", content=RED_FLAG, wait=True)
    assert receipt["outcome"] == "replied"
    assert "120" in (await stage.reply_texts())[0]
    assert await stage.tasks() == {"emergency"}


async def test_nobody_waits_while_the_engine_is_down(stage: Stage) -> None:
    stage.engine.available = False
    stage.gateway._passive_wait = timedelta(minutes=1)
    inbound = Inbound(
        DOCTORS, stage.phone.openid, "m:1", InboundKind.TEXT, datetime.now(UTC), text="二甲双胍怎么吃"
    )
    accepted = await stage.gateway.accept(inbound, passive=True)
    async with asyncio.timeout(20):
        assert await stage.gateway.passive_reply(accepted) is None


async def test_what_comes_too_late_is_pushed(stage: Stage) -> None:
    receipt = await stage.phone.send(type="image", wait=True)
    assert receipt["outcome"] == "acknowledged"
    async with stage.running():
        await stage.phone.next()
    assert await via(stage) == ["customer_service"]


async def test_what_does_not_fit_is_pushed(stage: Stage) -> None:
    receipt = asyncio.create_task(stage.phone.send(type="image", wait=True))
    long = stage.draft().parts[0]
    many = Draft((long,) * 20, stage.draft().purpose)
    async with asyncio.timeout(5):
        while not (found := await stage.rows("SELECT id, passive_until FROM inbox")):
            await asyncio.sleep(0.02)
    row = await stage.queue(draft=many, passive=found[0])
    await stage.gateway.notified(str(found[0][0]))
    assert (await receipt)["outcome"] == "acknowledged"
    assert (await stage.row(row)).state == OutboxState.WAITING
    assert await stage.sender.push() == 1, "at once: nobody else will come for it"
    assert (await stage.row(row)).state == OutboxState.SENT
    assert set(await via(stage)) == {"customer_service"}
    assert "".join(await stage.reply_texts()) == "\n\n".join(part.text for part in many.parts)


async def test_three_deliveries_at_once_get_one_reply(stage: Stage) -> None:
    await stage.control("faults", {"webhook": {"copies": 3}})
    async with stage.running():
        for _ in range(5):
            await stage.phone.send(type="image", wait=True)
        await asyncio.sleep(RETRY_WAIT.total_seconds() + 1)
    assert await via(stage) == ["passive"] * 5
    assert await stage.rows("SELECT DISTINCT state FROM outbox") == [("sent",)]
    posts = (await stage.control("log?kind=delivery", method="GET"))["entries"]
    # A copy that comes after the reply was written is a retry, and is offered it again: it was shown once.
    assert len(posts) == 15 and sum(post["outcome"] == "replied" for post in posts) >= 5


async def test_a_retry_is_offered_the_same_row(stage: Stage) -> None:
    await stage.control("faults", {"webhook": {"drop_responses": 1, "timeout_seconds": 1}})
    async with stage.running():
        receipt = await stage.phone.send(type="image", wait=True)
        await asyncio.sleep(RETRY_WAIT.total_seconds() + 1)
    assert receipt["outcome"] == "replied"
    assert await via(stage) == ["passive"], "shown once, and nothing is pushed after it"
    assert await stage.rows("SELECT state, via FROM outbox") == [("sent", "passive")]


async def test_a_hung_up_connection_is_made_good_by_a_push(stage: Stage) -> None:
    """The platform hangs up before the reply is there, three times, and is never seen again."""
    stage.gateway._passive_wait = PASSIVE_WAIT  # the third delivery still waits when the loops begin
    await stage.control("faults", {"webhook": {"timeout_seconds": 0.15}})
    receipt = await stage.phone.send(type="image", wait=True)
    assert receipt["outcome"] == "unreachable"
    async with stage.running():
        await stage.phone.next(1, RETRY_WAIT.total_seconds() + 20)
        await stage.phone.silent(RETRY_WAIT.total_seconds())
    assert await via(stage) == ["customer_service"]
    assert await stage.rows("SELECT state FROM outbox") == [("sent",)]


async def test_a_broken_write_waits_for_a_retry_and_is_then_pushed(stage: Stage) -> None:
    await let_us_push(stage)
    inbound = _picture(stage, "m:1")
    async with stage.running():
        reply = await _offered(stage, inbound)
        await stage.gateway.passive_written(reply, written=False)
        assert (await stage.row(reply.outbox_id)).state == OutboxState.WAITING
        assert await stage.sender.push() == 0, "a retry may still come"
        again = await _offered(stage, inbound)
        assert again.outbox_id == reply.outbox_id
        await stage.gateway.passive_written(again, written=False)
        # The first connection's late word on what it no longer holds changes nothing.
        await stage.gateway.passive_written(reply, written=True)
        assert (await stage.row(reply.outbox_id)).state == OutboxState.WAITING
        await stage.phone.next(1, RETRY_WAIT.total_seconds() + 4)
    row = await stage.row(reply.outbox_id)
    assert (row.state, row.via) == (OutboxState.SENT, "active")


async def test_a_copy_that_could_not_carry_it_leaves_it_to_the_connection_that_did(stage: Stage) -> None:
    """The platform posts it twice at once: a push beside the first connection would be read twice."""
    await let_us_push(stage)
    inbound = _picture(stage, "m:1")
    async with stage.running():
        first = await _offered(stage, inbound)
        copy = await _offered(stage, inbound)
        await stage.gateway.passive_written(copy, written=False)
        assert await stage.sender.push() == 0
        await stage.gateway.passive_written(first, written=True)
        assert (await stage.row(first.outbox_id)).state == OutboxState.SENT
        late = await _offered(stage, inbound)
        await stage.gateway.passive_written(late, written=False)
        assert (await stage.row(first.outbox_id)).state == OutboxState.SENT


async def test_a_retry_that_could_not_carry_it_leaves_it_to_a_push(stage: Stage) -> None:
    """The platform has hung up on the first connection, so nobody has read it."""
    await let_us_push(stage)
    stage.gateway._connections.retry_wait = timedelta(minutes=1)
    inbound = _picture(stage, "m:1")
    async with stage.running():
        first = await _offered(stage, inbound)
        await stage.gateway.passive_written(first, written=True)
        await stage.write("UPDATE inbox SET passive_until = now()")
        retry = await _offered(stage, inbound)
        await stage.gateway.passive_written(retry, written=False)
        assert (await stage.row(first.outbox_id)).state == OutboxState.WAITING


async def test_a_process_that_dies_with_the_reply_in_hand_leaves_it_to_the_retry(stage: Stage) -> None:
    inbound = _picture(stage, "m:1")
    async with stage.running():
        lost = await _offered(stage, inbound)  # and never a word about it
        again = await _offered(stage, inbound)
        assert again.outbox_id == lost.outbox_id
        await stage.gateway.passive_written(again, written=True)
    assert (await stage.row(lost.outbox_id)).state == OutboxState.SENT


async def test_without_a_retry_it_is_uncertain_and_a_person_is_told(stage: Stage) -> None:
    async with stage.running():
        lost = await _offered(stage, _picture(stage, "m:1"))
        await asyncio.sleep(RETRY_WAIT.total_seconds() + 1)
    assert (await stage.row(lost.outbox_id)).state == OutboxState.UNKNOWN
    assert await stage.tasks() == {"uncertain_send"}
    assert await stage.reply_texts() == []


@pytest.mark.parametrize("after", [0.0, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05])
async def test_a_cancelled_wait_gives_the_reply_back(stage: Stage, after: float) -> None:
    """The connector stops waiting at 4.5 s and says `success`: then nobody but the loop can send it."""
    await let_us_push(stage)
    stage.gateway._passive_wait = timedelta(minutes=1)
    accepted = await stage.gateway.accept(_picture(stage, "m:1"), passive=True)
    while await stage.workers.turn():
        pass
    await stage.gateway.notified(str(accepted.inbox_id))
    reply = None
    with suppress(TimeoutError):
        async with asyncio.timeout(after):
            reply = await stage.gateway.passive_reply(accepted)
    ((row, state, until),) = await stage.rows("SELECT id, state, passive_until FROM outbox")
    if reply is None:
        assert state == OutboxState.WAITING
        assert until is None or until > datetime.now(UTC)
        await stage.write("UPDATE outbox SET passive_until = NULL")
        assert await stage.sender.push() == 1
    else:
        await stage.gateway.passive_written(reply, written=True)
    assert (await stage.row(row)).state == OutboxState.SENT


@contextmanager
def statements() -> Iterator[list[str]]:
    """What is asked of the database meanwhile, through SQLAlchemy or past it."""
    found: list[str] = []
    execute = psycopg.AsyncCursor.execute

    async def note(cursor: Any, statement: Any, *values: Any, **options: Any) -> Any:
        found.append(str(statement))
        return await execute(cursor, statement, *values, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg.AsyncCursor, "execute", note)
        yield found


async def test_an_end_that_was_told_before_the_connection_waited_is_not_missed(stage: Stage) -> None:
    stage.gateway._passive_wait = timedelta(minutes=1)
    accepted = await stage.gateway.accept(_picture(stage, "m:1"), passive=True)
    assert await stage.workers.turn()
    await stage.gateway.notified(str(accepted.inbox_id))
    with statements() as asked:
        assert await stage.gateway.passive_reply(accepted) is not None
    assert len([sql for sql in asked if "FROM inbox" in sql]) == 1, "it looked once, and at once"


async def test_an_end_that_was_never_told_is_found_by_looking(stage: Stage) -> None:
    stage.gateway._passive_wait = timedelta(minutes=1)
    accepted = await stage.gateway.accept(_picture(stage, "m:1"), passive=True)
    assert await stage.workers.turn()
    async with asyncio.timeout(30):
        assert await stage.gateway.passive_reply(accepted) is not None


async def _waiting(stage: Stage, accepted: Accepted) -> asyncio.Task[PassiveReply | None]:
    """Its connection, which waits."""
    task = asyncio.create_task(stage.gateway.passive_reply(accepted))
    await asyncio.sleep(0)
    return task


async def test_the_reply_is_handed_to_a_connection_that_waits_here(stage: Stage) -> None:
    """Taken within the turn's own commit: nobody looks for it, and the wake that follows finds nothing."""
    stage.gateway._passive_wait = timedelta(minutes=1)
    accepted = await stage.gateway.accept(_picture(stage, "m:1"), passive=True)
    connection = await _waiting(stage, accepted)
    with statements() as asked:
        assert await stage.workers.turn()
        reply = await connection
    assert reply is not None and not any("JOIN outbox" in sql for sql in asked)
    assert await stage.rows("SELECT state, via, fence FROM outbox") == [("sending", "passive", 1)]
    await stage.gateway.passive_written(reply, written=True)
    assert (await stage.row(reply.outbox_id)).state == OutboxState.SENT


async def test_a_connection_that_goes_just_before_it_is_handed_over_loses_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await let_us_push(stage)
    stage.gateway._passive_wait = timedelta(minutes=1)
    accepted = await stage.gateway.accept(_picture(stage, "m:1"), passive=True)
    connection = await _waiting(stage, accepted)

    async def hung_up(*_: Any) -> None:
        connection.cancel()
        await asyncio.gather(connection, return_exceptions=True)

    real = endings.note_all
    monkeypatch.setattr(endings, "note_all", lambda *given: asyncio.gather(real(*given), hung_up()))
    assert await stage.workers.turn()
    assert await stage.rows("SELECT state, passive_inbox_id FROM outbox") == [("waiting", None)]
    assert await stage.sender.push() == 1


async def test_a_turn_that_does_not_commit_leaves_its_connection_waiting(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process has the turn by now; its reply comes on this connection all the same."""
    stage.gateway._passive_wait = timedelta(minutes=1)
    accepted = await stage.gateway.accept(_picture(stage, "m:1"), passive=True)
    connection = await _waiting(stage, accepted)
    with monkeypatch.context() as patch:
        lost = MedrepError(Fault.LEASE_LOST, "another worker owns this turn")
        patch.setattr(endings, "note_all", Mock(side_effect=lost))
        assert await stage.workers.turn()
    assert not connection.done()
    await stage.write("UPDATE turn SET lease_until = now() - interval '1 second'")
    elsewhere = TurnWorkers(stage.services, stage.engine, connections.Connections(lambda *_: True))
    assert await elsewhere.turn()
    await stage.gateway.notified(str(accepted.inbox_id))
    async with asyncio.timeout(20):
        assert await connection is not None


async def test_what_may_not_leave_is_not_handed_over(stage: Stage) -> None:
    """The exit is asked within the commit; the loop meets the same refusal and a colleague is told."""
    stage.gateway._passive_wait = timedelta(seconds=2)
    accepted = await stage.gateway.accept(_picture(stage, "m:1"), passive=True)
    connection = await _waiting(stage, accepted)
    with pytest.MonkeyPatch.context() as patch:
        refused = MedrepError(Fault.REFUSED_TEXT, "superlative")
        patch.setattr(connections, "release", Mock(side_effect=refused))
        assert await stage.workers.turn()
    assert await connection is None
    assert await stage.rows("SELECT state, passive_inbox_id FROM outbox") == [("waiting", None)]


async def test_a_whole_turn_costs_few_statements(stage: Stage) -> None:
    """From the accepted message to the recorded reply; a timed test would tell nothing on a busy machine."""
    await let_us_push(stage)
    stage.gateway._passive_wait = timedelta(minutes=1)
    with statements() as accepting:
        accepted = await stage.gateway.accept(_picture(stage, "m:1"), passive=True)
    with statements() as turning:
        assert await stage.workers.turn()
    await stage.gateway.notified(str(accepted.inbox_id))
    with statements() as taking:
        reply = await stage.gateway.passive_reply(accepted)
        assert reply is not None
        await stage.gateway.passive_written(reply, written=True)
    counts = (len(accepting), len(turning), len(taking))
    assert counts[0] <= 2 and counts[1] <= 11 and counts[2] <= 6, counts


async def test_an_answer_of_the_engine_is_kept_with_few_statements(stage: Stage) -> None:
    """What stands around the engine: the claim, what the turn starts from, and its end with the reply."""
    await let_us_push(stage)
    stage.gateway._passive_wait = timedelta(minutes=1)
    inbound = Inbound(DOCTORS, stage.phone.openid, "m:1", InboundKind.TEXT, datetime.now(UTC), text="谢谢")
    accepted = await stage.gateway.accept(inbound, passive=True)
    connection = await _waiting(stage, accepted)
    contact = await stage.contact()
    await stage.write("UPDATE contact SET introduced_at = now()")

    async def engine(turn_id: UUID, *_: Any) -> Turn:
        reply = stage.services.published.dialogue.reply("utter_thanks", contact.audience)
        return Turn(turn_id, (reply,), "thank", 1.0, (), ("utter_thanks",), b"{}")

    with statements() as turning, pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage.engine, "turn", engine)
        assert await stage.workers.turn()
    assert len(turning) <= 9, "\n".join(turning)
    reply = await connection
    assert reply is not None
    with statements() as writing:
        await stage.gateway.passive_written(reply, written=True)
    assert len(writing) <= 3, "\n".join(writing)


def _picture(stage: Stage, key: str) -> Inbound:
    return Inbound(DOCTORS, stage.phone.openid, key, InboundKind.MEDIA, datetime.now(UTC))


async def _offered(stage: Stage, inbound: Inbound):  # type: ignore[no-untyped-def]
    accepted = await stage.gateway.accept(inbound, passive=True)
    reply = await stage.gateway.passive_reply(accepted)
    assert reply is not None
    return reply


async def test_what_a_quota_keeps_back_rides_on_the_next_connection(open_window: Stage) -> None:
    """And the answer to what they write now comes after it, not before."""
    stage = open_window
    earlier = await stage.queue("utter_thanks")
    await stage.fault("errcode", errcode=45009, times=None)
    await stage.sender.push()
    assert (await stage.row(earlier)).fault == "daily_quota"
    dialogue = stage.services.published.dialogue
    async with stage.running():
        receipts = [await stage.phone.send(type="image", wait=True) for _ in range(3)]
    assert [receipt["outcome"] for receipt in receipts] == ["replied"] * 3
    assert await via(stage) == ["passive"] * 3
    replies = await stage.reply_texts()
    assert replies[0].endswith(dialogue.text("utter_thanks"))
    assert dialogue.text("utter_media") in replies[1]
    # F30: the platform has the reply before our own commit says so.
    async with asyncio.timeout(10):
        while await stage.rows("SELECT 1 FROM outbox WHERE state = 'sending'"):
            await asyncio.sleep(0.02)
    states = await stage.rows("SELECT state FROM outbox ORDER BY id")
    assert states[:3] == [("sent",)] * 3 and ("waiting",) in states


async def test_help_whose_connection_broke_is_pushed_at_once(stage: Stage) -> None:
    stage.gateway._connections.retry_wait = RETRY_WAIT * 20
    inbound = Inbound(
        DOCTORS, stage.phone.openid, "m:help", InboundKind.TEXT, datetime.now(UTC), text=RED_FLAG
    )
    await stage.phone.send(type="image", wait=True)
    accepted = await stage.gateway.accept(inbound, passive=True)
    reply = await stage.gateway.passive_reply(accepted)
    assert reply is not None and "120" in reply.message.text
    await stage.gateway.passive_written(reply, written=False)
    assert await stage.sender.push() == 1
    assert "120" in (await stage.reply_texts())[-1]
    assert (await via(stage))[-1] == "customer_service"

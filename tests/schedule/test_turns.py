"""Timers that begin a turn: once, apart from reminders and from each other; each occurrence to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from bot.inbound import trigger
from bot.model import Purpose
from bot.people import stop
from bot.privacy import unfollowed
from bot.schedule import beginning
from bot.schedule.beginning import Begin, Beginning
from bot.schedule.changes import cancel
from bot.store import erasure, outbox_outcomes
from bot.store.database import Tx
from bot.store.timers import Action
from bot.store.triggers import Trigger
from bot.store.vault import Vault
from tests.inbound.test_trigger import Engine, engine
from tests.locks import begun
from tests.schedule.setting import GRACE, HOUR, MINUTE, ends, remind, tick
from tests.stage import Stage

__all__ = ["engine"]
End = tuple[str, str | None]


async def begin(stage: Stage, make: Begin = trigger.trigger) -> None:
    await Beginning(stage.services, make, {}).begin()


async def due(stage: Stage, address: str | None = None) -> int:
    """A timer of a turn whose time has come, and its occurrence."""
    contact, now = await stage.contact(address), stage.services.clock.now()
    more = {"action": Action.TRIGGER, "wording": "greet", "refs": {"visit": 7}, "purpose": Purpose.SERVICE}
    timer = await remind(stage.services, contact, now, None, **more)
    await tick(stage.services)
    return timer


async def triggered(stage: Stage) -> int:
    """Its timer, where a turn that is due has been triggered."""
    timer = await due(stage)
    await begin(stage)
    assert await stage.rows("SELECT 1 FROM inbox WHERE kind = 'trigger'") == [(1,)]
    return timer


async def further(stage: Stage) -> int:
    """A second message of the turn."""
    row = await stage.queue("utter_thanks", Purpose.SERVICE)
    turn = "UPDATE outbox SET turn_id = (SELECT id FROM turn WHERE purpose IS NOT NULL) WHERE id = :id"
    await stage.write(turn, id=row)
    return row


async def test_a_due_turn_is_triggered_once_with_its_ids(open_window: Stage) -> None:
    stage = open_window
    timer = await triggered(stage)
    await tick(stage.services)
    await begin(stage)
    ((inbox, subject, purpose, expires),) = await stage.rows(
        "SELECT id, subject, purpose, expires_at FROM inbox WHERE kind = 'trigger'"
    )
    ((due_at,),) = await stage.rows("SELECT due_at FROM occurrence")
    assert (subject, purpose, expires) == ("dose:7", "service", due_at + GRACE)
    assert await stage.rows("SELECT timer_id, inbox_id, state FROM occurrence") == [(timer, inbox, "pending")]


async def withdrawn(stage: Stage) -> None:
    await stage.write("UPDATE consent SET withdrawn_at = given_at WHERE purpose = 'service'")


async def stopped(stage: Stage) -> None:
    contact = await stage.contact()
    async with stage.services.db.begin() as tx:
        await stop.stop(tx, contact, stage.services.clock.now())


async def unfollows(stage: Stage) -> None:
    """As somebody of a list: the person stays, and so do the timers."""
    contact = await stage.contact()
    await stage.write("UPDATE person SET kind = 'doctor'")
    async with stage.services.db.begin() as tx:
        await unfollowed(tx, stage.services, contact, stage.services.clock.now())


async def breaks_off(stage: Stage) -> None:
    await stage.fault("accept_then_reset")


async def turned_away(stage: Stage) -> None:
    await stage.fault("errcode", errcode=43004)


async def nothing(_: Stage) -> None:
    pass


@pytest.mark.parametrize(
    ("happens", "end"),
    [
        (nothing, ("sent", None)),
        (breaks_off, ("unknown", "ambiguous")),
        (turned_away, ("missed", "unreachable")),
        (withdrawn, ("missed", "no_consent")),
        (stopped, ("cancelled", "stopped")),
    ],
)
async def test_it_ends_when_what_was_said_has_left_or_never_will(
    stage: Stage, engine: Engine, happens: Callable[[Stage], Awaitable[None]], end: End
) -> None:
    await triggered(stage)
    assert await stage.workers.turn()
    assert await ends(stage.services) == [("pending", None)], "its message waits"
    await happens(stage)
    await stage.sender.push()
    assert await ends(stage.services) == [end]


async def says_nothing(stage: Stage, engine: Engine) -> None:
    engine.silent = True
    assert await stage.workers.turn()


async def fails(stage: Stage, engine: Engine) -> None:
    engine.refusal = (500, "action_failed")
    for _ in range(trigger.TRIES):
        assert await ends(stage.services) == [("pending", None)], "it is tried again"
        await trigger.tidy(stage.services)
        assert await stage.workers.turn()
        await stage.move(stage.services.clock.now() + 2 * MINUTE)


async def refused(stage: Stage, _: Engine) -> None:
    await withdrawn(stage)
    assert await stage.workers.turn()


async def expires(stage: Stage, _: Engine) -> None:
    await stage.move(stage.services.clock.now() + HOUR)
    await trigger.tidy(stage.services)


async def stops(stage: Stage, _: Engine) -> None:
    await stopped(stage)


async def leaves(stage: Stage, _: Engine) -> None:
    await unfollows(stage)


@pytest.mark.parametrize(
    ("happens", "end"),
    [
        (says_nothing, ("missed", "nothing said")),
        (fails, ("missed", "engine_failed")),
        (refused, ("missed", "no_consent")),
        (expires, ("missed", "expired")),
        (stops, ("cancelled", "stopped")),
        (leaves, ("cancelled", "erased")),
    ],
)
async def test_it_ends_with_a_turn_that_said_nothing(
    stage: Stage, engine: Engine, happens: Callable[[Stage, Engine], Awaitable[None]], end: End
) -> None:
    await triggered(stage)
    await happens(stage, engine)
    assert await ends(stage.services) == [end]


async def test_the_last_of_its_messages_ends_it_whoever_settles_the_others_just_then(
    stage: Stage, engine: Engine
) -> None:
    await triggered(stage)
    assert await stage.workers.turn()
    last = await further(stage)
    ((first,),) = await stage.rows(
        "SELECT min(id) FROM outbox WHERE turn_id IS NOT NULL AND state = 'waiting'"
    )

    async def cancel_last() -> None:
        async with stage.services.db.begin() as other:
            await outbox_outcomes.cancel(other, last, "cancelled")

    async with stage.services.db.begin() as tx:
        await outbox_outcomes.cancel(tx, first, "cancelled")
        meanwhile = await begun(stage.services.db, cancel_last())
    await meanwhile
    assert await ends(stage.services) == [("cancelled", "cancelled")]


async def test_a_turn_that_waits_is_cancelled_with_its_timer(open_window: Stage) -> None:
    stage = open_window
    timer = await triggered(stage)
    async with stage.services.db.begin() as tx:
        assert await cancel(tx, timer, stage.services.clock.now()) == 1
    assert await stage.rows("SELECT state FROM inbox WHERE kind = 'trigger'") == [("cancelled",)]
    assert await ends(stage.services) == [("cancelled", "cancelled")]


async def test_what_its_turn_has_queued_is_cancelled_too(stage: Stage, engine: Engine) -> None:
    timer = await triggered(stage)
    assert await stage.workers.turn()
    async with stage.services.db.begin() as tx:
        assert await cancel(tx, timer, stage.services.clock.now()) == 1
    assert await stage.rows("SELECT state FROM outbox WHERE subject = 'dose:7'") == [("cancelled",)]
    assert await ends(stage.services) == [("cancelled", "cancelled")]


async def test_a_turn_found_due_before_a_downtime_is_missed_after_its_grace(open_window: Stage) -> None:
    """The process died between the batch and the trigger."""
    stage = open_window
    await due(stage)
    assert await ends(stage.services) == [("pending", None)]
    await stage.move(stage.services.clock.now() + HOUR)
    await begin(stage)
    assert await ends(stage.services) == [("missed", "expired")]
    assert await stage.rows("SELECT 1 FROM inbox WHERE kind = 'trigger'") == []


async def two(stage: Stage) -> tuple[int, int]:
    """Due turns of two contacts: their timers."""
    other = await type(stage.phone).newcomer(stage.http, stage.double, "另一位")
    await other.send(type="image", wait=True)
    return await due(stage), await due(stage, other.openid)


async def with_a_turn(stage: Stage) -> list[int]:
    """Timers whose turn has begun."""
    found = await stage.rows("SELECT timer_id FROM occurrence WHERE inbox_id IS NOT NULL ORDER BY timer_id")
    return [timer for (timer,) in found]


async def test_an_erasure_under_way_holds_up_no_others_turn(open_window: Stage) -> None:
    stage = open_window
    first, second = await two(stage)
    contact = await stage.contact()
    async with stage.services.db.begin() as tx:
        await erasure.lock(tx, [contact.person_id])
        async with asyncio.timeout(10):
            await begin(stage)
        assert await with_a_turn(stage) == [second]
    await begin(stage)
    assert await with_a_turn(stage) == [first, second]


async def test_a_bug_ends_its_own_occurrence_and_all_others_begin(
    open_window: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = open_window
    monkeypatch.setattr(beginning, "BATCH", 1)
    first, second = await two(stage)

    async def faulty(tx: Tx, vault: Vault, wanted: Trigger, now: datetime) -> int | None:
        if wanted.metadata["timer"] == first:
            raise KeyError("visit")
        return await trigger.trigger(tx, vault, wanted, now)

    await begin(stage, faulty)
    assert await with_a_turn(stage) == [second]
    assert await ends(stage.services) == [("missed", "KeyError"), ("pending", None)]


async def test_what_the_database_cannot_do_holds_up_no_other(open_window: Stage) -> None:
    stage = open_window
    first, second = await two(stage)

    async def slow(tx: Tx, vault: Vault, wanted: Trigger, now: datetime) -> int | None:
        if wanted.metadata["timer"] == first:
            await tx.execute(text("SET LOCAL statement_timeout = 50"))
            await tx.execute(text("SELECT pg_sleep(10)"))
        return await trigger.trigger(tx, vault, wanted, now)

    process = Beginning(stage.services, slow, {})
    with pytest.raises(OperationalError):
        await process.begin()
    assert await with_a_turn(stage) == []
    await process.begin()
    assert await with_a_turn(stage) == [second]

"""Many messages at once: what storing them costs, what stands in whose way, and what gives way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DataError, OperationalError

from bot.clock import real_now
from bot.inbound.receive import ROOM, ROOM_ALONE, ROOM_FOR_EVENTS
from bot.model import Accepted, Fault, Inbound, InboundKind, MedrepError
from bot.privacy.erasure import erase
from bot.service.postgres import Cluster
from bot.store import channels, contacts, inbox, turns
from tests.stage import DOCTORS, Stage

RED_FLAG = "我现在胸口疼得厉害，喘不上气"


def text_of(openid: str, key: str, content: str = "二甲双胍怎么吃") -> Inbound:
    return Inbound(DOCTORS, openid, key, InboundKind.TEXT, datetime.now(UTC), content)


def event_of(openid: str, key: str, name: str = "view") -> Inbound:
    return Inbound(DOCTORS, openid, key, InboundKind.EVENT, datetime.now(UTC), event=name)


async def accept(stage: Stage, *messages: Inbound) -> list[Accepted]:
    """All at once."""
    return await asyncio.gather(*(stage.gateway.accept(one, passive=False) for one in messages))


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The statements meanwhile, COMMIT included."""
    statements: list[str] = []
    execute, commit = psycopg.AsyncCursor.execute, psycopg.AsyncConnection.commit

    async def executed(cursor: Any, query: Any, *arguments: Any, **more: Any) -> Any:
        statements.append(str(query))
        return await execute(cursor, query, *arguments, **more)

    async def committed(connection: Any) -> None:
        statements.append("COMMIT")
        await commit(connection)

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.AsyncCursor, "execute", executed)
        patch.setattr(psycopg.AsyncConnection, "commit", committed)
        yield statements


async def test_a_message_costs_two_statements_and_forty_at_once_cost_the_same(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [f"oKnown{number}" for number in range(40)]
    await accept(stage, *(text_of(one, "m:1") for one in people))
    with counted(monkeypatch) as alone:
        await accept(stage, text_of(people[0], "m:2"))
    with counted(monkeypatch) as together:
        accepted = await accept(stage, *(text_of(one, "m:3") for one in people))
    assert alone == together and len(alone) == 3 and alone[-1] == "COMMIT"
    ids = [one.inbox_id for one in accepted]
    assert ids == sorted(set(ids)), "in the order in which they came"
    assert await stage.rows("SELECT count(*), count(DISTINCT contact_id) FROM inbox") == [(81, 40)]
    assert await stage.rows("SELECT count(*) FROM evidence WHERE kind = 'message.received'") == [(81,)]


async def test_messages_of_many_wake_more_than_one_worker(stage: Stage) -> None:
    """Equal notifications of one transaction are one, and each wakes one worker: the rest slept on."""
    async with await stage.services.db.listen(channels.INBOX) as listening:
        await accept(stage, *(text_of(f"oWakes{number}", "m:1") for number in range(40)))
        await accept(stage, text_of("oWakes1", "m:last"))
        calls = [
            notice.payload async for notice in listening.notifies(timeout=10, stop_after=inbox.CALLS + 1)
        ]
    assert len(set(calls[: inbox.CALLS])) == inbox.CALLS and len(calls) == inbox.CALLS + 1


async def test_newcomers_at_once_are_made_in_one_transaction(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = [event_of(f"oFollows{number}", f"e:{number}", "subscribe") for number in range(30)]
    with counted(monkeypatch) as statements:
        await accept(stage, *messages)
    # Two of them add in one statement what COPY did, which this does not count: COPY refuses guarded tables.
    assert statements.count("COMMIT") == 1 and len(statements) <= 8
    assert await stage.rows("SELECT count(*), count(DISTINCT person_id) FROM contact") == [(30, 30)]
    assert all(one.duplicate for one in await accept(stage, *messages))


async def test_two_messages_of_one_person_at_once_keep_their_order_and_hurry(stage: Stage) -> None:
    first, second = await accept(stage, text_of("oTwo", "m:1", "请问"), text_of("oTwo", "m:2"))
    assert first.inbox_id < second.inbox_id
    async with stage.services.db.begin() as tx:
        assert await turns.claim_next(tx, real_now(), timedelta(minutes=1)), "the fragment waits no longer"
    assert await stage.rows("SELECT count(*) FROM inbox WHERE turn_id IS NOT NULL") == [(2,)]


async def test_who_is_being_changed_keeps_nobody_else_waiting(stage: Stage) -> None:
    await accept(stage, text_of("oLocked", "m:1"), text_of("oOther", "m:1"))
    async with stage.services.db.begin() as tx:
        assert await contacts.by_address(tx, stage.services.vault, DOCTORS, "oLocked")
        locked = asyncio.create_task(stage.gateway.accept(text_of("oLocked", "m:2"), passive=False))
        await accept(
            stage, text_of("oOther", "m:2"), text_of("oNew", "m:1"), text_of("oOther", "m:3", RED_FLAG)
        )
        assert not locked.done()
    await locked
    assert await stage.rows("SELECT count(*) FROM inbox") == [(6,)]


async def test_a_replay_beside_newcomers_brings_nobody_back(stage: Stage) -> None:
    await accept(stage, text_of("oGone", "m:1"))
    gone = await stage.contact("oGone")
    async with stage.services.db.begin() as tx:
        await erase(tx, stage.services, gone.person_id, "asked")
    replay, *_ = await accept(
        stage, text_of("oGone", "m:1"), text_of("oNew1", "m:1"), text_of("oNew2", "m:1")
    )
    assert replay.duplicate
    assert await stage.rows("SELECT count(*) FROM contact WHERE address_hmac IS NOT NULL") == [(2,)]
    kept = "SELECT count(DISTINCT person_id), count(*) FROM data_key WHERE wrapped IS NOT NULL"
    assert await stage.rows(kept) == [(2, 4)], "one of the person and one of the contact"


@pytest.mark.parametrize(
    ("key", "error"),
    [
        ("\0", DataError),
        # Too long for the index: for psycopg an OperationalError, like a database that is away.
        (token_hex(5000), OperationalError),
    ],
    ids=["data", "limit"],
)
async def test_one_that_cannot_be_stored_takes_no_other_with_it(
    key: str, error: type[Exception], stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await accept(stage, text_of("oBad", "m:1"), text_of("oGood", "m:1"))
    bad = text_of("oBad", "m:2")
    key_of = stage.services.vault.keyring.digest

    class Unstorable(bytes):
        def hex(self, *_: Any) -> str:
            return key

    def digest(what: str, value: str) -> bytes:
        made = key_of(what, value)
        return Unstorable(made) if (what, value) == ("inbox.key", "oBad\0m:2") else made

    monkeypatch.setattr(stage.services.vault.keyring, "digest", digest)
    good, failed = await asyncio.gather(
        stage.gateway.accept(text_of("oGood", "m:2"), passive=False),
        stage.gateway.accept(bad, passive=False),
        return_exceptions=True,
    )
    assert isinstance(good, Accepted) and not good.duplicate
    assert isinstance(failed, error)


async def test_a_receipt_with_an_id_that_is_none_of_ours_is_kept_for_nothing(stage: Stage) -> None:
    def receipt(openid: str, platform_id: str) -> Inbound:
        detail = {"platform_id": platform_id, "status": "success", "delivered": True}
        return Inbound(DOCTORS, openid, "e:1", InboundKind.RECEIPT, datetime.now(UTC), detail=detail)

    await accept(stage, text_of("oLong", "m:1"), text_of("oNamed", "m:1"))
    taken = await accept(stage, receipt("oLong", token_hex(5000)), receipt("oNamed", "1001"))
    assert not any(one.duplicate for one in taken)
    assert await stage.rows("SELECT platform_id FROM early_receipt") == [("1001",)]


async def outcomes(tasks: list[asyncio.Task[Accepted]]) -> list[Fault | None]:
    """Of those that are over; None of what was stored."""
    over = [task for task in tasks if task.done()]
    return [
        error.fault if (error := task.exception()) and isinstance(error, MedrepError) else None
        for task in over
    ]


async def test_what_is_too_much_is_refused_at_once_and_a_red_flag_never(stage: Stage) -> None:
    people = [f"oMany{number}" for number in range(ROOM + 20)]
    await accept(stage, *(text_of(one, "m:1") for one in people[:ROOM]))
    async with stage.services.db.begin() as tx:
        await tx.execute(text("LOCK TABLE inbox IN EXCLUSIVE MODE"))  # nothing can be stored

        def send(*messages: Inbound) -> list[asyncio.Task[Accepted]]:
            return [asyncio.create_task(stage.gateway.accept(one, passive=False)) for one in messages]

        words = send(*(text_of(one, "m:2") for one in people[:ROOM_FOR_EVENTS]))
        await asyncio.sleep(0)
        looks = send(event_of(people[0], "e:1"))
        words += send(*(text_of(one, "m:2") for one in people[ROOM_FOR_EVENTS:]))
        urgent = send(
            text_of("oEmergency", "m:1", RED_FLAG),
            text_of(people[0], "m:3", "退订"),
            event_of(people[1], "e:2", "unsubscribe"),
        )
        await asyncio.wait(looks + words[ROOM:], timeout=20)
        assert await outcomes(looks + words) == [Fault.BUSY] * 21, "an event first, then what is too much"
        assert await outcomes(urgent) == []
    await asyncio.gather(*words[:ROOM], *urgent)
    assert await stage.rows("SELECT count(*) FROM inbox") == [(2 * ROOM + 3,)]
    assert await stage.rows("SELECT count(*) FROM outbox WHERE purpose = 'emergency'") == [(1,)]
    await accept(stage, text_of(people[-1], "m:2"))  # there is room again


async def test_those_who_must_go_alone_leave_room_for_all_others(stage: Stage) -> None:
    people = [f"oHeld{number}" for number in range(ROOM_ALONE + 5)]
    await accept(stage, *(text_of(one, "m:1") for one in [*people, "oFree"]))
    free = await stage.contact("oFree")
    async with stage.services.db.begin() as tx:
        await tx.execute(text("SELECT FROM contact WHERE id <> :free FOR UPDATE"), {"free": free.id})
        held = [
            asyncio.create_task(stage.gateway.accept(text_of(one, "m:2"), passive=False)) for one in people
        ]
        await asyncio.wait(held[ROOM_ALONE:], timeout=20)
        assert await outcomes(held) == [Fault.BUSY] * 5
        await accept(stage, text_of("oFree", "m:2"), text_of("oNobody", "m:1"))
    await asyncio.gather(*held[:ROOM_ALONE])


async def test_who_hangs_up_ends_no_statement(stage: Stage) -> None:
    """A cancelled statement closes its connection; under load all time went into opening new ones."""
    await accept(stage, text_of("oGone", "m:1"))
    async with stage.services.db.begin() as tx:
        await tx.execute(text("LOCK TABLE inbox IN EXCLUSIVE MODE"))
        tasks = [
            asyncio.create_task(stage.gateway.accept(one, passive=False))
            for one in (text_of("oGone", "m:2"), text_of("oGone", "m:3", RED_FLAG))
        ]
        while len(await stage.rows("SELECT 1 FROM pg_locks WHERE NOT granted")) < 2:
            await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    while await stage.rows("SELECT count(*) FROM inbox") != [(3,)]:
        await asyncio.sleep(0.01)


async def test_a_database_that_was_away_is_found_again(stage: Stage, cluster: Cluster) -> None:
    await accept(stage, *(text_of(f"oAway{number}", "m:1", RED_FLAG) for number in range(8)))  # opens some
    name = make_url(stage.services.db.url).database
    async with await psycopg.AsyncConnection.connect(cluster.url("postgres", "postgres")) as admin:
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
    stored = 0
    for attempt in range(3):
        try:
            await accept(stage, text_of("oAway1", f"m:again{attempt}"))
            stored += 1
        except OperationalError:
            continue
    assert stored >= 2, "the first attempt tells of all connections that they are gone"

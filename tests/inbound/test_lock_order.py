"""Transactions that need the same rows take them in one order: contacts, people, windows, then the rest.

In each test one transaction stands half-way while another begins, and then goes on. If they took them in
opposite orders, PostgreSQL would end one of the two after a second, with all that shares its transaction.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from bot.clock import real_now
from bot.inbound.arrival import QUIET, Incoming, arrival
from bot.model import Audience, Choice, Fault, Inbound, InboundKind, MedrepError
from bot.store import (
    arriving_contacts,
    contacting,
    contacts,
    conversations,
    erasure,
    inbox,
    platform,
    receipts,
    scenes,
    turns,
)
from bot.store.contacts import Contact
from bot.store.platform import Ledger
from tests.locks import begun
from tests.stage import DOCTORS, Stage

LEASE = timedelta(minutes=1)


def inbound(openid: str, key: str, kind: InboundKind = InboundKind.TEXT, **more: Any) -> Inbound:
    return Inbound(DOCTORS, openid, key, kind, datetime.now(UTC), **more)


async def accept(stage: Stage, *messages: Inbound) -> None:
    """All at once."""
    await asyncio.gather(*(stage.gateway.accept(one, passive=False) for one in messages))


@pytest.fixture
async def two(stage: Stage) -> tuple[Contact, Contact]:
    """Two who have just written, in the order of their ids."""
    await accept(stage, inbound("oOne", "m:1", text="你好"), inbound("oTwo", "m:1", text="你好"))
    first, second = sorted([await stage.contact("oOne"), await stage.contact("oTwo")], key=lambda one: one.id)
    return first, second


async def test_a_stop_locks_the_person_before_the_windows(stage: Stage, two: tuple[Contact, Contact]) -> None:
    one, now = await stage.contact("oOne"), stage.services.clock.now()
    async with stage.services.db.begin() as sending:
        await contacting.lock(sending, [one.person_id])
        stop = await begun(stage.services.db, accept(stage, inbound("oOne", "m:2", text="退订")))
        await Ledger.read(sending, [one.id], now)
    await stop
    assert (await stage.contact("oOne")).stopped_at


async def test_messages_of_many_open_their_windows_in_the_order_of_the_ledger(
    stage: Stage, two: tuple[Contact, Contact]
) -> None:
    services, now = stage.services, stage.services.clock.now()
    first, second = two

    async def store() -> dict[int, int]:
        async with services.db.begin() as tx:
            arrivals = []
            for contact in (second, first):
                message = inbound("", f"m:{contact.id}", text="二甲双胍怎么吃")
                incoming = Incoming(message, Audience.DOCTOR, QUIET, f"{contact.id}", now, None)
                arrivals.append(await arrival(tx, services.vault, services.published, incoming, contact))
            return await inbox.store(tx, arrivals)

    async with services.db.begin() as sending:
        await Ledger.read(sending, [first.id], now)
        storing = await begun(stage.services.db, store())
        await Ledger.read(sending, [second.id], now)
    assert set(await storing) == {first.id, second.id}


async def test_receipts_that_come_together_are_locked_as_those_of_one_batch_sent(
    stage: Stage, two: tuple[Contact, Contact]
) -> None:
    def receipt(openid: str, platform_id: str) -> Inbound:
        detail = {"platform_id": platform_id, "status": "success", "delivered": True}
        return inbound(openid, f"e:{platform_id}", InboundKind.RECEIPT, detail=detail)

    async with stage.services.db.begin() as settling:
        await receipts.alone(settling, [(DOCTORS, "1001")])
        taking = await begun(
            stage.services.db, accept(stage, receipt("oOne", "1002"), receipt("oTwo", "1001"))
        )
        await receipts.alone(settling, [(DOCTORS, "1002")])
    await taking
    assert await stage.rows("SELECT platform_id FROM early_receipt ORDER BY 1") == [("1001",), ("1002",)]


async def test_who_unfollows_is_locked_as_for_an_erasure_from_the_start(
    stage: Stage, two: tuple[Contact, Contact]
) -> None:
    one = await stage.contact("oOne")
    async with stage.services.db.begin() as committing:
        await committing.execute(text("SELECT FROM contact WHERE id = :id FOR KEY SHARE"), {"id": one.id})
        event = inbound("oOne", "e:1", InboundKind.EVENT, event="unsubscribe")
        unfollowing = await begun(stage.services.db, accept(stage, event))
        await contacts.mark(committing, one.id, introduced_at=stage.services.clock.now())
    await unfollowing
    assert await stage.rows("SELECT address_hmac FROM contact WHERE id = :id", id=one.id) == [(None,)]


async def test_an_action_waits_for_an_erasure_before_it_takes_the_turn(
    stage: Stage, two: tuple[Contact, Contact]
) -> None:
    services, now = stage.services, stage.services.clock.now()
    async with services.db.begin() as tx:
        claim = await turns.claim_next(tx, real_now(), LEASE)
        assert claim is not None
        one = await contacts.by_id(tx, claim.contact_id)

    async def act() -> object:
        async with services.db.begin() as tx:
            if (found := await scenes.running(tx, claim.turn_id)) is not None:
                await conversations.write_effect(tx, services.vault, one, claim.turn_id, "a", 1, {}, now)
            return found

    async with services.db.begin() as erasing:
        await erasure.lock(erasing, [one.person_id])
        acting = await begun(stage.services.db, act())
        assert await erasure.turns(erasing, [one.id], real_now()) == 1
    assert await acting is None, "the turn is over"


async def test_what_is_held_keeps_no_other_batch_from_adding_rows_of_the_contact(
    stage: Stage, two: tuple[Contact, Contact]
) -> None:
    services, one, now = stage.services, two[0], stage.services.clock.now()

    async def hold() -> None:
        async with services.db.begin() as tx:
            await contacting.lock_contacts(tx, [one.id])
            await platform.exhaust(tx, one.id)

    async with services.db.begin() as sending:
        await Ledger.read(sending, [one.id], now)
        holding = await begun(stage.services.db, hold())
        await conversations.write_offer(sending, services.vault, one, (Choice("1", "是"),), now)
    await holding
    assert await stage.rows("SELECT contact_id FROM offer") == [(one.id,)]


async def test_two_transactions_add_the_same_newcomers_in_the_same_order(stage: Stage) -> None:
    services, vault, now = stage.services, stage.services.vault, stage.services.clock.now()
    digests = {one: contacts.address_digest(vault, DOCTORS, one) for one in ("oNew1", "oNew2")}
    first, second = sorted(digests, key=lambda one: digests[one])

    async def add() -> None:
        async with services.db.begin() as tx:
            newcomers = {place: (DOCTORS, Audience.DOCTOR, one) for place, one in enumerate([second, first])}
            await arriving_contacts.add_newcomers(tx, vault, newcomers, now)

    async with services.db.begin() as tx:
        await arriving_contacts.find_or_add(tx, vault, DOCTORS, Audience.DOCTOR, first, now)
        adding = await begun(stage.services.db, add())
        await arriving_contacts.find_or_add(tx, vault, DOCTORS, Audience.DOCTOR, second, now)
    with pytest.raises(MedrepError) as raised:
        await adding
    assert raised.value.fault == Fault.CONFLICT, "its messages go alone, and find them"

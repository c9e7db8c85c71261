"""What the CRM is told is a row in the transaction of the approval; a loop tells it until it is taken.

At least once: a process that dies after the CRM has taken it tells it again, under the same id.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import structlog

from bot.clock import CHINA, Clock, real_now
from bot.endpoints import Webhook
from bot.evidence import Owner, note
from bot.model import Fault, MedrepError
from bot.runtime.killpoints import reached
from bot.runtime.posting import Answer, post
from bot.staff import Role, colleague
from bot.store import contact_keys, crm_deliveries
from bot.store.contacts import Contact
from bot.store.crm_deliveries import DELIVERED, FAILED, PLACE, WAITING, ClaimedDelivery, NewDelivery
from bot.store.database import Database, Tx
from bot.store.vault import Vault
from bot.tasks import Kind, open_task

if TYPE_CHECKING:
    import aiohttp

log = structlog.get_logger()
EVERY = 3.0  # seconds
BATCH = 10
PATIENCE = 15.0  # seconds for an answer
LEASE = timedelta(seconds=2 * PATIENCE)
# After the nth try in vain (real time), as Standard Webhooks proposes; after the last one it has failed.
PAUSES = tuple(
    timedelta(seconds=pause) for pause in (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
JITTER = 0.1  # of a pause, so that what failed together does not come together
REPLAYERS = frozenset({Role.MANAGER, Role.ADMIN})


async def tell(
    tx: Tx,
    vault: Vault,
    event: str,
    subject: str,
    version: int,
    body: bytes,
    now: datetime,
    *,
    of: Contact | UUID,
) -> None:
    """Have the CRM told `body` when this transaction commits; the same version again changes nothing.

    `of`: the contact that it is about, or the person where none is.
    """
    contact = of if isinstance(of, Contact) else None
    person_id = of.person_id if isinstance(of, Contact) else of
    key = await contact_keys.key_of(tx, vault, contact) if contact else person_id
    sealed = await vault.seal(tx, key, body.decode(), PLACE)
    new = NewDelivery(
        f"msg_{uuid4().hex}", event, subject, version, person_id, contact.id if contact else None, sealed
    )
    await crm_deliveries.add(tx, new, now, real_now())


@dataclass(frozen=True, slots=True)
class Teller:
    """What telling stands on."""

    db: Database
    vault: Vault
    clock: Clock
    http: aiohttp.ClientSession
    crm: Webhook


async def deliver(teller: Teller) -> None:
    """One round. Many processes may do it."""
    while True:
        async with teller.db.begin() as tx:
            due = await crm_deliveries.claim(tx, real_now(), LEASE, BATCH)
        await asyncio.gather(*(_deliver(teller, one) for one in due))
        if len(due) < BATCH:
            return


async def _deliver(teller: Teller, one: ClaimedDelivery) -> None:
    try:
        async with teller.db.begin() as tx:
            body = await teller.vault.open_text(tx, one.person_id, bytes(one.body_enc), PLACE)
    except MedrepError as error:
        if error.fault != Fault.ERASED:
            raise
        answer = Answer(None, "erased")
    else:
        answer = await post(teller.http, teller.crm, one.event_id, body.encode(), PATIENCE)
    reached("crm.answered")
    await _settle(teller, one, answer)


async def _settle(teller: Teller, one: ClaimedDelivery, answer: Answer) -> None:
    now, real = teller.clock.now(), real_now()
    state, again = _outcome(one, answer, real)
    owner, subject = Owner(one.person_id, one.contact_id), f"crm:{one.id}"
    log.info("crm.told", delivery=one.id, state=state, status=answer.status, fault=answer.fault)
    async with teller.db.begin() as tx:
        settled = await crm_deliveries.settle(
            tx, one, state, retry_at=again, status=answer.status, fault=answer.fault
        )
        if not settled or state == WAITING:
            return
        facts: dict[str, Any] = {"event_id": one.event_id, "status": answer.status or 0, "tries": one.tries}
        await note(tx, f"crm.{state}", now, subject, owner, **facts)
        if state == FAILED and answer.fault != "erased":
            day = now.astimezone(CHINA).date()
            key, detail = f"{Kind.PLATFORM}:crm:{day}", f"CRM: {answer.fault} {answer.status or ''}".strip()
            await open_task(tx, teller.vault, Kind.PLATFORM, now=now, key=key, detail=detail)


def _outcome(one: ClaimedDelivery, answer: Answer, now: datetime) -> tuple[str, datetime]:
    """(its state, when it is told again). 410 says that nothing is taken there any more."""
    if answer.fault is None:
        return DELIVERED, now
    if answer.fault in ("gone", "erased") or one.tries > len(PAUSES):
        return FAILED, now
    pause = PAUSES[one.tries - 1]
    return WAITING, now + pause * (1 + JITTER * random.random())  # noqa: S311 - to part them, no secret


async def replay(tx: Tx, delivery_id: int, login: str, now: datetime) -> None:
    """Tell it again, under the id that it had. Raises MedrepError(NOT_FOUND | CONFLICT: not theirs to do)."""
    await colleague(tx, login, REPLAYERS)
    found = await crm_deliveries.replay(tx, delivery_id, real_now())
    if found is None:
        raise MedrepError(Fault.NOT_FOUND, f"no delivery {delivery_id}")
    facts: dict[str, Any] = {"login": login, "event_id": found.event_id, "was": found.state}
    await note(tx, "crm.replayed", now, f"crm:{delivery_id}", found, **facts)

"""Before a message is with the platform: may it leave, is the platform's allowance enough, what will it get?

One transaction for a batch of claimed rows of one account; from its commit on they may have left.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from bot.clock import real_now
from bot.model import Fault, MedrepError, Message, Purpose, Receipt
from bot.outbound.circumstances import Circumstances, read_circumstances
from bot.outbound.policy import COURTESY
from bot.outbound.release import message_of, release
from bot.runtime.services import Services
from bot.store import contact_keys, contacts, conversations, occurrences, outbox, outbox_claims
from bot.store.database import Tx
from bot.store.outbox import Draft, Outgoing
from bot.store.outbox_claims import HandOver
from bot.store.platform import Ledger

log = structlog.get_logger()

KEPT_FOR_SAFETY = 1  # pushes that only emergency text may use


class Channel(Protocol):
    """What the sender needs of a connector."""

    def split(self, message: Message, halved: int) -> tuple[Message, ...]: ...

    async def ready(self) -> None: ...

    async def send(self, address: str, message: Message, *, key: str) -> Receipt: ...

    def template_fields(self, template: str) -> frozenset[str] | None: ...

    async def template(
        self, address: str, template: str, fields: Mapping[str, str], *, client_msg_id: str
    ) -> Receipt: ...


@dataclass(frozen=True, slots=True)
class Departure:
    """A row that was handed over, and what the platform gets: pieces, or the fields of its template."""

    row: Outgoing
    address: str
    pieces: tuple[Message, ...]
    fields: Mapping[str, str] | None  # None: the platform has no template for it
    via: str  # active | template
    opening: int  # of the contact's windows, see `platform.opening`


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that does not leave, or not now."""

    row: Outgoing
    error: MedrepError
    opening: int


async def prepare(
    tx: Tx, services: Services, channel: Channel, claimed: Sequence[Outgoing], lease: timedelta
) -> tuple[list[Departure], list[Refusal]]:
    """What leaves of the claimed rows of one account, handed over; and what does not.

    Locks in this order: contacts that have no key yet, people, windows, rows.
    """
    now = services.clock.now()
    met = await contacts.by_ids(tx, {row.contact_id for row in claimed})
    keys = await contact_keys.keys_of(tx, services.vault, met.values())
    facts = await read_circumstances(tx, services, met, claimed)
    ledger = await Ledger.read(tx, facts.keys(), now)
    rows = await _with_origins(tx, await outbox_claims.lock(tx, claimed))
    addresses = await contacts.addresses(tx, facts.keys())
    people = {row.person_id for row in rows} | {sealed.person_id for sealed in addresses.values()}
    await services.vault.prepare(tx, [*people, *keys.values()])
    departures, refusals, handed = [], [], []
    for row in rows:
        opening = ledger.opening(row.contact_id)
        try:
            draft = await release(tx, services, row, facts[row.contact_id])
            address = await addresses[row.contact_id].opened(tx, services.vault)
            departure = _departure(channel, row, draft, address, ledger, opening)
            if row.occurrence_id is not None:
                # Of a contact that is somebody else's since, the row stays with whom it was made for.
                same = facts[row.contact_id].contact.person_id == row.person_id
                key_id = keys[row.contact_id] if same else row.person_id
                body = await outbox.sealed(tx, services.vault, key_id, draft)
                departure = replace(departure, row=replace(row, body_enc=body, basis=draft.basis))
            if draft.choices:
                contact = facts[row.contact_id].contact
                await conversations.write_offer(tx, services.vault, contact, draft.choices, now)
        except MedrepError as error:
            refusals.append(Refusal(row, error, opening))
            continue
        handed.append(HandOver(departure.row, departure.via))
        departures.append(departure)
        if row.purpose in COURTESY:
            facts = _one_more(facts, row, now)
    await ledger.save(tx)
    if handed:
        await outbox_claims.hand_over(tx, handed, real_now(), lease)
    return departures, refusals


async def _with_origins(tx: Tx, rows: Sequence[Outgoing]) -> list[Outgoing]:
    origins = await occurrences.origins(tx, [row.occurrence_id for row in rows if row.occurrence_id])
    return [replace(row, origin=origins.get(row.occurrence_id or 0)) for row in rows]


def _departure(
    channel: Channel, row: Outgoing, draft: Draft, address: str, ledger: Ledger, opening: int
) -> Departure:
    """Raises MedrepError(WINDOW_CLOSED | COUNT_USED_UP)."""
    message = message_of(row, draft)
    pieces = channel.split(message, row.halved)[row.pieces_sent :]
    fields = _template_fields(channel, row, message, draft)
    # Safety may use the push that is kept back.
    keep = 0 if row.purpose == Purpose.EMERGENCY else KEPT_FOR_SAFETY
    via = "active"
    try:
        ledger.spend(row.contact_id, count=len(pieces), keep=keep)
    except MedrepError as error:
        if error.fault != Fault.WINDOW_CLOSED or fields is None:
            raise
        via = "template"  # outside the window the platform takes only those
    return Departure(row, address, pieces, fields, via, opening)


def _template_fields(
    channel: Channel, row: Outgoing, message: Message, draft: Draft
) -> Mapping[str, str] | None:
    names = channel.template_fields(row.purpose.value)
    if row.occurrence_id is None or names is None or row.pieces_sent:
        return None
    values = template_values(message, draft.fields, names)
    if values is None:
        log.warning("outbox.template_unfilled", row=row.id, template=row.purpose.value)
    return values


def template_values(
    message: Message, words: Mapping[str, str], fields: Collection[str]
) -> dict[str, str] | None:
    """What fills a platform's template in place of this released message; None when it cannot.

    Only words that the message says may leave so: they passed the exit with it.
    """
    values = {name: words[name] for name in fields if name in words}
    whole = len(values) == len(fields) and all(value in message.text for value in values.values())
    return values if whole else None


def _one_more(facts: dict[int, Circumstances], row: Outgoing, now: datetime) -> dict[int, Circumstances]:
    """What leaves now counts towards the weekly cap of the same person's other rows in the batch."""
    person_id = facts[row.contact_id].contact.person_id
    return {
        contact_id: replace(one, sent=(*one.sent, (row.turn_id, now)))
        if one.contact.person_id == person_id
        else one
        for contact_id, one in facts.items()
    }

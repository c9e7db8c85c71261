"""Before a message is with the platform: may it leave, is the platform's allowance enough, what will it get?

One transaction for a batch of claimed rows of one account; from its commit on they may have left.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError

from bot.clock import real_now
from bot.model import Fault, MedrepError, Message, Purpose, Receipt
from bot.outbound.circumstances import Circumstances, read_circumstances
from bot.outbound.failures import Refusal, unexpected
from bot.outbound.policy import COURTESY
from bot.outbound.release import Exit, message_of
from bot.runtime.services import Services
from bot.store import contact_keys, contacting, conversations, outbox, outbox_claims
from bot.store.contacting import Recipient
from bot.store.contacts import Contact
from bot.store.database import Tx, bound
from bot.store.outbox import Draft, Outgoing
from bot.store.outbox_claims import Transmission
from bot.store.platform import Ledger, Taken

log = structlog.get_logger()

# Seconds that a batch waits for a lock, say of a person who is being erased, and that one of its statements
# may take: both are well within the lease, so that there is time to send the others without the one.
LOCK_WAIT, STATEMENT = 3.0, 5.0
KEPT_FOR_SAFETY = 1  # pushes that only emergency text may use


class Connector(Protocol):
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
    template: str  # of the account, by name
    fields: Mapping[str, str] | None  # None: the platform has no template for it
    via: str  # active | template
    opening: int  # of the contact's windows, see `platform.openings`
    taken: tuple[Taken, ...]  # of the windows, one for each piece


async def prepare(
    tx: Tx, services: Services, channel: Connector, claimed: Sequence[Outgoing], lease: timedelta
) -> tuple[list[Departure], list[Refusal]]:
    """What leaves of the claimed rows of one account, handed over; and what does not.

    It locks contacts, people, windows, rows of the outbox and offers, each in the order of their ids: as
    whoever erases, stops or stores a message does.
    """
    now, vault = services.clock.now(), services.vault
    await bound(tx, LOCK_WAIT, STATEMENT)
    recipients = await contacting.recipients(tx, {row.contact_id for row in claimed})
    met = {contact_id: one.contact for contact_id, one in recipients.items()}
    keys = await contact_keys.keys_of(tx, vault, met.values())
    facts = await read_circumstances(tx, services, met, claimed)
    ledger = await Ledger.read(tx, met.keys(), now)
    rows = await outbox_claims.lock(tx, claimed)
    people = {row.person_id for row in rows} | {contact.person_id for contact in met.values()}
    await vault.prepare(tx, [*people, *keys.values()])
    going = _Going(tx, services, channel, recipients, keys, ledger, Exit(tx, services, people))
    departures, refusals = [], []
    for row in rows:
        try:
            departures.append(await going.departure(row, facts[row.contact_id]))
        except MedrepError as error:
            refusals.append(Refusal(row, error, ledger.opening(row.contact_id)))
            continue
        except DBAPIError:
            raise  # the transaction is lost
        except Exception as error:
            log.exception("outbox.bug", row=row.id)
            refusals.append(Refusal(row, unexpected(error), ledger.opening(row.contact_id)))
            continue
        if row.purpose in COURTESY:
            facts = _one_more(facts, row, now)
    if departures:
        await ledger.save(tx)
        await outbox_claims.hand_over(
            tx, [Transmission(one.row, one.via) for one in departures], real_now(), lease
        )
    if going.offers:
        await conversations.write_offers(tx, going.offers, now)
    return departures, refusals


class _Going:
    """A batch on its way: what its rows share."""

    def __init__(
        self,
        tx: Tx,
        services: Services,
        channel: Connector,
        recipients: Mapping[int, Recipient],
        keys: Mapping[int, UUID],
        ledger: Ledger,
        leaving: Exit,
    ) -> None:
        self._tx = tx
        self._vault = services.vault
        self._channel = channel
        self._recipients = recipients
        self._keys = keys
        self._ledger = ledger
        self._exit = leaving
        self.offers: list[tuple[Contact, bytes]] = []

    async def departure(self, row: Outgoing, facts: Circumstances) -> Departure:
        """Raises MedrepError; then nothing was taken from the ledger, and nothing is offered."""
        tx, vault, contact_id = self._tx, self._vault, row.contact_id
        recipient, key_id = self._recipients[contact_id], self._keys[contact_id]
        draft = await self._exit.release(row, facts)
        address = await recipient.address.opened(tx, vault)
        message = message_of(row, draft)
        pieces = self._channel.split(message, row.halved)[row.pieces_sent :]
        template, fields = _template_fields(self._channel, row, message, draft)
        if row.occurrence_id is not None:
            # Of a contact that is somebody else's since, the row stays with whom it was made for.
            same = recipient.contact.person_id == row.person_id
            body = await outbox.sealed(tx, vault, key_id if same else row.person_id, draft)
            row = replace(row, body_enc=body, basis=draft.basis)
        offer = await conversations.sealed_offer(tx, vault, key_id, draft.choices) if draft.choices else None
        via, taken = self._allowed(row, len(pieces), template=fields is not None)
        if offer is not None:
            self.offers.append((recipient.contact, offer))
        opening = self._ledger.opening(contact_id)
        return Departure(row, address, pieces, template, fields, via, opening, taken)

    def _allowed(self, row: Outgoing, pieces: int, *, template: bool) -> tuple[str, tuple[Taken, ...]]:
        """How it leaves, and what that takes. Raises MedrepError(WINDOW_CLOSED | COUNT_USED_UP)."""
        # Safety may use the push that is kept back.
        keep = 0 if row.purpose == Purpose.EMERGENCY else KEPT_FOR_SAFETY
        try:
            return "active", self._ledger.spend(row.contact_id, count=pieces, keep=keep)
        except MedrepError as error:
            if error.fault != Fault.WINDOW_CLOSED or not template:
                raise
            return "template", ()  # outside the window the platform takes only those


def _template_fields(
    channel: Connector, row: Outgoing, message: Message, draft: Draft
) -> tuple[str, Mapping[str, str] | None]:
    """Which template may carry it, and what fills that; None: none does."""
    name = draft.template or row.purpose.value
    names = channel.template_fields(name)
    if row.occurrence_id is None or names is None or row.pieces_sent:
        return name, None
    values = template_values(message, draft.fields, names)
    if values is None:
        log.warning("outbox.template_unfilled", row=row.id, template=name)
    return name, values


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

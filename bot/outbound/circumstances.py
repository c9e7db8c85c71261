"""What the policy asks about the people whom a batch of messages is for, read together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from bot.clock import real_now
from bot.model import PROACTIVE, Purpose
from bot.outbound.policy import COURTESY, PAUSE, WEEK
from bot.people import consent, takeover
from bot.runtime.services import Services
from bot.store import contacting, hand_overs, meetings, visits
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.outbox import Outgoing


@dataclass(frozen=True, slots=True)
class Intent:
    """A message that is not written yet, or (`begins`) a turn that is to begin for a purpose."""

    contact_id: int
    purpose: Purpose
    turn_id: UUID
    subject: str | None = None
    begins: bool = False


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Of one contact. What binds no message of the batch is not read: nothing but the contact for answers;
    neither what was sent nor a conversation for medication; and the window for promotion and turns."""

    contact: Contact
    consents: frozenset[Purpose] = frozenset()
    # Service and promotion of the last seven days: the turn, if it was part of one, and when (business time).
    sent: tuple[tuple[UUID | None, datetime], ...] = ()
    turns: frozenset[UUID] = frozenset()  # of the person, that have just begun
    window: bool = True  # the platform lets us write freely
    taken_over: bool = False  # a colleague speaks with them
    forced: frozenset[str] = frozenset()  # subjects that a colleague has begin now
    agreed: frozenset[str] = frozenset()  # subjects that they put off to a time of their own, or said yes to
    awaiting: bool = False  # they asked for a person and nobody has spoken with them; read for promotion only

    def occasions(self, turn_id: UUID | None) -> tuple[datetime, ...]:
        """When we came to the person: what one turn sent is once, and this turn is not counted."""
        turns: dict[UUID, datetime] = {}
        for part_of, moment in self.sent:
            if part_of is not None:
                turns[part_of] = min(moment, turns.get(part_of, moment))
        alone = [moment for part_of, moment in self.sent if part_of is None]
        return (*alone, *(moment for part_of, moment in turns.items() if part_of != turn_id))


async def read_circumstances(
    tx: Tx,
    services: Services,
    found: Mapping[int, Contact],
    rows: Sequence[Outgoing | Intent],
    *,
    lock: bool = True,
) -> dict[int, Circumstances]:
    """By contact; `found` are the contacts of `rows`.

    People to whom something leaves that we begin are locked before anything about them is read: who waits
    here for a stop or a withdrawal finds it, and two senders do not exceed the weekly cap together. Only who
    shows what would be does without (`lock` False).
    """
    now = services.clock.now()
    begun = [found[row.contact_id] for row in rows if row.purpose in PROACTIVE]
    if not begun:
        return {contact_id: Circumstances(contact) for contact_id, contact in found.items()}
    people, contact_ids = {contact.person_id for contact in begun}, {contact.id for contact in begun}
    stops = await contacting.lock(tx, people) if lock else {}
    spoken = await consent.of_people(tx, people)
    sent: dict[UUID, tuple[tuple[UUID | None, datetime], ...]] = {}
    turns: dict[UUID, frozenset[UUID]] = {}
    windows: frozenset[int] = frozenset()
    if courteous := {found[row.contact_id].person_id for row in rows if row.purpose in COURTESY}:
        sent = await contacting.sent(tx, courteous, now - WEEK, now)
        turns = await contacting.conversations(tx, courteous, real_now() - PAUSE)
    forced = agreed = frozenset[str]()
    awaiting = frozenset[int]()
    promoting = [row for row in rows if row.purpose == Purpose.PROMOTION]
    if promoting or any(isinstance(row, Intent) and row.begins for row in rows):
        windows = await contacting.open_windows(tx, contact_ids, now)
    if promoting:
        forced, agreed = await visits.wished(tx, {row.subject for row in promoting if row.subject})
        awaiting = await hand_overs.awaiting(tx, contact_ids)
    if about := {row.subject for row in rows if row.subject and row.purpose == Purpose.SERVICE}:
        agreed |= await meetings.wanted(tx, about)
    taken = await takeover.current(tx, contact_ids, now, services.limits)
    return {
        contact.id: Circumstances(
            replace(contact, stopped_at=stops.get(contact.person_id, contact.stopped_at)),
            frozenset(one.purpose for one in spoken.get(contact.person_id, ()) if one.holds),
            sent.get(contact.person_id, ()),
            turns.get(contact.person_id, frozenset()),
            contact.id in windows,
            contact.id in taken,
            forced,
            agreed,
            contact.id in awaiting,
        )
        for contact in found.values()
    }

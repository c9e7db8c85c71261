"""Whoever refuses profiling has no value tag, no score and no suggestion that rests on one.

Their word is a consent of its own purpose (`Purpose.ANALYSIS`), and holds until they agree. Where nothing
was said, what a doctor of the list does with us may be looked at to serve them better; marketing by what was
found (segments, campaigns) needs that they agreed, to a text whose version is kept. How they want to be
spoken with is a wish of theirs and stays.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from bot.evidence import note
from bot.model import Fault, MedrepError, Purpose
from bot.people import consent
from bot.people.consent import Consent
from bot.profiles import vocabulary
from bot.profiles.vocabulary import Group
from bot.store import profiles, suggestions
from bot.store.contacts import Contact
from bot.store.database import Tx

if TYPE_CHECKING:
    from bot.dialogue.version import Dialogue

SOURCE = "profiling"  # where it was said: a resumption of messages does not undo it
TERMS = "utter_profiling_terms"  # the response whose text somebody agrees to


async def refuse(tx: Tx, contact: Contact, now: datetime) -> int:
    """They refuse: what was derived is deleted; how many tags that were."""
    await consent.withdraw(tx, contact, Purpose.ANALYSIS, now, source=SOURCE)
    person_id = await profiles.now_of(tx, contact.person_id)
    names = [name.name for name in vocabulary.names().values() if name.group == Group.VALUE]
    gone = await profiles.forget(tx, person_id) + await profiles.delete_tags(tx, person_id, names)
    await suggestions.delete_of(tx, person_id)
    await note(tx, "profile.refused", now, f"contact:{contact.id}", contact, deleted=gone)
    return gone


async def allow(tx: Tx, contact: Contact, dialogue: Dialogue, now: datetime) -> None:
    """They agree to what the response `TERMS` says now; its version is the consent's."""
    version = str(dialogue.basis(TERMS))
    await consent.give(tx, contact, Purpose.ANALYSIS, now, text_version=version, source=SOURCE)


async def refusing(tx: Tx, people: Collection[UUID]) -> frozenset[UUID]:
    """Those of these people who refuse profiling."""
    of_people = await consent.of_people(tx, people)
    return frozenset(person_id for person_id, known in of_people.items() if _refused(known))


async def permit(tx: Tx, person_id: UUID, name: str) -> None:
    """Raises MedrepError(CONFLICT): no tag of this name may be made of who refuses profiling."""
    known = vocabulary.names().get(name)
    if known and known.group == Group.VALUE and await refusing(tx, [person_id]):
        raise MedrepError(Fault.CONFLICT, "this doctor refuses to be profiled")


def agreed(known: Collection[Consent]) -> bool:
    """Whether they agreed to be analysed for marketing."""
    return any(one.purpose == Purpose.ANALYSIS and one.given_at and one.holds for one in known)


def _refused(known: Collection[Consent]) -> bool:
    return any(one.purpose == Purpose.ANALYSIS and not one.holds for one in known)

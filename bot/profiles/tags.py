"""The tags of a doctor: from where, since when, how sure, and which value of a name holds.

What the company's list says is read from its entry, so an import writes no tag and a new list changes them by
itself. Which value wins, and how confidence grows and fades, is said in `data/profiles/tags.yaml`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from bot.evidence import Owner, note
from bot.model import Fault, MedrepError
from bot.people import consent
from bot.profiles import refusal, vocabulary
from bot.profiles.said import Statement
from bot.profiles.vocabulary import Group, Name, Source
from bot.store import behaviour, profiles
from bot.store.behaviour import ScoreRow
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.profiles import ListEntry, TagRow

LIST = "list"  # the evidence of what the company's list says
_DAY = timedelta(days=1)
_ASKED = (Source.SAID.value, Source.COLLEAGUE.value)  # a wish ends the earlier ones of these


@dataclass(frozen=True, slots=True)
class Tag:
    """`confidence` is 0 to 1, today's; `holds`: this value is the name's (of a name with many, each is)."""

    name: str
    value: str
    source: Source
    first_at: datetime
    seen_at: datetime
    times: int
    confidence: float
    evidence: tuple[str, ...]
    written_by: str | None
    holds: bool

    @property
    def spoken(self) -> str:
        """The value as people read it."""
        return vocabulary.spoken(self.name, self.value)


async def tags_of(tx: Tx, people: Collection[UUID], now: datetime) -> dict[UUID, tuple[Tag, ...]]:
    """All that is known of each of these people, by name, the surest first. Of who refuses profiling no value
    tag is among it."""
    rows, listed = await profiles.tags(tx, people), await profiles.entries(tx, people)
    scores = await behaviour.scores(tx, people)
    refusing = await refusal.refusing(tx, people)
    found = {}
    for person_id in people:
        stored = [row for row in rows.get(person_id, ()) if row.name in vocabulary.names()]
        known = [*stored, *_listed(listed.get(person_id)), *_scored(scores.get(person_id))]
        if person_id in refusing:
            known = [row for row in known if vocabulary.names()[row.name].group != Group.VALUE]
        found[person_id] = ranked(known, now)
    return found


def ranked(rows: Iterable[TagRow], now: datetime) -> tuple[Tag, ...]:
    """Rows as tags, without those that have faded away; which of them hold."""
    order = list(vocabulary.names())
    sure = [(confidence(row, now), row) for row in rows]
    sure = [(how, row) for how, row in sure if how >= vocabulary.rules()["floor"]]
    sure.sort(key=lambda one: (order.index(one[1].name), -one[0], -one[1].seen_at.timestamp()))
    held: set[str] = set()
    found = []
    for how, row in sure:
        many = vocabulary.names()[row.name].many
        same = f"{row.name} {row.value}" if many else row.name
        holds, source = same not in held, Source(row.source)
        held.add(same)
        found.append(
            Tag(
                *(row.name, row.value, source, row.first_at, row.seen_at, row.times),
                *(how, row.evidence, row.written_by, holds),
            )
        )
    return tuple(found)


def confidence(row: TagRow, now: datetime) -> float:
    """How sure this is today, 0 to 1; the formula is said in `tags.yaml`."""
    rules, name = vocabulary.rules(), vocabulary.names()[row.name]
    source = rules["sources"][row.source]
    half_life = rules["behaviour_half_life"] if row.source == Source.BEHAVIOUR else name.half_life
    age = max((now - row.seen_at) / _DAY, 0.0)
    faded = 0.5 ** (age / half_life) if half_life and row.name != "engagement" else 1.0
    return round(float(source["top"] * row.times / (row.times + source["grows"]) * faded), 3)


def _listed(entry: ListEntry | None) -> list[TagRow]:
    """The tags that the company's list gives; an interest that tells of prescriptions is none."""
    if entry is None:
        return []
    values = [
        *(("title", entry.title), ("department", entry.department)),
        *(("tier", entry.tier), ("region", entry.city)),
        *(("interest", interest) for interest in entry.interests),
    ]
    found = []
    for name, value in values:
        try:
            vocabulary.check(name, value, Source.IMPORT)
        except MedrepError:
            continue  # empty, or nothing that may be known
        at = entry.updated_at
        found.append(TagRow(entry.person_id, name, value, "import", 1, at, at, (LIST,), None))
    return found


def _scored(score: ScoreRow | None) -> list[TagRow]:
    if score is None or score.tier not in vocabulary.names()["engagement"].values:
        return []
    evidence = tuple(one for part in score.parts for one in part["evidence"])[: profiles.EVIDENCE]
    times = max(sum(int(part["count"]) for part in score.parts), 1)
    return [
        TagRow(
            *(score.person_id, "engagement", score.tier, "behaviour", times),
            *(score.made_at, score.made_at, evidence, None),
        )
    ]


# ---------------------------------------------------------------- writing


async def note_said(
    tx: Tx, contact: Contact, statements: Collection[Statement], evidence: Collection[str], now: datetime
) -> None:
    """What somebody stated of themselves there; the same evidence again changes nothing."""
    person_id = await profiles.now_of(tx, contact.person_id)
    for one in statements:
        await _write(tx, person_id, contact.id, one.name, one.value, Source.SAID, evidence, now)
    if statements:
        names = sorted({one.name for one in statements})
        await note(tx, "profile.noted", now, f"contact:{contact.id}", contact, names=names, source="said")


async def note_by_colleague(
    tx: Tx,
    person_id: UUID,
    name: str,
    value: str,
    login: str,
    now: datetime,
    *,
    evidence: Collection[str] = (),
) -> None:
    """A colleague writes down what they know. Raises MedrepError(BAD_INPUT), and CONFLICT where the doctor
    refuses profiling and this is a value tag."""
    await refusal.permit(tx, person_id, name)
    await _write(tx, person_id, None, name, value, Source.COLLEAGUE, evidence, now, login)
    owner, subject = Owner(person_id), f"person:{person_id}"
    await note(tx, "profile.noted", now, subject, owner, names=[name], source="colleague", by=login)


async def withdraw_tag(tx: Tx, person_id: UUID, name: str, value: str, login: str, now: datetime) -> None:
    """A colleague takes back what is no longer so. Raises MedrepError(NOT_FOUND): it does not stand, or is
    the list's."""
    if not await profiles.end(tx, person_id, now, "withdrawn", names=[name], value=value):
        raise MedrepError(Fault.NOT_FOUND, f"no such {name} was noted")
    owner, subject = Owner(person_id), f"person:{person_id}"
    await note(tx, "profile.withdrawn", now, subject, owner, names=[name], by=login)


async def wish_format(tx: Tx, contact: Contact, value: str | None, evidence: str, now: datetime) -> None:
    """How anybody, a patient too, wants our texts: brief, detail, chart; None: as they are."""
    person_id = await profiles.now_of(tx, contact.person_id)
    if value is None:
        await profiles.end(tx, person_id, now, "withdrawn", names=["format"])
    else:
        await _write(tx, person_id, contact.id, "format", value, Source.SAID, [evidence], now)
    await note(tx, "profile.noted", now, f"contact:{contact.id}", contact, names=["format"], source="said")


async def _write(
    tx: Tx,
    person_id: UUID,
    contact_id: int | None,
    name: str,
    value: str,
    source: Source,
    evidence: Collection[str],
    now: datetime,
    login: str | None = None,
) -> None:
    known = vocabulary.check(name, value, source)
    row = TagRow(person_id, name, value, source.value, 1, now, now, tuple(evidence), login)
    await profiles.note(tx, row, contact_id, ends=_ended_by(known, source), now=now)


def _ended_by(name: Name, source: Source) -> tuple[str, ...]:
    """From which sources a new value ends the other values of its name."""
    if name.many:
        return ()
    return _ASKED if name.wish and source.value in _ASKED else (source.value,)


async def may_be_segmented(tx: Tx, people: Collection[UUID]) -> frozenset[UUID]:
    """Those of these people who have agreed to be analysed for marketing: only they may be part of a segment
    that is made from value tags."""
    of_people = await consent.of_people(tx, people)
    return frozenset(person_id for person_id, known in of_people.items() if refusal.agreed(known))

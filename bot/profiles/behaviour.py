"""What a doctor shows by what they do: what they ask about, when they write, how engaged they are.

Made from stored rows by an hourly job, a batch of people a transaction. Formula and bounds are data
(`data/profiles/engagement.yaml`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from bot.clock import CHINA
from bot.model import Fault, MedrepError
from bot.profiles import refusal, suggestions, vocabulary
from bot.runtime.services import Services
from bot.store import behaviour, profiles
from bot.store.behaviour import Event, Written
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.text.patterns import read_rules

if TYPE_CHECKING:
    from bot.knowledge import Content

BATCH = 200  # people a transaction
_DAY = timedelta(days=1)
_OVERLAP = timedelta(minutes=10)  # what was stored while the last round read
_SHOWN = ("product", "topic", "best_time")


class Deed(StrEnum):
    """What somebody does outside the chat."""

    OPENED = "opened"  # a page or a file of ours
    JOINED = "joined"  # a meeting


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the score. `evidence`: the newest messages and events that were counted."""

    what: str
    label: str
    count: int
    weight: int
    points: int
    since: str  # ISO date from which on was counted
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Score:
    points: int
    tier: str  # high | medium | low, "" for none
    parts: tuple[Part, ...]


async def note_deed(
    tx: Tx, contact: Contact, deed: Deed, key: str, now: datetime, *, product: str = "", topic: str = ""
) -> bool:
    """Somebody opened or joined something; once by `key` (`material:7:open:3`). False: known before, they are
    on no list, or refuse profiling. `product` and `topic` are ids of the published content."""
    if not key:
        raise MedrepError(Fault.BAD_INPUT, "a deed has a key")
    person_id = await profiles.now_of(tx, contact.person_id)
    if not await profiles.is_doctor(tx, person_id) or await refusal.refusing(tx, [person_id]):
        return False
    return await profiles.add_event(
        tx,
        person_id=person_id,
        contact_id=contact.id,
        kind=deed.value,
        product=product or None,
        topic=topic or None,
        key=key,
        at=now,
    )


async def derive(services: Services) -> int:
    """Scores and tags of all who did something since the last round, and the suggestions; of how many.

    A round that was cut off counts as none: its scores keep the moment of the one before until it is whole.
    """
    now = services.clock.now()
    if not services.published.loaded:  # nothing was answered yet
        return 0
    async with services.db.begin() as tx:
        last = await behaviour.made_last(tx) or now - _window()
        people = await behaviour.concerned(tx, min(last, now) - _OVERLAP, now - _DAY)
    for start in range(0, len(people), BATCH):
        async with services.db.begin() as tx:
            await derive_of(
                tx,
                people[start : start + BATCH],
                services.published.edition.content,
                now,
                made_at=min(last, now),
            )
    async with services.db.begin() as tx:
        await behaviour.mark_made(tx, people, now)
        await suggestions.make(tx, now)
    return len(people)


async def derive_of(
    tx: Tx, people: Sequence[UUID], content: Content, now: datetime, *, made_at: datetime | None = None
) -> None:
    """The scores and tags of these people, as what they did shows them now; the scores are of `made_at`."""
    refusing = await refusal.refusing(tx, people)
    people = [person_id for person_id in people if person_id not in refusing]
    since = now - _window()
    texts: dict[UUID, list[Written]] = defaultdict(list)
    for one in await behaviour.written(tx, people, since):
        texts[one.person_id].append(one)
    deeds: dict[UUID, list[Event]] = defaultdict(list)
    for event in await behaviour.events(tx, people, since):
        deeds[event.person_id].append(event)
    rows, tags = [], []
    for person_id in people:
        score = score_of(texts[person_id], deeds[person_id], since)
        contact_id = _contact_of(texts[person_id], deeds[person_id])
        rows.append(
            {
                "person_id": person_id,
                "contact_id": contact_id,
                "points": score.points,
                "tier": score.tier,
                "parts": [asdict(part) for part in score.parts],
                "made_at": made_at or now,
            }
        )
        tags += [
            {"person_id": person_id, "contact_id": contact_id, "source": "behaviour", **tag}
            for tag in tags_of_behaviour(texts[person_id], deeds[person_id], content)
        ]
    await profiles.shown(tx, people, tags, _SHOWN, now)
    await behaviour.write_scores(tx, rows)


def _contact_of(texts: Sequence[Written], deeds: Sequence[Event]) -> int | None:
    """Where they were last heard of: what is derived goes with that contact when it is erased."""
    known = [(one.at, one.contact_id) for one in texts]
    known += [(one.at, one.contact_id) for one in deeds if one.contact_id is not None]
    return max(known)[1] if known else None


def score_of(texts: Sequence[Written], deeds: Sequence[Event], since: datetime) -> Score:
    """The score and its parts. Pure."""
    rules = read_rules("profiles", "engagement")
    days = {one.at.astimezone(CHINA).date(): f"message:{one.message}" for one in texts}
    counted = {
        "asked": [f"message:{one.message}" for one in texts if one.entries],
        "wrote": list(days.values()),
        **{deed.value: [f"event:{one.id}" for one in deeds if one.kind == deed] for deed in Deed},
    }
    parts = tuple(
        Part(
            what,
            part["label"],
            len(counted[what]),
            part["weight"],
            min(len(counted[what]) * part["weight"], part["most"]),
            since.astimezone(CHINA).date().isoformat(),
            tuple(counted[what][-profiles.EVIDENCE :]),
        )
        for what, part in rules["parts"].items()
    )
    points = sum(part.points for part in parts)
    tier = next((name for name, least in rules["tiers"].items() if points >= least), "")
    return Score(points, tier, parts)


def tags_of_behaviour(
    texts: Sequence[Written], deeds: Sequence[Event], content: Content
) -> list[Mapping[str, Any]]:
    """Products, topics and the part of the day that this shows, as values of `profile_tag`. Pure."""
    seen: dict[tuple[str, str], list[tuple[datetime, str]]] = defaultdict(list)
    for one in texts:
        for entry in filter(None, (content.entry.get(key) for key in one.entries)):
            seen["product", entry.product].append((one.at, f"message:{one.message}"))
            seen["topic", str(entry.topic)].append((one.at, f"message:{one.message}"))
    for event in deeds:
        for name, value in (("product", event.product), ("topic", event.topic)):
            if value:
                seen[name, value].append((event.at, f"event:{event.id}"))
    least = read_rules("profiles", "engagement")["interest"]["least"]
    found = []
    for (name, value), moments in seen.items():
        known = value in content.product if name == "product" else value in vocabulary.names()[name].values
        if known and len(moments) >= least:
            found.append(_tag(name, value, moments))
    return [*found, *_best_time(texts)]


def _best_time(texts: Sequence[Written]) -> list[Mapping[str, Any]]:
    rules = read_rules("profiles", "engagement")["best_time"]
    parts = vocabulary.rules()["times"]["hours"]
    by_part = defaultdict(list)
    for one in texts:
        hour = one.at.astimezone(CHINA).hour
        part = next((name for name, (low, high) in parts.items() if low <= hour < high), "night")
        by_part[part].append(one)
    count = Counter({part: len(found) for part, found in by_part.items() if part in parts})
    if not count or len(texts) < rules["messages"]:
        return []
    (part, most), *_ = count.most_common(1)
    days = {one.at.astimezone(CHINA).date() for one in by_part[part]}
    if most < rules["share"] * len(texts) or len(days) < rules["days"]:
        return []
    return [_tag("best_time", f"any:{part}", [(one.at, f"message:{one.message}") for one in by_part[part]])]


def _tag(name: str, value: str, moments: Sequence[tuple[datetime, str]]) -> Mapping[str, Any]:
    evidence = list(dict.fromkeys(key for _, key in moments))
    return {
        "name": name,
        "value": value,
        "times": len(evidence),
        "first_at": min(at for at, _ in moments),
        "seen_at": max(at for at, _ in moments),
        "evidence": evidence[-profiles.EVIDENCE :],
    }


def _window() -> timedelta:
    return timedelta(days=read_rules("profiles", "engagement")["window"])

"""What a visit needs to know of a doctor: out of their profile, as it stands at this moment."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, time
from uuid import UUID

from bot.knowledge import Format
from bot.profiles import Tag, span, tags_of
from bot.schedule import Best, Hours
from bot.store import doctors
from bot.store.database import Tx


@dataclass(frozen=True, slots=True)
class Known:
    """`form`: how they want it told; None: they did not say. `best`: when they like to hear from us."""

    department: str = ""
    interests: tuple[str, ...] = ()
    form: Format | None = None
    best: Best | None = None


async def known_of(tx: Tx, people: Collection[UUID], now: datetime) -> Mapping[UUID, Known]:
    """Of those of these people who are verified doctors."""
    verified = await doctors.verified(tx, people)
    return {person: _known(tags) for person, tags in (await tags_of(tx, verified, now)).items()}


def _known(tags: Collection[Tag]) -> Known:
    held: dict[str, list[str]] = {}
    for tag in tags:
        if tag.holds:
            held.setdefault(tag.name, []).append(tag.value)
    form = held.get("format", [""])[0]
    return Known(
        held.get("department", [""])[0],
        tuple(held.get("interest", ())),
        Format(form) if form else None,
        _best(held.get("best_time", [""])[0]),
    )


def _best(value: str) -> Best | None:
    found = span(value)
    if found is None:
        return None
    days, low, high = found
    return Best(Hours(time(low), time(high) if high < 24 else time(23, 59)), days)

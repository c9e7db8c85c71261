"""When a visit was under way: what is said between an appointment and its hour is no part of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from bot.store import visits
from bot.store.visits import Fact, VisitRow

SAME_TURN = timedelta(minutes=1)  # so much later the turn that ends a visit may still open a task


@dataclass(frozen=True, slots=True)
class UnderWay:
    spans: tuple[tuple[datetime, datetime], ...]
    turns: frozenset[UUID]  # in which something of the visit was noticed

    @property
    def until(self) -> datetime:
        return max(end for _, end in self.spans)

    def holds(self, moment: datetime, turn_id: UUID | None = None) -> bool:
        return turn_id in self.turns or any(start <= moment <= end for start, end in self.spans)


def under_way(visit: VisitRow, facts: Sequence[Fact]) -> UnderWay:
    """By the facts of its beginning, its appointments and its end. A visit of before there were such facts
    was under way since it was planned."""
    spans: list[tuple[datetime, datetime]] = []
    since = None if any(one.kind == visits.GOES_ON for one in facts) else visit.planned_at
    for fact in facts:
        if fact.kind == visits.GOES_ON:
            since = since or fact.at
        elif fact.kind == "moved" and since is not None:
            spans.append((since, fact.at))
            since = None
    if since is not None:
        spans.append((since, (visit.ended_at or visit.last_at) + SAME_TURN))
    return UnderWay(tuple(spans), frozenset(one.turn_id for one in facts if one.turn_id is not None))

"""Which part of a conversation belongs to a visit."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID, uuid4

from bot.clock import CHINA
from bot.store.visits import GOES_ON, Fact, VisitRow
from bot.visits.under_way import under_way

NOON = datetime(2026, 12, 2, 12, 0, tzinfo=CHINA)
TURN = UUID(int=1)


def at(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


def visit(ended: int) -> VisitRow:
    # Planned in the night, begun at noon.
    planned = NOON - timedelta(hours=14)
    numbers = (1, "one", uuid4(), 1, "ended", "next", 1, 0, False, False, None, None, 1, "", "")
    return VisitRow(*numbers, planned, at(0), at(ended), at(ended), "completed")


def fact(kind: str, minutes: int, turn: UUID | None = None) -> Fact:
    return Fact(kind, "", turn, at(minutes))


def test_what_is_said_before_it_begins_is_no_part_of_it_but_the_words_that_began_it() -> None:
    found = under_way(visit(10), [fact(GOES_ON, 0, TURN), fact("ended", 10)])
    assert not found.holds(at(-300)) and found.holds(at(0)) and found.holds(at(10))
    assert found.holds(at(-1), TURN), "the click that asked for it"


def test_what_is_said_between_an_appointment_and_its_hour_is_no_part_of_it() -> None:
    facts = [fact(GOES_ON, 0), fact("moved", 5), fact(GOES_ON, 3000), fact("ended", 3010)]
    found = under_way(visit(3010), facts)
    inside = [minutes for minutes in (1, 5, 60, 2990, 3001, 3010) if found.holds(at(minutes))]
    assert inside == [1, 5, 3001, 3010]


def test_a_visit_from_before_such_facts_is_told_whole() -> None:
    found = under_way(visit(10), [fact("permission", 2), fact("ended", 10)])
    assert found.holds(at(-300)) and found.holds(at(9))

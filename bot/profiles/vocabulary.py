"""What may be known of a doctor: the names of tags, their values and sources (`data/profiles/tags.yaml`).

Prescription volume is in no name and in no value: `check` refuses it from every source.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from bot.model import Fault, MedrepError
from bot.text.folding import fold
from bot.text.patterns import read_rules

_LONGEST = 60  # characters of a value
_TIME = re.compile(r"(?P<day>[a-z]+):(?P<part>[a-z]+)(?::(?P<hour>[0-9]{1,2}))?")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Source(StrEnum):
    """Where a tag comes from."""

    COLLEAGUE = "colleague"
    SAID = "said"
    IMPORT = "import"
    BEHAVIOUR = "behaviour"


class Group(StrEnum):
    BASIC = "basic"
    PREFERENCE = "preference"
    VALUE = "value"


@dataclass(frozen=True, slots=True)
class Name:
    """One name of a tag. `values` is empty where any value fits; `half_life` is in days, 0: none."""

    name: str
    group: Group
    label: str
    many: bool
    wish: bool  # the newest ends the others
    sources: frozenset[Source]
    half_life: int
    values: Mapping[str, str]


@cache
def names() -> Mapping[str, Name]:
    rules = read_rules("profiles", "tags")
    return {
        name: Name(
            name,
            Group(one["group"]),
            one["label"],
            bool(one.get("many")),
            name in rules["wishes"],
            frozenset(map(Source, one["sources"])),
            one["half_life"],
            one.get("values", {}),
        )
        for name, one in rules["names"].items()
    }


def rules() -> Mapping[str, Any]:
    """The whole of `tags.yaml`."""
    found: Mapping[str, Any] = read_rules("profiles", "tags")
    return found


def check(name: str, value: str, source: Source) -> Name:
    """The name, where this may be known. Raises MedrepError(BAD_INPUT): no such name, value or source, or it
    tells how much somebody prescribes."""
    if refused(name) or refused(value):
        raise MedrepError(Fault.BAD_INPUT, "how much somebody prescribes is never a tag")
    found = names().get(name)
    if found is None:
        raise MedrepError(Fault.BAD_INPUT, f"there is no tag {name}")
    if source not in found.sources:
        raise MedrepError(Fault.BAD_INPUT, f"{name} does not come from {source}")
    good = value in found.values if found.values else 0 < len(value) <= _LONGEST and "\n" not in value
    if not good or (name == "best_time" and not spoken_time(value)):
        raise MedrepError(Fault.BAD_INPUT, f"{value!r} is no value of {name}")
    return found


def refused(text: str) -> bool:
    """Whether it tells how much somebody prescribes or sells, however it is written."""
    folded = fold(text).text
    return any(word in folded for word in rules()["refused"])


def spoken(name: str, value: str) -> str:
    """The value as people read it."""
    if name == "best_time":
        return spoken_time(value) or value
    return names()[name].values.get(value, value)


def spoken_time(value: str) -> str:
    """周五下午 of `fri:afternoon`, 晚上20点后 of `any:evening:20`; "" of what is none."""
    match, times = _TIME.fullmatch(value), rules()["times"]
    if match is None or match["day"] not in times["days"] or match["part"] not in times["parts"]:
        return ""
    hour = f"{match['hour']}点后" if match["hour"] and int(match["hour"]) < 24 else ""
    return f"{times['days'][match['day']]}{times['parts'][match['part']]}{hour}"


def span(value: str) -> tuple[frozenset[int], int, int] | None:
    """Of a `best_time`: weekdays as `date.weekday()`, from which hour, to which; or None."""
    match = _TIME.fullmatch(value)
    if match is None:
        return None
    days = {"any": range(7), "workday": range(5), "weekend": range(5, 7)}
    named = days.get(match["day"]) or [WEEKDAYS.index(one) for one in WEEKDAYS if one == match["day"]]
    low, high = rules()["times"]["hours"].get(match["part"], (0, 24))
    return frozenset(named), max(low, int(match["hour"] or 0)), high


@cache
def synonyms(kind: str) -> Mapping[str, str]:
    """Of `departments`, `titles` or `areas`: what people say -> what is kept, the longest first."""
    found: dict[str, str] = {}
    for kept, other in read_rules("profiles", "words")[kind].items():
        for word in (kept, *(other["words"] if kind == "areas" else other)):
            found[fold(word).text] = kept
    return dict(sorted(found.items(), key=lambda item: -len(item[0])))


@cache
def products_of(area: str) -> frozenset[str]:
    """The ids of our products for an area of practice."""
    one = read_rules("profiles", "words")["areas"].get(area)
    return frozenset(one["products"] if one else ())

"""One scan of the text for everything that may be a sign: of an emergency, or of an adverse event."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from bot.safety.context import Window, surroundings
from bot.text.folding import Folded
from bot.text.patterns import Scanner, read_rules


@dataclass(frozen=True, slots=True)
class Mention:
    """Words that may be a sign. `kind`: said, named, figure; or event, feeling, no_effect, special."""

    what: str
    kind: str
    start: int
    end: int
    at: Window


@cache
def _scanner() -> Scanner:
    words: dict[str, list[str]] = {}
    groups: dict[str, list[str]] = {}
    red_flags = read_rules("safety", "red_flags")
    for category, entry in red_flags["categories"].items():
        for kind in ("said", "named"):
            groups[f"red_flag:{category}:{kind}"] = entry.get(kind, [])
    events = read_rules("safety", "adverse_events")
    for kind in ("event", "feeling", "no_effect"):
        groups[f"adverse_event:{kind}:{kind}"] = events[f"{kind}s" if kind != "no_effect" else kind]
    for name, patterns in events["special"].items():
        groups[f"adverse_event:{name}:special"] = patterns
    for rules in (red_flags, events):
        words |= rules["words"]
    return Scanner(groups, words)


def find(folded: Folded) -> dict[str, list[Mention]]:
    """Mentions by family (red_flag, adverse_event), in order. What stands in the same surroundings as an
    earlier one is judged alike and left out: so a long repetitive text costs no more than a short one."""
    found: dict[str, list[Mention]] = {"red_flag": [], "adverse_event": []}
    # Nothing outlives the call: what people write is not kept in a cache.
    seen: set[tuple[str, tuple[str, int, int, int]]] = set()
    for label, start, end in _scanner().scan(folded.text):
        around = surroundings(folded, start, end)
        if (label, around) in seen:
            continue
        seen.add((label, around))
        family, what, kind = label.split(":")
        found[family].append(Mention(what, kind, start, end, Window(*around)))
    return found

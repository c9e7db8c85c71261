"""The rules applied to a text: what is refused, and wording that is right although it looks alike."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from bot.model import Audience
from bot.text.folding import fold
from bot.text.patterns import Scanner, compile_patterns, read_rules

# Somebody who would write 最（好） or 【根】治 does not mean the brackets.
_BRACKETS = "()[]{}<>「」『』【】《》〈〉“”‘’"
_AROUND = 28  # characters in which allowed wording may begin before, or end after, what was found


@dataclass(frozen=True, slots=True)
class Finding:
    """`span` is [start, end) in the text as written; `why` is a sentence for a person."""

    rule: str
    span: tuple[int, int]
    why: str


@dataclass(frozen=True, slots=True)
class _Rule:
    why: str
    allowed: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class _Rules:
    scanner: Scanner
    by_id: dict[str, _Rule]


@cache
def _rules(audience: Audience, of: str = "rules") -> _Rules:
    book = read_rules("compliance", of)
    chosen = [rule for rule in book["rules"] if audience.value in rule["audience"]]
    scanner = Scanner({rule["id"]: rule["patterns"] for rule in chosen}, book["words"])
    by_id = {
        rule["id"]: _Rule(
            f"{rule['why']}（{rule['law']}）", compile_patterns(rule.get("allowed", []), book["words"])
        )
        for rule in chosen
    }
    return _Rules(scanner, by_id)


def check_text(text: str, audience: Audience) -> tuple[Finding, ...]:
    """What in `text` may not be said to `audience`, by where it begins; empty: it may be sent."""
    return _check(text, _rules(audience))


def check_meeting(text: str) -> tuple[Finding, ...]:
    """What no meeting offers to a doctor, in words about one: meals, gifts, fees, points."""
    return _check(text, _rules(Audience.DOCTOR, "meetings"))


def _check(text: str, rules: _Rules) -> tuple[Finding, ...]:
    folded = fold(text, also=_BRACKETS)
    findings: list[Finding] = []
    judged: dict[tuple[str, str, int, int], bool] = {}  # a repetitive text costs no more than a short one
    ends: dict[str, int] = {}
    for rule, start, end in rules.scanner.scan(folded.text):
        if start < ends.get(rule, 0):
            continue  # within what this rule already found
        low = max(0, start - _AROUND)
        key = (rule, folded.text[low : end + _AROUND], start - low, end - low)
        if key not in judged:
            judged[key] = _allowed(rules.by_id[rule], *key[1:])
        if judged[key]:
            continue
        ends[rule] = end
        findings.append(Finding(rule, folded.span(start, end), rules.by_id[rule].why))
    return tuple(findings)


def _allowed(rule: _Rule, around: str, start: int, end: int) -> bool:
    """Whether allowed wording shares a character with what was found."""
    position = 0
    while match := rule.allowed.search(around, position):
        if match.start() >= end:
            return False
        if match.end() > start:
            return True
        position = match.start() + 1  # the next may begin inside this one
    return False


def report(text: str, audience: Audience) -> dict[str, Any]:
    """What `medrep check-text` prints for one text."""
    findings = check_text(text, audience)
    return {
        "text": text,
        "allowed": not findings,
        "findings": [{"rule": f.rule, "span": list(f.span), "why": f.why} for f in findings],
    }

"""What a report of an adverse event tells, by the elements of ICH E2B (R3): only the rest is asked for.

Lists: `data/safety/case_report.yaml`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from bot.safety.adverse_events import drugs_in
from bot.safety.mentions import Mention
from bot.text.folding import Folded
from bot.text.numerals import read
from bot.text.patterns import compile_patterns, expand, read_rules

_PRODUCT = "quality"


@dataclass(frozen=True, slots=True)
class CaseReport:
    """What is told of a case. `missing`: elements that are not, in the order in which they are asked for."""

    kind: str  # of the event: event, no_effect, overdose, misuse, error, pregnancy, off_label, quality, …
    drugs: tuple[str, ...]  # preferred names
    reactions: tuple[str, ...]
    batches: tuple[str, ...]
    ages: frozenset[str]
    sexes: frozenset[str]
    relatives: frozenset[str]
    patients: int  # how many there are
    missing: tuple[str, ...]
    death: bool
    past: bool  # it happened long ago, and nothing says that it goes on
    another: bool  # another patient than one told of before
    introduced: bool  # a patient nobody spoke of before
    same: bool  # the one told of before


def asked_for(elements: Iterable[str]) -> str:
    """As people read it: 年龄、性别、现在怎样."""
    names = read_rules("safety", "case_report")["asked"]
    return "、".join(names[element] for element in elements)


def every_element() -> tuple[str, ...]:
    """What `asked_for` may name."""
    return tuple(read_rules("safety", "case_report")["asked"].values())


def read_case(folded: Folded, mentions: list[Mention], kind: str = "") -> CaseReport:
    """What these words tell. `kind`: of the event that was found in them, if one was."""
    rules, patterns, text = read_rules("safety", "case_report"), _patterns(), folded.text
    drugs = drugs_in(text) or tuple(sorted(_found(patterns["drug"], text)))
    batches = tuple(dict.fromkeys(match.upper() for match in patterns["batch"].findall(text)))
    told = {name for name in rules["elements"] if patterns[name].search(text)}
    reactions = _reactions(mentions)
    told |= {name for name, found in (("drug", drugs), ("batch", batches), ("reaction", reactions)) if found}
    if kind in ("no_effect", "overdose", "misuse", "error", "pregnancy", "off_label", _PRODUCT):
        told.add("reaction")
    wanted = rules["asked_of_product"] if kind == _PRODUCT else rules["asked"]
    return CaseReport(
        kind=kind,
        drugs=drugs,
        reactions=reactions,
        batches=batches,
        ages=frozenset(re.sub(r"\D", "", match) for match in _found(patterns["age"], text)) - {""},
        sexes=_sexes(text),
        relatives=frozenset(_found(patterns["relative"], text)),
        patients=_patients(text),
        missing=tuple(element for element in wanted if element not in told),
        death=_death(text),
        past=bool(patterns["past"].search(text)) and not patterns["goes_on"].search(text),
        another=bool(patterns["another"].search(text)),
        introduced=bool(patterns["introduced"].search(text)),
        same=bool(patterns["same"].search(text)),
    )


def is_detail(report: CaseReport, asked: Iterable[str]) -> bool:
    """Whether words tell one of the elements that were asked for."""
    return any(element not in report.missing for element in asked)


def is_of(report: CaseReport, known: CaseReport, *, own: bool) -> bool:
    """Whether a report is about the patient of another one. `own`: a patient or their family reports, who has
    one case at a time; a doctor who introduces somebody has a new one."""
    if report.another or report.patients > 1:
        return False
    if report.introduced and not report.same and not own:
        return False
    pairs = (
        (report.drugs, known.drugs),
        (report.batches, known.batches),
        (report.ages, known.ages),
        (report.sexes, known.sexes),
        (report.relatives, known.relatives),
    )
    return all(not new or not old or set(new) & set(old) for new, old in pairs)


def _reactions(mentions: list[Mention]) -> tuple[str, ...]:
    groups = read_rules("safety", "case_report")["reactions"]
    found: dict[str, None] = {}
    for mention in mentions:
        words = mention.at.text[mention.at.start : mention.at.end]
        if mention.kind not in ("event", "feeling"):
            continue
        if _patterns()["vague"].search(words):
            if where := _patterns()["unwell"].search(mention.at.text[: mention.at.end]):
                found[f"{where[1]}不适"] = None
            continue
        names = (name for name, parts in groups.items() if any(part in words for part in parts))
        if name := next(names, words if len(words) > 1 else ""):
            found[name] = None
    return tuple(found)


def _sexes(text: str) -> frozenset[str]:
    """Where both are named (她爸) nothing is known."""
    found = {sign for sign in "男女" if sign in text.replace("男女", "")}
    return frozenset(found if len(found) == 1 else ())


def _patients(text: str) -> int:
    """How many patients are told of: not those that somebody has (我管着200个病人，有个吃了头晕)."""
    patterns, counted = _patterns(), 1
    for match in patterns["several"].finditer(text):
        value = _number(next(filter(None, match.groups())))
        if patterns["among"].match(text, match.end()):
            of_them = patterns["of_them"].findall(text, match.end())
            value = min(value, sum(_number(number or "一") for number in of_them))
        counted = max(counted, value)
    if counted == 1:
        before = patterns["first"].search(text)
        counted += len(patterns["one_more"].findall(text, before.end())) if before else 0
    return counted


_SEVERAL = {"俩": 2, "仨": 3, "好几": 2, "几": 2}


def _number(words: str) -> int:
    if _ABOUT.fullmatch(words):
        words = words[0]  # 四五个: four at least
    return _SEVERAL.get(words) or int(read(words) or 1)


_ABOUT = re.compile("[一二两三四五六七八九]{2}")


def _death(text: str) -> bool:
    """Whether the patient of the case died, and not somebody else (去世的老伴也吃过，我吃了恶心)."""
    patterns = _patterns()
    for match in patterns["death"].finditer(text):
        low = max(text.rfind(mark, 0, match.start()) for mark in _STOPS) + 1
        clause_end = _STOP.search(text, match.end())
        high = clause_end.start() if clause_end else len(text)
        dead = set(patterns["relative"].findall(text[low:high]))
        if not dead or patterns["takes"].search(text, low, match.start()):
            return True
        elsewhere = patterns["takes"].findall(f"{text[:low]}\n{text[high:]}")
        takers = {*elsewhere, *patterns["takes"].findall(text, match.end(), high)}
        if not takers - dead or dead & set(elsewhere):
            return True
    return False


_STOPS = ",。;!?\n"
_STOP = re.compile(f"[{_STOPS}]")


def _found(pattern: re.Pattern[str], text: str) -> set[str]:
    return {match[0] for match in pattern.finditer(text)}


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    rules = read_rules("safety", "case_report")
    words = rules["words"]
    lists = {
        name: rules[name]
        for name in (
            "death",
            "past",
            "goes_on",
            "another",
            "introduced",
            "same",
            "one_more",
            "among",
            "vague",
        )
    }
    compiled = {name: compile_patterns(some, words) for name, some in {**rules["elements"], **lists}.items()}
    compiled["relative"] = compile_patterns(["{relative}"], words)
    compiled["first"] = compile_patterns(["一(?:个|位|例|名)|有(?:个|位|例)|{somebody}"], words)
    for name in ("batch", "several", "takes", "of_them", "unwell"):
        compiled[name] = re.compile(expand(rules[name], words))
    return compiled

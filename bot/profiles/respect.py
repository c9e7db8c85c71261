"""What people say about their data: what do you hold, where is it from, this is wrong, do not profile me.

Fixed words (`data/profiles/respect.yaml`), pure and linear in the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from bot.profiles import vocabulary
from bot.profiles.said import courtesy
from bot.text.clauses import clause_spans
from bot.text.folding import fold
from bot.text.patterns import compile_patterns, read_rules

_LONGEST = 60  # characters; in a longer text the words have another meaning
_NOT = re.compile(r"(?:不是|不再是|不在|原来是|以前是|写成|登记成|登成|写的是|登的是)[了]?$")
_LEADS = re.compile(
    r"^(?:我|现在|已经|目前|本人|应该|单位|医院|把|将|请|更新|改|换|调|转|写错了?|的|是|在|到|去|来|成|为|了|叫|其实)+"
)


class Wish(StrEnum):
    """What somebody wants of their data."""

    SEE = "see"
    REFUSE = "refuse"
    AGREE = "agree"


@dataclass(frozen=True, slots=True)
class Correction:
    """An entry that should be another. `name`: department, title or hospital."""

    name: str
    value: str


def wish_of(text: str) -> Wish | None:
    """What a text wants of the data about its writer; a refusal goes before everything."""
    if len(text) > _LONGEST:
        return None
    folded = fold(text)
    pieces = [folded.text, *(folded.text[start:end] for start, end in clause_spans(folded))]
    for wish in (Wish.REFUSE, Wish.AGREE, Wish.SEE):
        if any(_patterns(wish).fullmatch(piece) and _means_me(wish, piece) for piece in pieces):
            return wish
    return None


def besides_wish(text: str) -> str:
    """What a text says besides the wish in it, as written; "" when that is nothing, or no more than a
    courtesy."""
    folded = fold(text[:_LONGEST])
    rest = []
    for start, end in clause_spans(folded):
        piece = folded.text[start:end]
        wished = any(_patterns(wish).fullmatch(piece) and _means_me(wish, piece) for wish in Wish)
        if not wished and not courtesy().fullmatch(piece):
            low, high = folded.span(start, end)
            rest.append(text[low : high + 1] if text[high : high + 1] in "?？" else text[low:high])
    return "，".join(rest)


def correction_of(text: str) -> Correction | None:
    """The entry that a text says is wrong, and what it should be; None where it does not say both."""
    rules = _rules()["correction"]
    folded = fold(text[: _LONGEST + 1])
    words = folded.text
    if len(text) > _LONGEST or any(word in words for word in rules["never"]) or words.endswith(("吗", "?")):
        return None
    named = [name for name, fields in rules["fields"].items() if any(field in words for field in fields)]
    changed, moved = bool(_any_of("change").search(words)), bool(_any_of("moved").search(words))
    if not changed and not (named and any(word in words for word in rules["wrong"])):
        # A new department is what they say of themselves; a new hospital is looked into.
        return Correction("hospital", value) if moved and (value := _hospital(words)) else None
    for name in named or ("department", "title", "hospital"):
        if value := _value(name, words):
            return Correction(name, value)
    return None


def _value(name: str, words: str) -> str:
    """The value of this name that the words want; one that they deny is none."""
    if name == "hospital":
        return _hospital(words)
    found = []
    rest = words
    for word, kept in vocabulary.synonyms({"department": "departments", "title": "titles"}[name]).items():
        start = rest.find(word)
        if start < 0:
            continue
        if not _NOT.search(rest[max(start - 5, 0) : start]):
            found.append((start, kept))
        rest = rest.replace(word, " " * len(word))
    return max(found)[1] if found else ""


def _hospital(words: str) -> str:
    found = ""
    for clause in re.split(r"[,。;!?:\n、 ]", words):
        for match in re.finditer(_rules()["correction"]["hospital"], clause):
            name = _LEADS.sub("", match[0])
            if "不是" in match[0]:
                name = match[0].rpartition("是")[2] if match[0].count("是") > 1 else ""
            if len(name) > 2 and not re.match(r"名字?|全称", name):
                found = name
    return found


def _means_me(wish: Wish, piece: str) -> bool:
    """Whether it is about the writer and not about a case, or an answer."""
    needed = {Wish.REFUSE: "about_me", Wish.AGREE: "clear"}.get(wish)
    return needed is None or any(word in piece for word in _rules()[needed])


@cache
def _patterns(wish: Wish) -> re.Pattern[str]:
    return compile_patterns(_rules()[wish.value], _rules()["words"])


@cache
def _any_of(what: str) -> re.Pattern[str]:
    return compile_patterns(_rules()["correction"][what], {})


def _rules() -> Any:
    return read_rules("profiles", "respect")

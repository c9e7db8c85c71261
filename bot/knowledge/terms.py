"""What a question mentions besides our products: other drugs, diseases, and what it is about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path

import yaml

from bot.knowledge.text import plain
from bot.text.yaml_loader import Loader

# Characters that belong to the sentence, never to the name of a drug or a disease.
GRAMMAR = (
    "的了吗呢吧啊和与跟同或及吃用服喝能可以不有没是在对给开换加把被让要想会该怎么什哪多少一二三两"
    "这那就也都还再类等药片治防得说"
)
# A drug or a disease we have no word for still shows itself by how it ends.
_NAME = rf"(?:(?![{GRAMMAR}])[\u4e00-\u9fff])"
DRUG_ENDINGS = re.compile(
    rf"{_NAME}{{1,5}}?(?:沙坦|地平|他汀|普利|洛尔|格列[汀净齐]|列酮|格鲁肽|单抗|替尼|霉素|沙星|康唑|拉唑|沙班|贝特|韦林|噻嗪|西林)"
)
CONDITION_ENDINGS = re.compile(
    rf"{_NAME}{{1,6}}?(?:综合[征症]|增生|血肿|绞痛|结节|溃疡|硬化|障碍|癌|瘤|炎(?!药)|(?<!适应)(?<!禁忌)(?<!并发)症(?!状)"
    r"|(?<!疾)(?<![老毛看生])病(?![人史情程例历]))"
)


@dataclass(frozen=True)
class Subject:
    """What a text speaks of: topics, conditions (synonyms under one key) and drugs by name and by class."""

    topics: frozenset[str] = frozenset()
    conditions: frozenset[str] = frozenset()
    drugs: frozenset[str] = frozenset()

    @cached_property
    def covers(self) -> frozenset[str]:
        """Drugs this answers for: those it names, all of a class it names, and the classes of its drugs."""
        vocabulary = terms()
        members = {name for name, word in vocabulary.drug_class.items() if word in self.drugs}
        classes = {vocabulary.drug_class[name] for name in self.drugs if name in vocabulary.drug_class}
        return self.drugs | members | classes

    @classmethod
    def all(cls, some: Iterable[Subject]) -> Subject:
        """What any of them speaks of."""
        several = list(some)
        return cls(
            frozenset().union(*(one.topics for one in several)),
            frozenset().union(*(one.conditions for one in several)),
            frozenset().union(*(one.drugs for one in several)),
        )


def wording(pattern: str) -> re.Pattern[str]:
    r"""Compiled, with `\b` the edge of a latin word: to `re`, Chinese characters are word characters, so
    the \b of `re` finds no word between them."""
    return re.compile(pattern.replace(r"\b", r"(?:(?<![a-z])(?=[a-z])|(?<=[a-z])(?![a-z]))"))


def inside_latin(text: str, start: int, end: int) -> bool:
    """Whether a latin word goes on beyond the span."""

    def joined(left: str, right: str) -> bool:
        return left.isascii() and left.isalpha() and right.isascii() and right.isalpha()

    before = start > 0 and joined(text[start - 1], text[start])
    return before or (end < len(text) and joined(text[end - 1], text[end]))


class Words:
    """A dictionary matched longest first, left to right, without overlaps."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self.keys = dict(keys)
        ordered = sorted(self.keys, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered)) or r"(?!)")

    def find(self, text: str) -> Iterator[re.Match[str]]:
        """Matches; a latin word is found whole only, `ed` not in `need`."""
        return (match for match in self._pattern.finditer(text) if not inside_latin(text, *match.span()))

    def without(self, text: str) -> str:
        """The text with all of them taken out."""
        return self._pattern.sub("", text)

    def replaced(self, text: str) -> str:
        return self._pattern.sub(lambda match: self.keys[match.group()], text)


@dataclass(frozen=True)
class Terms:
    """The word lists of terms.yaml, compiled."""

    drugs: Words
    drug_class: Mapping[str, str]  # drug name -> the first word of its class
    conditions: Words
    topics: Mapping[str, re.Pattern[str]]
    hints: Mapping[str, re.Pattern[str]]
    misheard: Words


@cache
def terms() -> Terms:
    raw = yaml.load(Path(__file__).with_name("terms.yaml").read_text(encoding="utf-8"), Loader)  # noqa: S506 - safe
    drugs: dict[str, str] = {}
    classes: dict[str, str] = {}
    for group in raw["drugs"]:
        words = [plain(word) for word in group["words"]]
        drugs |= dict.fromkeys(words, words[0])
        for names in group["names"]:
            name, *brands = map(plain, names.split("/"))
            drugs |= dict.fromkeys((name, *brands), name)
            classes[name] = words[0]
    conditions = {plain(word): plain(group[0]) for group in raw["conditions"] for word in group}
    topics = {name: wording(pattern) for name, pattern in raw["topics"].items()}
    hints = {name: wording(pattern) for name, pattern in raw["hints"].items()}
    return Terms(Words(drugs), classes, Words(conditions), topics, hints, Words(raw["misheard"]))


def corrected(text: str) -> str:
    """The plain text with common slips of voice input and typing put right."""
    return terms().misheard.replaced(text)


@lru_cache(maxsize=16)  # one question is read several times
def hints(text: str) -> tuple[str, ...]:
    """The names of the topics and hints in a plain text."""
    vocabulary = terms()
    return tuple(
        name
        for some in (vocabulary.topics, vocabulary.hints)
        for name, pattern in some.items()
        if pattern.search(text)
    )


def place_of(word: str, text: str) -> tuple[int, int] | None:
    """Where a plain text speaks of the topic or the hint that the word names (肝 in 转氨酶高能用吗)."""
    vocabulary = terms()
    for some in (vocabulary.topics, vocabulary.hints):
        for pattern in some.values():
            if pattern.search(word) and (match := pattern.search(text)):
                return match.span()
    return None


def subject(text: str, drugs: Iterable[str] = (), ignore: Iterable[str] = ()) -> Subject:
    """What a plain text speaks of, besides the conditions in `ignore` (what the product is for)."""
    vocabulary = terms()
    topics = frozenset(name for name, pattern in vocabulary.topics.items() if pattern.search(text))
    found = frozenset(key for key, _ in conditions_in(text))
    return Subject(topics, found - frozenset(ignore), frozenset(drugs))


def conditions_in(text: str) -> list[tuple[str, re.Match[str]]]:
    """Diseases and complaints in a plain text with their keys, listed ones first, then by their endings."""
    conditions = terms().conditions
    found = [(conditions.keys[match.group()], match) for match in conditions.find(text)]
    rest = list(text)
    for _, match in found:
        rest[match.start() : match.end()] = "\0" * len(match.group())
    return found + [(match.group(), match) for match in CONDITION_ENDINGS.finditer("".join(rest))]


def main_conditions(texts: Iterable[str]) -> frozenset[str]:
    """The disease each indication ends on: 肥胖的2型糖尿病 approves diabetes, not obesity."""
    found = (conditions_in(plain(text)) for text in texts)
    return frozenset(max(some, key=lambda one: one[1].start())[0] for some in found if some)

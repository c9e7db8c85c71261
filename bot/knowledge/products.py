"""Which products a text names: by name, generic, brand or abbreviation, typing errors included."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from bot.knowledge.content import Product
from bot.knowledge.terms import DRUG_ENDINGS, GRAMMAR, Words, hints, inside_latin, terms
from bot.knowledge.text import plain

_SALT = re.compile(r"^(?:盐酸|苯磺酸|马来酸|甲磺酸|富马酸|酒石酸|琥珀酸|门冬氨酸)")
_FORM = re.compile(
    r"(?:钙|钠|钾)?(?:肠溶|缓释|控释|分散|咀嚼|口腔崩解|薄膜衣)?(?:片|胶囊|颗粒|口服液)(?:剂)?$"
)

# What makes one medicine of names side by side: 二甲双胍格列本脲胶囊 is a product of somebody else.
_DOSED = re.compile(
    r"(?:钙|钠|钾)?(?:肠溶|缓释|控释|分散|咀嚼|薄膜衣)?(?:片(?!一|同)|胶囊|颗粒|复方|\(?[iⅰ12]+\)?片)"
)
_BETWEEN = re.compile(r"[/+]?(?:盐酸|苯磺酸|马来酸|甲磺酸|富马酸)?")
_LISTED = re.compile(r"一起|一块|合用|同时|同服|同吃|联[用合]|相互|冲突")
COMPOUND = "复方"  # how the name of such a medicine begins
_LONGEST_NAME = 40  # characters
_AS_WELL = frozenset(
    {"together", "stop", "switch", "reduce", "alcohol", "grapefruit", "surgery", "potassium"}
)


@dataclass(frozen=True, slots=True)
class Names:
    """What a text names. `spans` are (product id, start, end) in the text; `drugs` other drugs."""

    spans: tuple[tuple[str, int, int], ...]
    drugs: tuple[str, ...]

    @property
    def products(self) -> tuple[str, ...]:
        """Product ids in the order of the text."""
        return tuple(dict.fromkeys(product for product, _, _ in self.spans))


class Catalogue:
    """The names of our products beside those of other drugs."""

    def __init__(self, products: Iterable[Product]) -> None:
        self._own: dict[str, str] = {}
        for product in products:
            for name in _wordings(product):
                self._own.setdefault(name, product.id)
        others = {name: key for name, key in terms().drugs.keys.items() if name not in self._own}
        # How our own names end (…沙坦, …他汀) is looked for last, or it would hide a misspelt name.
        self._endings = Words({w: key for w, key in others.items() if any(n.endswith(w) for n in self._own)})
        others = {word: key for word, key in others.items() if word not in self._endings.keys}
        self._words = Words({**others, **self._own})
        self._fuzzy = [name for name in self._own if len(name) >= 3]

    def names(self, text: str) -> Names:
        """The products and drugs in a plain text; kept, as a question is read several times."""
        return _names(self, text)

    def read(self, text: str) -> Names:
        """As `names`, linear in the length of the text."""
        spans: list[tuple[str, int, int]] = []
        drugs: list[tuple[str, int, int]] = []
        rest = list(text)
        for match in self._words.find(text):
            word, (start, end) = match.group(), match.span()
            if word in self._own:
                spans.append((self._own[word], start, end))
            else:
                drugs.append((self._words.keys[word], start, end))
            rest[start:end] = "\0" * (end - start)
        spans, drugs = _compounds(text, spans, drugs)
        for product, start, end in self._misspelt("".join(rest)):
            spans.append((product, start, end))
            rest[start:end] = "\0" * (end - start)
        named = [drug for drug, _, _ in drugs] + list(self._unlisted("".join(rest)))
        return Names(tuple(sorted(spans, key=lambda span: span[1])), tuple(dict.fromkeys(named)))

    def _unlisted(self, text: str) -> Iterator[str]:
        """Drugs known by their endings only, then the endings alone: a class of drugs."""
        for match in DRUG_ENDINGS.finditer(text):
            name = match.group()
            if name not in self._endings.keys:
                yield name
                text = text.replace(name, "\0")
        for match in self._endings.find(text):
            yield self._endings.keys[match.group()]

    def _misspelt(self, text: str) -> Iterator[tuple[str, int, int]]:
        letters = set(text)
        taken: list[tuple[int, int]] = []
        for name in sorted(self._fuzzy, key=len, reverse=True):
            allowed = 2 if len(name) >= 7 else 1
            if sum(letter in letters for letter in set(name)) < len(set(name)) - allowed:
                continue
            for start, end in _near(name, text, allowed):
                if all(end <= low or start >= high for low, high in taken):
                    taken.append((start, end))
                    yield self._own[name], start, end


@lru_cache(maxsize=16)
def _names(catalogue: Catalogue, text: str) -> Names:
    return catalogue.read(text)


def products_named(text: str, products: tuple[Product, ...]) -> tuple[str, ...]:
    """The ids of the products that a text names anywhere, typing errors included."""
    return _catalogue(products).names(plain(text)).products


def drugs_named(text: str, products: tuple[Product, ...]) -> tuple[str, ...]:
    """The other medicines that a text names."""
    return _catalogue(products).names(plain(text)).drugs


def _compounds(
    text: str, spans: list[tuple[str, int, int]], drugs: list[tuple[str, int, int]]
) -> tuple[list[tuple[str, int, int]], list[tuple[str, int, int]]]:
    """Products and drugs, with names that make one medicine together taken for that medicine."""
    if not spans or _LISTED.search(text):
        return spans, drugs
    gone: set[tuple[str, int, int]] = set()
    made: list[tuple[str, int, int]] = []
    for one, two in pairwise(sorted([*spans, *drugs], key=lambda span: span[1])):
        joined = one[0] != two[0] and _BETWEEN.fullmatch(text, one[2], two[1]) is not None
        if joined and _DOSED.match(text, two[2]) and {one, two} & set(spans):
            gone |= {one, two}
            made.append((f"{COMPOUND}{text[one[1] : two[2]]}", one[1], two[2]))
    for span in spans:
        if span not in gone and text[: span[1]].endswith(COMPOUND):
            gone.add(span)
            made.append((f"{COMPOUND}{text[span[1] : span[2]]}", span[1], span[2]))
    return [one for one in spans if one not in gone], [one for one in drugs if one not in gone] + made


def names_product(text: str, products: tuple[Product, ...]) -> bool:
    """Whether a text names one of the products anywhere, typing errors included."""
    return bool(products_named(text, products))


@lru_cache(maxsize=4)
def _catalogue(products: tuple[Product, ...]) -> Catalogue:
    return Catalogue(products)


def is_name(text: str, products: tuple[Product, ...]) -> bool:
    """Whether a text is nothing but what one of the products is called; a look into a set."""
    return len(text) <= _LONGEST_NAME and plain(text) in _called(products)


@lru_cache(maxsize=4)
def _called(products: tuple[Product, ...]) -> frozenset[str]:
    return frozenset(name for product in products for name in _wordings(product))


def without(text: str, names: Names, product: str) -> str:
    """The text with the names of one product taken out: what is asked about it."""
    edges = [0, *(edge for owner, *span in names.spans if owner == product for edge in span), len(text)]
    return "".join(text[start:end] for start, end in list(pairwise(edges))[::2])


def elsewhere(text: str, drugs: Iterable[str]) -> bool:
    """Whether a plain text asks something of another medicine, apart from taking it as well or instead."""
    some = tuple(drugs)
    named = any(drug in terms().drug_class or DRUG_ENDINGS.fullmatch(drug) for drug in some)
    compound = any(f"{terms().drug_class.get(drug, '')}{drug}".startswith(COMPOUND) for drug in some)
    return compound or (named and bool(set(hints(text)) - _AS_WELL))


def nameless(text: str, names: Names) -> str:
    """The text with the names of all products taken out."""
    edges = [0, *(edge for _, *span in names.spans for edge in span), len(text)]
    return "".join(text[start:end] for start, end in list(pairwise(edges))[::2])


def _wordings(product: Product) -> Iterator[str]:
    for name in map(plain, (product.name, product.generic, *product.synonyms)):
        if not name:
            continue
        yield name
        bare = _FORM.sub("", _SALT.sub("", name))
        if len(bare) >= 3:
            yield bare


def _near(name: str, text: str, allowed: int) -> Iterator[tuple[int, int]]:
    """Spans of the text within `allowed` edits of the name."""
    size = len(name)
    lengths = (size,) if size == 3 else (size, size + 1, size - 1)
    for length in lengths:
        for start in range(len(text) - length + 1):
            window = text[start : start + length]
            if "\0" in window or name.isascii() != window.isascii():
                continue
            strange = [letter for letter in window if letter not in name]
            if len(strange) > allowed or any(letter in GRAMMAR for letter in strange):
                continue
            # An ending alone (…沙坦, …地平) is a class of drugs, not a misspelt name.
            if window == name[1:] and DRUG_ENDINGS.search("某" + window):
                continue
            if _edits(name, window) <= allowed and not inside_latin(text, start, start + length):
                yield start, start + length


def _edits(one: str, two: str) -> int:
    """Levenshtein distance."""
    row = list(range(len(two) + 1))
    for i, a in enumerate(one, 1):
        corner, row[0] = row[0], i
        for j, b in enumerate(two, 1):
            corner, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, corner + (a != b))
    return row[-1]

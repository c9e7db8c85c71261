"""What one version of a summary says otherwise than the one before, sentence by sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any

from bot.visits.review import LINES


@dataclass(frozen=True, slots=True)
class WordPiece:
    """A part of a sentence. `kind`: same | taken | added."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class SentenceDifference:
    """A sentence that was changed. `part`: "" or the line of the whole visit that it is."""

    part: str
    pieces: tuple[WordPiece, ...]


def changed_sentences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[SentenceDifference, ...]:
    """Of the bodies of two versions; sentences that say the same are left out."""
    found = [SentenceDifference("", _pieces(old, new)) for old, new in _pairs(_texts(before), _texts(after))]
    for part in LINES:
        old, new = str(before.get(part, "")), str(after.get(part, ""))
        if old != new:
            found.append(SentenceDifference(part, _pieces(old, new)))
    return tuple(found)


def changed_fields(
    before: Mapping[str, Any], after: Mapping[str, Any], names: Iterable[str]
) -> tuple[SentenceDifference, ...]:
    """Of two bodies that are fields; those that say the same are left out."""
    pairs = [(name, str(before.get(name, "")), str(after.get(name, ""))) for name in names]
    return tuple(SentenceDifference(name, _pieces(old, new)) for name, old, new in pairs if old != new)


def _texts(body: Mapping[str, Any]) -> list[str]:
    return [str(one["text"]) for one in body.get("statements", ())]


def _pairs(before: Sequence[str], after: Sequence[str]) -> Iterator[tuple[str, str]]:
    for what, low, high, start, end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if what != "equal":
            yield from zip_longest(before[low:high], after[start:end], fillvalue="")


def _pieces(before: str, after: str) -> tuple[WordPiece, ...]:
    found = []
    for what, low, high, start, end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if what == "equal":
            found.append(WordPiece("same", before[low:high]))
            continue
        found += [WordPiece("taken", before[low:high]), WordPiece("added", after[start:end])]
    return tuple(piece for piece in found if piece.text)

"""What a message wishes of our own messages: that they stop, all or of one kind, or that they begin again.

Fixed words alone say so. Where a wish is likely and not said (别弄了), the person is asked.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from bot.model import PROACTIVE, Purpose
from bot.text.clauses import clause_spans
from bot.text.folding import Folded, fold
from bot.text.patterns import compile_patterns, read_rules

_LONGEST = 200  # a request to stop is short; in a longer text the word has another meaning
_KINDS = {"meeting": Purpose.SERVICE, "material": Purpose.PROMOTION, "reminder": Purpose.MEDICATION}


@dataclass(frozen=True, slots=True)
class Wish:
    """`what`: stop, resume, ask (likely a stop, but not said), or "". A stop or a resume with `only` is of
    these purposes.

    `besides`: what else the message says, as written.
    """

    what: str = ""
    only: frozenset[Purpose] = frozenset()
    besides: str = ""


NO_WISH = Wish()


@dataclass(frozen=True, slots=True)
class _Words:
    polite: re.Pattern[str]
    nothing: re.Pattern[str]
    stop: re.Pattern[str]
    alone_stop: re.Pattern[str]
    resume: re.Pattern[str]
    alone_resume: re.Pattern[str]
    likely: re.Pattern[str]
    agrees: re.Pattern[str]
    other: re.Pattern[str]
    kind_stop: re.Pattern[str]
    kind_weak: re.Pattern[str]
    kind_keep: re.Pattern[str]
    kind_name: re.Pattern[str]
    of_all: re.Pattern[str]
    kind_resume: re.Pattern[str]
    kind_again: re.Pattern[str]
    rest_kept: re.Pattern[str]
    rest_stopped: re.Pattern[str]
    subject: re.Pattern[str]


@cache
def _words() -> _Words:
    rules = read_rules("safety", "stop")
    names = _Words.__dataclass_fields__
    return _Words(**{name: compile_patterns(rules[name], rules["words"]) for name in names})


@cache
def _named() -> dict[Purpose, re.Pattern[str]]:
    words = read_rules("safety", "stop")["words"]
    return {purpose: compile_patterns([f"{{{name}}}"], words) for name, purpose in _KINDS.items()}


@dataclass(frozen=True, slots=True)
class _Clause:
    raw: str
    plain: str  # without its politeness
    span: tuple[int, int]

    def fits(self, pattern: re.Pattern[str]) -> bool:
        return bool(pattern.fullmatch(self.raw) or (self.plain != self.raw and pattern.fullmatch(self.plain)))


def read_wish(folded: Folded) -> Wish:
    """What the person wishes of our messages."""
    if len(folded.text) > _LONGEST:
        return NO_WISH
    words = _words()
    every = _clauses(folded)
    clauses = [clause for clause in every if not clause.fits(words.nothing)]
    whole = "".join(clause.raw for clause in clauses)
    said = _Clause(whole, _plain(whole), (0, 0))
    if said.fits(words.resume) or any(words.resume.fullmatch(clause.raw) for clause in clauses):
        return _resume(folded, clauses, words.resume)
    if words.other.search(_without(folded.text, [clause for clause in every if clause not in clauses])):
        return NO_WISH
    if kinds := _kinds(clauses):
        rest = [clause for clause in clauses if not any(_verdicts(clause))]
        return Wish("stop", only=kinds, besides=_written(folded, rest))
    if any(clause.fits(words.kind_resume) or words.kind_again.fullmatch(clause.raw) for clause in clauses):
        return _resume(folded, clauses, words.kind_resume, words.kind_again)
    if said.fits(words.stop) or said.fits(words.alone_stop):
        return Wish("stop")
    if any(words.stop.fullmatch(clause.plain) for clause in clauses):
        return Wish("stop", besides=_besides(folded, clauses, words.stop))
    if said.fits(words.alone_resume):
        return Wish("resume")
    if any(words.resume.fullmatch(clause.plain) for clause in clauses):
        return _resume(folded, clauses, words.resume)
    if clauses and all(clause.fits(words.likely) for clause in clauses):
        return Wish("ask")
    return NO_WISH


def _without(text: str, nothing: list[_Clause]) -> str:
    """退订 听见没有 is no 退订没有."""
    for clause in reversed(nothing):
        low, high = clause.span
        text = f"{text[:low]},{text[high:]}"
    return text


def is_yes(text: str) -> bool:
    """Whether a text is a plain yes: what the question about a likely wish takes for an answer."""
    folded = fold(text[: _LONGEST + 1])
    clauses = _clauses(folded)
    return bool(clauses) and all(_words().agrees.fullmatch(clause.raw) for clause in clauses)


def clauses_of(folded: Folded) -> list[str]:
    """A short text cut at punctuation and where a space stood, as written; a longer one is not cut."""
    if len(folded.text) > _LONGEST:
        return [folded.source]
    return [folded.source[slice(*folded.span(*clause.span))] for clause in _clauses(folded)]


def _kinds(clauses: list[_Clause]) -> frozenset[Purpose]:
    """The purposes that alone are to stop; empty: the message does not tell kinds apart."""
    said: dict[str, set[Purpose]] = defaultdict(set)
    for clause in clauses:
        for verdict, named in _verdicts(clause):
            said[verdict] |= named
    kept, stopped = said["keep"], said["stop"] - said["keep"]
    others_kept = "others_kept" in said
    if kept or others_kept:
        stopped |= said["perhaps"] - kept
    if "others_stop" in said:
        return PROACTIVE - kept if kept else frozenset()
    if not kept and not others_kept and not (len(stopped) == 1 and _one_kind(clauses)):
        return frozenset()  # all, or no kind at all
    return frozenset(stopped)


def _one_kind(clauses: list[_Clause]) -> bool:
    """Whether a kind is told by its name, not by a word for whatever we send (任何资料, 提醒, 推广)."""
    words = _words()
    said = [one for one in clauses if any(named for _, named in _verdicts(one))]
    every = any(words.of_all.search(one.raw) and one.fits(words.stop) for one in said)
    return not every and all(words.kind_name.search(one.raw) for one in said)


def _resume(folded: Folded, clauses: list[_Clause], *wishes: re.Pattern[str]) -> Wish:
    """A resume: of the kinds that it names, or of all."""
    wished = [one for one in clauses if any(one.fits(wish) for wish in wishes)]
    named = {purpose for one in wished for purpose in _kinds_named(one.raw)}
    rest = [one for one in clauses if one not in wished]
    return Wish("resume", only=frozenset(named), besides=_written(folded, rest))


def _kinds_named(text: str) -> set[Purpose]:
    named = {purpose for purpose, pattern in _named().items() if pattern.search(text)}
    if Purpose.SERVICE in named and "药" not in text:
        named.discard(Purpose.MEDICATION)  # 会议提醒 is no reminder of a dose
    return named


def _verdicts(clause: _Clause) -> Iterator[tuple[str, set[Purpose]]]:
    """What a clause says of the kinds that it names, and of all others."""
    words, text = _words(), clause.raw
    named = _kinds_named(text)
    if words.subject.search(text) and Purpose.MEDICATION not in named:
        return
    stops = bool(words.kind_stop.search(text))
    if words.rest_stopped.search(text):
        yield "others_stop", set()
        yield "keep", named
    elif words.rest_kept.search(text):
        yield "others_kept", set()
        yield "stop", named if stops else set()
    elif named and stops:
        yield "stop", named
    elif named and words.kind_weak.search(text):
        yield "perhaps", named
    elif named and words.kind_keep.search(text):
        yield "keep", named
    elif words.stop.fullmatch(clause.plain):
        yield "others_stop", set()


def _besides(folded: Folded, clauses: list[_Clause], wish: re.Pattern[str]) -> str:
    return _written(folded, [clause for clause in clauses if not clause.fits(wish)])


def _written(folded: Folded, clauses: list[_Clause]) -> str:
    return " ".join(folded.source[slice(*folded.span(*clause.span))] for clause in clauses)


def _clauses(folded: Folded) -> list[_Clause]:
    raw = ((folded.text[start:end].strip(), (start, end)) for start, end in clause_spans(folded))
    return [_Clause(words, _plain(words), span) for words, span in raw]


def _plain(clause: str) -> str:
    """The clause without its politeness: 请帮我退订一下吧 -> 退订."""
    for _ in range(5):
        shorter = _words().polite.sub("", clause)
        if not shorter or shorter == clause:
            break
        clause = shorter
    return clause

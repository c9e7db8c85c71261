"""Whether a mention is real: said of somebody, now, and not denied, supposed, past or asked about.

Judged on a window around the mention, as far as its clause and its sentence reach.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from bot.text.folding import Folded
from bot.text.patterns import compile_patterns, read_rules

BEFORE, AFTER = 90, 60  # characters of the text that may make a difference
_SENTENCE = re.compile(r"[。;!?\n]")
_CLAUSE_END = re.compile(r"[,。;!?:\n]")


@dataclass(frozen=True, slots=True)
class Window:
    """A mention `text[start:end]` in its surroundings; `gap`: where a space last stood before it, or -1."""

    text: str
    start: int
    end: int
    gap: int = -1

    @property
    def before(self) -> str:
        """The mention's clause up to it."""
        return _CLAUSE_END.split(self.text[: self.start])[-1]

    @property
    def after(self) -> str:
        """The rest of its sentence, the sign that ends it included."""
        rest = self.text[self.end :]
        end = _SENTENCE.search(rest)
        return rest[: end.end()] if end else rest

    @property
    def sentence(self) -> str:
        return _SENTENCE.split(self.text[: self.start])[-1] + self.text[self.start : self.end] + self.after


def surroundings(folded: Folded, start: int, end: int) -> tuple[str, int, int, int]:
    """The parts of the window around a mention: (text, start, end, gap)."""
    low = max(0, start - BEFORE)
    gap = -1
    if folded.breaks:
        gap = next((at - low for at in range(start, max(low, start - 16), -1) if at in folded.breaks), -1)
    return folded.text[low : end + AFTER], start - low, end - low, gap


@dataclass(frozen=True, slots=True)
class _Patterns:
    negated: re.Pattern[str]
    denied_list: re.Pattern[str]
    not_negated: re.Pattern[str]
    absent: re.Pattern[str]
    past: re.Pattern[str]
    past_after: re.Pattern[str]
    treated_after: re.Pattern[str]
    since_after: re.Pattern[str]
    since_before: re.Pattern[str]
    lasting_after: re.Pattern[str]
    dated: re.Pattern[str]
    comes_and_goes: re.Pattern[str]
    years: re.Pattern[str]
    began: re.Pattern[str]
    told_of: re.Pattern[str]
    anybody: re.Pattern[str]
    known_one: re.Pattern[str]
    family: re.Pattern[str]
    told_of_after: re.Pattern[str]
    saying: re.Pattern[str]
    saying_always: re.Pattern[str]
    saying_after: re.Pattern[str]
    recovering: re.Pattern[str]
    priced: re.Pattern[str]
    again: re.Pattern[str]
    supposed: re.Pattern[str]
    supposed_after: re.Pattern[str]
    asked_before: re.Pattern[str]
    asked_after: re.Pattern[str]
    said_yes: re.Pattern[str]
    why_after: re.Pattern[str]
    why_before: re.Pattern[str]
    general_why: re.Pattern[str]
    may: re.Pattern[str]
    ends_in_question: re.Pattern[str]
    in_general: re.Pattern[str]
    question: re.Pattern[str]
    asks_help: re.Pattern[str]
    happening: re.Pattern[str]


@cache
def patterns() -> _Patterns:
    rules = read_rules("safety", "context")
    names = _Patterns.__dataclass_fields__
    return _Patterns(**{name: compile_patterns(rules[name], rules["words"]) for name in names})


def denied(at: Window) -> bool:
    """没有胸痛, 无头晕、胸痛, 胸痛没有. A denial of one thing ends at a space: 没有发烧 胸痛."""
    rules = patterns()
    low = max(0, at.start - _DENIAL_REACH)
    before = at.text[low : at.start]
    match = rules.negated.search(before)
    if match and not rules.not_negated.search(before[: match.start()]):
        ended = at.gap > low + match.start() and _symptoms().search(match[0])
        if not ended:
            return True
    match = rules.denied_list.search(at.text[max(0, at.start - _LIST_REACH) : at.start])
    if match and not rules.not_negated.search(at.text[: at.start][: -len(match[0])]):
        return True
    return bool(rules.absent.match(at.text[at.end :]))


_DENIAL_REACH, _LIST_REACH = 40, 80


@cache
def _symptoms() -> re.Pattern[str]:
    return compile_patterns(["{symptom}"], read_rules("safety", "context")["words"])


def past(at: Window) -> bool:
    """Over, and nothing says that it is so again."""
    rules = patterns()
    before = rules.past.search(at.before)
    if before and rules.began.search(before[0]):  # 上个月起就喘不上气
        before = None
    if not (before or rules.past_after.match(at.text[at.end :])):
        return False
    return not rules.again.search(at.sentence)


def long_ago(at: Window, *, lasting: bool = False, diagnosis: bool = False) -> bool:
    """Older than a week (二十天前晕倒), and nothing says that it is so again or ever since. `lasting`: it
    leaves something behind (脑梗半年了), while 胸痛半个月了 goes on. `diagnosis`: so many months date it."""
    rules = patterns()
    rest = at.text[at.end :]
    comes_and_goes = bool(rules.comes_and_goes.search(at.text[at.start : at.end]))
    before = rules.since_before.search(at.before)
    if before and not lasting and (not diagnosis or comes_and_goes) and rules.began.search(before[0]):
        return False
    if not (before or rules.since_after.match(rest)):
        since = rules.lasting_after.match(rest)
        dated = rules.years if comes_and_goes else rules.dated
        if since is None or not (lasting or (diagnosis and dated.search(since[0]))):
            return False
    return not rules.again.search(at.sentence)


def told_of(at: Window, *, always: bool = False) -> bool:
    """News, a film, a saying (笑得喘不过气): it happens to nobody here. `always`: only what is told of
    somebody unknown, since whoever saw the news and wants to die says so in the same breath."""
    rules = patterns()
    if rules.told_of_after.match(at.after) or rules.saying_after.match(at.text[at.end :]):
        return True
    if (rules.saying_always if always else rules.saying).search(at.before):
        return True
    news = rules.told_of.search(at.before)
    if news is None or rules.anybody.search(news[0]):
        return news is not None
    apart = at.gap > at.start - len(at.before) + news.start()  # 听说人多 胸口疼怎么办: a space ends it, too
    known = apart or rules.known_one.search(news[0]) or rules.family.search(at.before[: news.start()])
    return not (always or known)


def recovering(at: Window) -> bool:
    """What is left of a stroke is exercised and treated (面瘫能自愈吗, 偏瘫康复训练)."""
    rules = patterns()
    return bool(rules.recovering.search(at.sentence)) and not rules.again.search(at.sentence)


def priced(at: Window) -> bool:
    """What its treatment costs, or where it is best: 消化道出血手术多少钱."""
    return bool(patterns().priced.search(at.text))


def treated(at: Window) -> bool:
    """心梗病人刚溶完栓: the emergency was seen to; what comes of it now is a sign of its own."""
    return bool(patterns().treated_after.match(at.text[at.end :]))


def supposed(at: Window) -> bool:
    rules = patterns()
    return bool(rules.supposed.search(at.before) or rules.supposed_after.match(at.after))


def asked(at: Window) -> bool:
    """Asked about or told as knowledge: 会引起胸痛吗, 胸痛的鉴别诊断, 心梗有哪些症状."""
    rules = patterns()
    return (
        as_knowledge(at)
        or bool(rules.why_after.match(at.text[at.end :]))
        or bool(rules.why_before.search(at.before))
    )


def as_knowledge(at: Window) -> bool:
    """The same but for the cause: 突然晕倒是什么原因 asks for it, and tells that it happened."""
    rules = patterns()
    after = at.text[at.end :]
    if rules.said_yes.match(after):
        return False
    if (
        rules.asked_before.search(at.before)
        or rules.asked_after.match(after)
        or rules.general_why.match(after)
    ):
        return True
    return bool(rules.may.search(at.before)) and ends_in_question(at)


def ends_in_question(at: Window) -> bool:
    return bool(patterns().ends_in_question.match(at.after))


def in_general(at: Window) -> bool:
    return bool(patterns().in_general.match(at.text[at.end :]))


def questioned(at: Window) -> bool:
    return bool(patterns().question.search(at.sentence))


def stated(at: Window) -> bool:
    """晕倒了，咋处理: told first, asked afterwards."""
    return bool(_STATED.match(at.after))


_STATED = re.compile(r"^了(?:[,。;!]|$)")


def happening(at: Window) -> bool:
    """Something says of whom, or when: a case, not a topic."""
    return bool(patterns().happening.search(at.text))

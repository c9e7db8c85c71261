"""Adverse events: somebody used a medicine, and something undesired is told of them.

Also what a company reports alike: no effect, overdose, misuse, medication error, exposure in pregnancy or
while nursing, use off label, a fault of the product, death. Told by anybody, about anybody, at any time; a
question about a case counts, a question about a medicine does not, and food is none. Lists:
`data/safety/adverse_events.yaml`; names of medicines also from `data/lexicon`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from bot.model import Audience
from bot.safety import context
from bot.safety.context import Window
from bot.safety.mentions import Mention
from bot.settings import ROOT
from bot.text.folding import Folded, fold
from bot.text.patterns import compile_patterns, read_rules

_QUESTION = 120  # characters: who merely asks is brief
_EXPOSED_WITHIN = 48  # characters between taking the medicine and what came of it


@dataclass(frozen=True, slots=True)
class AdverseEvent:
    """What was told: its kind (event, no_effect, overdose, …) and where in the folded text."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Patterns:
    taken: re.Pattern[str]
    colloquial: re.Pattern[str]
    eaten: re.Pattern[str]
    denied: re.Pattern[str]
    medical: re.Pattern[str]
    dosed: re.Pattern[str]
    particular: re.Pattern[str]
    well: re.Pattern[str]
    somebody: re.Pattern[str]
    drug: re.Pattern[str]
    blamed: re.Pattern[str]
    treated: re.Pattern[str]
    better: re.Pattern[str]
    intended: re.Pattern[str]
    refused: re.Pattern[str]


@cache
def _patterns() -> _Patterns:
    rules = read_rules("safety", "adverse_events")
    names = [name for name in _Patterns.__dataclass_fields__ if name != "drug"]
    compiled = {name: compile_patterns(rules[name], rules["words"]) for name in names}
    drug = compile_patterns(["{drug}", _listed().pattern], rules["words"])
    return _Patterns(drug=drug, **compiled)


def drugs_in(text: str) -> tuple[str, ...]:
    """The medicines of the lexicon that a folded text names, by their preferred names."""
    return tuple(dict.fromkeys(_preferred()[match[0]] for match in _listed().finditer(text)))


@cache
def _listed() -> re.Pattern[str]:
    names = "|".join(sorted(map(re.escape, _preferred()), key=len, reverse=True))
    return re.compile(rf"(?<![a-z])(?:{names})(?![a-z])")


@cache
def _preferred() -> dict[str, str]:
    """Every name of a medicine in the lexicon, folded, with the one that it is known by."""
    lines = (ROOT / "data/lexicon/drug.txt").read_text(encoding="utf-8").splitlines()
    rows = [[name.strip() for name in line.split("|")] for line in lines if line and line[0] != "#"]
    return {folded: row[0] for row in rows for name in row if len(folded := fold(name).text) > 1}


def find(mentions: list[Mention], audience: Audience) -> AdverseEvent | None:
    """The first mention that counts."""
    for mention in _whole(mentions):
        if _counts(mention.at, mention.what, audience, special=mention.kind == "special"):
            return AdverseEvent(mention.what, mention.start, mention.end)
    return None


def _whole(mentions: list[Mention]) -> list[Mention]:
    """Without the feelings that are part of an event: the 晕 of a 头晕 that is denied."""
    found, reach = [], 0
    for mention in mentions:
        if mention.kind == "event":
            reach = max(reach, mention.end)
        if mention.kind != "feeling" or mention.end > reach:
            found.append(mention)
    return found


def tells(folded: Folded, mentions: list[Mention], audience: Audience, *, about_product: bool) -> bool:
    """Whether words that the NLU takes for a report may be one: a medicine is in sight, and they do more than
    ask, deny, or say that all is well. `about_product`: a medicine was spoken of before."""
    rules, text = _patterns(), folded.text
    named = rules.drug.search(text) or rules.medical.search(text)
    if audience is Audience.PATIENT and not named:
        named = rules.dosed.search(text)
    if not named and rules.eaten.search(text):
        return False
    if not named and not (rules.somebody.search(text) and (about_product or rules.taken.search(text))):
        return False
    mentions = _whole(mentions)
    if rules.well.search(text) and all(_unreal(mention) for mention in mentions):
        return False
    if not mentions and not rules.somebody.search(text) and not rules.taken.search(text):
        return False
    asked = context.questioned(Window(text, 0, len(text))) or "还是" in text
    if not mentions and asked and len(text) <= _QUESTION and not rules.somebody.search(text):
        return False
    if (
        audience is Audience.PATIENT
        and rules.taken.search(text)
        and context.patterns().asks_help.search(text)
    ):
        return True
    return not _no_case(folded, mentions)


def _no_case(folded: Folded, mentions: list[Mention]) -> bool:
    """Whether a doctor's words ask something and tell of nobody (吃了腿疼不), deny what they name, or
    tell only of a medicine that is not taken (病人不肯吃)."""
    if len(folded.text) > _QUESTION:
        return False
    if not mentions and _patterns().refused.search(folded.text):
        return True
    mentions = _whole(mentions)
    if mentions and all(_unreal(mention) for mention in mentions):
        rest = folded.text[mentions[-1].end :]
        if not _MORE.search(rest) or (_patterns().drug.search(rest) and not _patterns().taken.search(rest)):
            return True
    if any(_STATED.match(mention.at.text[mention.at.end :]) for mention in mentions):
        return False
    whole = Window(folded.text, 0, len(folded.text))
    questioned = context.questioned(whole) or bool(_OR_NOT.search(folded.text))
    return questioned and not _happening(whole)


def _unreal(mention: Mention) -> bool:
    """Denied, gone, or what the medicine is for."""
    at, rules = mention.at, _patterns()
    if mention.kind == "no_effect":
        return False
    gone = rules.better.match(at.text[at.end :]) or rules.treated.search(at.before)
    return bool(gone) or _denied(at)


_MORE = re.compile(r"[,。;!?:\n].")  # another clause: 没有头晕，就是人飘
_OR_NOT = re.compile(r"(?!动不动)([一-龥]{1,2})不\1")


def _counts(at: Window, kind: str, audience: Audience, *, special: bool) -> bool:
    if special:
        unreal = context.supposed(at) or _denied(at) or context.asked(at)
        unreal = unreal or bool(_EFFECT_ASKED.match(at.after)) or _meal(at, kind)
        if unreal or _patterns().intended.search(at.before):
            return False
        reported = kind == "report" or _happening(at) or not context.questioned(at)
        return reported or audience is Audience.PATIENT
    if kind != "no_effect" and (_denied(at) or _patterns().better.match(at.text[at.end :])):
        return False
    if context.supposed(at) or _patterns().treated.search(at.before) or _asked(at):
        return False
    exposure = _exposure(at)
    if exposure == "":
        return kind != "no_effect" and _blamed(at, audience)
    if kind == "feeling" and exposure == "named":
        return False
    if audience is Audience.DOCTOR and context.in_general(at) and not _happening(at):
        return False
    return _of_a_case(at, kind, exposure, audience)


def _happening(at: Window) -> bool:
    """Of somebody, or with the figures and times of a case: 从90涨到160, 换了还是咳."""
    return context.happening(at) or bool(_patterns().particular.search(at.text))


def _denied(at: Window) -> bool:
    return context.denied(at) or bool(_patterns().denied.search(at.before))


def _meal(at: Window, kind: str) -> bool:
    """吃多了 of lychees, or of nothing that is named, is no overdose."""
    if kind not in ("overdose", "error", "misuse") or _patterns().drug.search(at.sentence):
        return False
    words = at.text[at.start : at.end]
    return bool(_patterns().eaten.search(at.sentence)) or words in _TOO_MUCH


_TOO_MUCH = ("吃多了", "吃重了", "多吃了", "喝多了", "打多了", "多打了", "用多了", "多用了")


def _asked(at: Window) -> bool:
    """吃了会拉肚子吗 asks; 吃了就会拉肚子 and 患者出现腹泻，怎么办 tell."""
    if not context.asked(at):
        return False
    return not _TOLD.search(at.before) or context.ends_in_question(at)


_EFFECT_ASKED = re.compile(r"^[^,。;!?]{0,2}(?:会|上瘾|有|伤|能|对)[^,。;!?]{0,8}(?:吗|么|不$|\?)")
_TOLD = re.compile(
    r"(?:出现|导致|引起|诱发|发生|产生)了[^,。;!?]{0,4}$|怀疑[^,。;!?]{0,10}$"
    r"|(?:患者|病人|我).{0,14}(?:出现|发生|引起|导致)[^,。;!?]{0,4}$"
    r"|(?:\d|[一两几])(?:例|个|位|名)[^,。;!?]{0,14}(?:引起|导致|所致|诱发)的?[^,。;!?]{0,4}$"
)


def _exposure(at: Window) -> str:
    """How a medicine comes before the event: taken, colloquially (taken), named, or not at all ("")."""
    rules = _patterns()
    before = at.text[max(0, at.start - _EXPOSED_WITHIN) : at.start]
    if "\n\n" in before:
        before = before.rpartition("\n\n")[2]
    drug = rules.drug.search(before)
    earlier = at.text[: at.start]
    eaten = [match.span() for match in rules.eaten.finditer(before if drug else earlier)]
    taken = ""
    for match in rules.taken.finditer(before):
        food = any(low < match.end() <= high for low, high in eaten) if drug else eaten
        if not food or rules.medical.match(match[0]) or rules.drug.search(match[0]):
            taken = match[0]
    if taken:
        return "colloquially" if rules.colloquial.search(taken) else "taken"
    return "named" if drug else ""


def _of_a_case(at: Window, kind: str, exposure: str, audience: Audience) -> bool:
    """Whether it is told of somebody; a doctor's question about a medicine in general is not."""
    happening = _happening(at) or bool(_STATED.match(at.text[at.end :]))
    if exposure == "named":
        help_asked = audience is Audience.PATIENT and context.patterns().asks_help.search(at.sentence)
        plain = kind == "no_effect" and not context.questioned(at)
        return happening or bool(help_asked) or plain
    if happening:
        return True
    if audience is Audience.PATIENT:
        return not _repeated(at)
    if _whether(at):
        return False
    return (exposure == "colloquially" and kind != "no_effect") or not context.questioned(at)


def _whether(at: Window) -> bool:
    """吃了咳嗽不, 吃了头晕的多吗, 恶心不恶心: asks whether it does, and of nobody."""
    return _repeated(at) or bool(_WHETHER.match(at.after))


def _repeated(at: Window) -> bool:
    """疼不疼."""
    words = at.text[at.start : at.end]
    return at.after.startswith((f"不{words}", f"不{words[-1]}"))


_WHETHER = re.compile(
    r"^[的得]?(?:人|情况)?(?:很|真的?|那么)?(?:多见|多|常见|少见|厉害|频繁|严重|明显)?(?:是真的|有这回事|有这说法)?"
    r"(?:不多|多不多|不|吗|么|嘛)(?:[?。!,]|$)"
    r"|^到?(?:多少|多高|几倍)[^,。;!?]{0,3}(?:要|才|该|得|就)"
    r"|^[^,。;!?]{0,5}的(?:能|可以|该)(?:加|用|吃|服|换|开|上)"
)
_STATED = re.compile(r"^(?:了|得|的?(?:厉害|很|不行))")


def _blamed(at: Window, audience: Audience) -> bool:
    if not _patterns().blamed.search(at.text[at.end :][:40]):
        return False
    return audience is Audience.PATIENT or _happening(at) or not context.questioned(at)

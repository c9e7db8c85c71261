"""Signs of an emergency: what counts is in `data/safety/signs.yaml`, how it is said in `red_flags.yaml`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from bot.model import Audience
from bot.safety import context, figures
from bot.safety.context import Window
from bot.safety.mentions import Mention
from bot.safety.signs import emergencies
from bot.text.folding import Folded
from bot.text.patterns import compile_patterns, read_rules


@dataclass(frozen=True, slots=True)
class RedFlag:
    """A confirmed sign: its category and where it stands in the folded text."""

    category: str
    start: int
    end: int


@cache
def _categories() -> dict[str, dict[str, Any]]:
    return dict(read_rules("safety", "red_flags")["categories"])


def find(folded: Folded, mentions: list[Mention], audience: Audience) -> RedFlag | None:
    """The confirmed sign of the first category that has one."""
    order = {category: rank for rank, category in enumerate(emergencies())}
    best: RedFlag | None = None
    best_rank = len(order)
    for mention in [*mentions, *figures.find(folded)]:
        rank = order[mention.what]
        if rank < best_rank and _real(mention.at, mention.kind, audience, mention.what):
            best, best_rank = RedFlag(mention.what, mention.start, mention.end), rank
    return best


def _real(at: Window, kind: str, audience: Audience, category: str) -> bool:
    always = bool(_categories()[category].get("always"))
    if (
        context.denied(at)
        or context.told_of(at, always=always)
        or context.past(at)
        or _harmless(at, category)
    ):
        return False
    if always:
        return not (audience is Audience.DOCTOR and context.in_general(at))
    lasting = category == "stroke"  # what it leaves is told of for years, and exercised
    if context.long_ago(at, lasting=lasting, diagnosis=kind == "named") or context.supposed(at):
        return False
    if (lasting or kind == "named") and context.recovering(at):
        return False
    if kind != "named" and (audience is Audience.PATIENT or context.happening(at)):
        # 突然晕倒是什么原因: whoever asks for the cause of what they see has seen it.
        known = context.as_knowledge(at)
    else:
        known = context.asked(at)
    if known:
        return False
    if kind in ("figure", "bound") or (kind == "said" and _categories()[category].get("concrete")):
        return audience is Audience.PATIENT or not _of_many(at, kind)
    if audience is Audience.PATIENT:
        return _real_for_patient(at, kind)
    if kind == "named" and context.treated(at):
        return False
    if context.happening(at):
        return not context.in_general(at)
    if _categories()[category].get("doctor_needs_case"):
        return _taken(at) or (context.stated(at) and not context.questioned(at))
    told = context.stated(at) or _COUNTED.search(at.text[at.start : at.end])
    asks = context.questioned(at) and not told
    return kind == "said" and not asks and not context.in_general(at)


_COUNTED = re.compile(r"\d|[一二两三四五]次|仍")  # 硝酸甘油含了3片仍胸痛怎么处理 is a case, whatever is asked


def _of_many(at: Window, kind: str) -> bool:
    """A doctor's figure that is no patient's: 血压180/110的患者首选什么, 高压180以上咋降."""
    if context.happening(at):
        return False
    return bool(_WHOM.match(at.text[at.end :])) or (kind == "bound" and context.questioned(at))


_WHOM = re.compile(
    r"的?(?:患者|病人|人群|老人|老年人|高血压|糖尿病)(?!说|自?诉|来|今|现|刚|突)|(?:首选|目标|算|属于)"
)


_NEAR = 10  # characters


def _harmless(at: Window, category: str) -> bool:
    """What the category itself names as none of it, close by: a bottle finished over a month."""
    words = _categories()[category].get("none", ())
    return bool(words) and bool(
        _compiled(category).search(at.text[max(0, at.start - _NEAR) : at.end + _NEAR])
    )


@cache
def _compiled(category: str) -> re.Pattern[str]:
    return compile_patterns(_categories()[category]["none"], read_rules("safety", "red_flags")["words"])


def _taken(at: Window) -> bool:
    """吃了半瓶 tells of somebody; 误服一板怎么办 and 过量了怎么处理 are what one looks up."""
    words = at.text[at.start : at.end] + at.text[at.end :][:2]
    return bool(_DONE.search(words) and _QUANTITY.search(words)) and not context.in_general(at)


_DONE = re.compile(r"了|下去|掉|光")
_QUANTITY = re.compile(r"[瓶板盒把片粒颗\d]|全|都")


_SUSPECTED = re.compile(r"(?:是不是(?!会)|是否是|会不会是|怕是|像是|怀疑|可能是)[^,。;!?]{0,4}$")


def _real_for_patient(at: Window, kind: str) -> bool:
    """A patient who names a sign has it, unless the words ask for knowledge."""
    if kind != "named" or context.happening(at):
        return True
    if _SUSPECTED.search(at.before):
        return True
    if context.in_general(at) or context.priced(at):
        return False
    help_asked = context.patterns().asks_help.search(at.sentence)
    return bool(help_asked) or not context.questioned(at)

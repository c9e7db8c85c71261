"""Whether words are a plan and nothing besides.

Unlike `bot.patients.dosage`, which reads the plan out of whatever stands around it, every clause counts
here: a word that no part of a plan takes (人飘飘忽忽的) may tell of a reaction that no list of ours knows.
"""

from __future__ import annotations

import re

from bot.patients.drugs import without_classes, without_names
from bot.patients.phrase import folded_plan, read_phrase
from bot.patients.pieces import blank
from bot.patients.words import words

_LONGEST = 120
# More tablets at a time than anybody is told to take: an overdose, though it reads as a plan.
_TABLETS, _MOST = "片粒颗", 10
# Who takes it, on whose word, and what merely joins the parts of a plan.
_BESIDE = re.compile(
    r"医生|大夫|医嘱|[让叫说给]|[我您他她][们的]?|[妈爸爷娘]|奶奶|老[公婆伴]|药|胶囊|片|吃|服用?|口服|喝|打|胰岛素"
    r"|每次|一次|每天|现在|目前|平时|一直|一般|按时|都|各|就|的|是|开|要|也|还有|另外|然后|和|跟|那个|这个|[一半早晚中]|胃|止[疼痛]"
)
_TAKEN = re.compile("[吃服用打喝含喷](?:了|完|过|后)")
_NOTHING = re.compile(r"[\W\d_]")


def is_plan_alone(text: str) -> bool:
    """Amounts and times of medicines, and no word of anything else."""
    if len(text) > _LONGEST:
        return False
    folded = folded_plan(text)
    # 头疼的时候吃一片 is what it is for; 头疼了，吃了一片 may be what came of it.
    phrase = read_phrase(folded if _TAKEN.search(folded) else blank(words().as_needed, folded))
    if not phrase.doses or not (phrase.timed or phrase.text != folded):
        return False
    if any(dose.unit in _TABLETS and dose.high > _MOST for dose in phrase.doses):
        return False
    rest = without_classes(without_names(phrase.rest))
    return not _NOTHING.sub("", _BESIDE.sub("", rest))

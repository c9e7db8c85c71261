"""The detector of off-label questions, fitted with everything else when an index is built.

It weighs three things: how near known off-label uses are, how near entries are, and the signals in the
words (`uses.py`). It learns from the content's own examples while they are hidden, and from made-up
questions about diseases the product has nothing to do with, so that an unseen use is told by structure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import cycle

import numpy as np

from bot.knowledge.calibration import Logistic
from bot.knowledge.candidates import OUTSIDE, USE
from bot.knowledge.ridge import Floats
from bot.knowledge.space import Space
from bot.knowledge.terms import terms
from bot.knowledge.uses import signals

MADE_UP = 0.3  # weight of a made-up question beside a wording of the content

# How a purpose is asked about, and how a disease that the patient merely has, or may get.
_PURPOSES = ("能治{}吗", "治{}行不行", "对{}有效吗", "{}", "预防{}", "{}吃有用吗", "{}可以用吗")
_CIRCUMSTANCES = ("有{}的病人能用吗", "合并{}怎么用", "会引起{}吗", "吃了出现{}怎么办", "{}患者要注意什么")


def made_up() -> Iterator[tuple[str, bool]]:
    """Questions about every listed disease: (plain text, whether it asks for a use)."""
    purposes, circumstances = cycle(_PURPOSES), cycle(_CIRCUMSTANCES)
    for word in dict.fromkeys(terms().conditions.keys.values()):
        for _ in range(2):
            yield next(purposes).format(word), True
            yield next(circumstances).format(word), False


def features(space: Space, chance: Floats, topic: Floats, rest: str, approved: frozenset[str]) -> Floats:
    """One row: nearest use, nearest entry, the topic's lead, the signals of the words."""
    use = space.is_use
    others = np.delete(topic, [USE, OUTSIDE])
    near = [chance[use].max(initial=0.0), chance[~use].max(initial=0.0), topic[USE] - others.max()]
    return np.concatenate([near, signals(rest, approved)])


def fit(examples: Iterable[tuple[Floats, bool, float]]) -> Logistic:
    """Probability of an off-label question from rows of `features`, whether it is one, and its weight."""
    rows, right, weights = zip(*examples, strict=True)
    return Logistic(np.vstack(rows), right, weights)

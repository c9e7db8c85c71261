"""From nearness to probability: fitted on the content itself when an index is built.

Each wording is asked as if it were not among the known ones (a third of all wordings is hidden at a time),
and again as if its entry did not exist at all. So a published change is calibrated with what it publishes,
and nothing is tuned by hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

from bot.knowledge.ridge import Floats, Mask, Ridge
from bot.knowledge.space import Asked, Space

_FOLDS = 3
_UNANSWERED = 0.3  # weight of a question whose entry is hidden, beside one whose entry is there
_NEAREST = 10  # candidates of a question that are learned from


@dataclass(frozen=True)
class Trial:
    """A question whose answer is known: features of the candidates in `there`, the right one or -1.

    `row` is the wording, `topic` its score for each kind.
    """

    space: Space
    features: Floats
    there: Mask
    right: int
    weight: float
    row: int
    topic: Floats

    @property
    def use(self) -> bool:
        """Whether an off-label use was asked about, hidden or not."""
        return self.space.candidates[self.space.owner[self.row]].use


def trials(space: Space, topics: Ridge, start: int, total: int) -> Iterator[Trial]:
    """Every wording, asked while it is hidden, then while its whole candidate is.

    The space's wordings are the rows from `start` on of the `total` the topics were fitted on.
    """
    size = len(space.owner)
    everyone = np.ones(len(space.candidates), dtype=bool)

    def asked(hidden: Mask) -> Iterator[tuple[int, Asked]]:
        everywhere = np.zeros(total, dtype=bool)
        everywhere[start : start + size] = hidden
        ridge, topic = space.ridge.scores_without(hidden), topics.scores_without(everywhere)
        for number, row in enumerate(np.flatnonzero(hidden)):
            chars, sense = (view[row] for view in space.alike)
            grams, mass = space.views.chars[row].indices, float(space.mass[row])
            yield (
                int(row),
                Asked(chars, sense, ridge[number], topic[number], grams, mass, space.subjects[row]),
            )

    for fold in range(_FOLDS):
        hidden = (space.place > 0) & ((space.place - 1) % _FOLDS == fold)
        if not hidden.any():
            continue
        for row, question in asked(hidden):
            features = space.features(question, hidden)
            yield Trial(space, features, everyone, int(space.owner[row]), 1.0, row, question.topic)
    for index in range(len(space.candidates) if len(space.candidates) > 1 else 0):
        hidden = space.owner == index
        there = np.arange(len(space.candidates)) != index
        for row, question in asked(hidden):
            yield Trial(space, space.features(question, hidden), there, -1, _UNANSWERED, row, question.topic)


class Logistic:
    """A probability from features; scikit-learn fits it, two lines apply it."""

    def __init__(self, rows: Floats, right: Sequence[bool] | Mask, weights: Sequence[float] | Floats) -> None:
        model = LogisticRegression(C=1.0, max_iter=2000)
        self._scale = np.maximum(rows.std(axis=0), 1e-6)
        model.fit(rows / self._scale, np.asarray(right), sample_weight=np.asarray(weights))
        self.slope = model.coef_[0] / self._scale
        self.level = float(model.intercept_[0])

    def __call__(self, rows: Floats) -> Floats:
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(rows @ self.slope + self.level, -30, 30))))


def fit_candidates(known: Sequence[Trial]) -> Logistic:
    """Probability that a candidate is what was asked, from its features."""
    rows, right, weights = [], [], []
    for trial in known:
        ridge = np.where(trial.there, trial.features[:, 2], -np.inf)
        near = np.argsort(-ridge)[: min(_NEAREST, int(trial.there.sum()))]
        if trial.right >= 0 and trial.right not in near:
            near = np.append(near, trial.right)
        rows.append(trial.features[near])
        right.append(near == trial.right)
        weights.append(np.full(len(near), trial.weight))
    return Logistic(np.vstack(rows), np.concatenate(right), np.concatenate(weights))

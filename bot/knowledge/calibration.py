"""From nearness to probability: fitted on the content itself when an index is built.

Each wording is asked as if it were not among the known ones (a third of all wordings is hidden at a time),
and again as if its entry did not exist at all; and questions about other things are asked of every product.
So a published change is calibrated with what it publishes, and nothing is tuned by hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bot.knowledge.ridge import Floats, Mask, Ridge
from bot.knowledge.space import FEATURES, Asked, Space

FOLDS = 3
UNANSWERED = 0.3  # weight of a question whose entry is hidden, beside one whose entry is there
NOT_OURS = 0.3  # weight of a question about a medicine that nobody approved an answer for
UNRELATED = 0.1  # weight of a question about something else altogether
_NEAREST = 10  # candidates of a question that are learned from


@dataclass(frozen=True)
class Trial:
    """A question whose answer is known: features of the candidates in `there`, the right one or -1.

    `topic` is its score for each kind; `use`: an off-label use was asked about, hidden or not.
    """

    product: str
    text: str
    features: Floats
    there: Mask
    right: int
    weight: float
    topic: Floats
    use: bool


def trials(product: str, space: Space, topics: Ridge, start: int, total: int) -> Iterator[Trial]:
    """Every wording, asked while it is hidden, then while its whole candidate is.

    The space's wordings are the rows from `start` on of the `total` the topics were fitted on.
    """
    size = len(space.owner)
    everyone = np.ones(len(space.candidates), dtype=bool)

    def ask(hidden: Mask, there: Mask, weight: float) -> Iterator[Trial]:
        everywhere = np.zeros(total, dtype=bool)
        everywhere[start : start + size] = hidden
        ridge, topic = space.ridge.scores_without(hidden), topics.scores_without(everywhere)
        spoken = space.spoken_without(hidden)
        for number, row in enumerate(np.flatnonzero(hidden)):
            asked = Asked(
                space.sense[row],
                ridge[number],
                topic[number],
                space.views.chars[row].indices,
                float(space.mass[row]),
                space.subjects[row],
            )
            owner = int(space.owner[row])
            yield Trial(
                product=product,
                text=space.texts[row],
                features=space.features(asked, hidden, spoken),
                there=there,
                right=owner if there[owner] else -1,
                weight=weight,
                topic=topic[number],
                use=bool(space.is_use[owner]),
            )

    for fold in range(FOLDS):
        hidden = (space.place > 0) & ((space.place - 1) % FOLDS == fold)
        if hidden.any():
            yield from ask(hidden, everyone, 1.0)
    for index in range(len(space.candidates)):
        yield from ask(space.owner == index, np.arange(len(space.candidates)) != index, UNANSWERED)


class Logistic:
    """A probability from features; scikit-learn fits it, two lines apply it."""

    def __init__(self, rows: Floats, right: Sequence[bool] | Mask, weights: Sequence[float] | Floats) -> None:
        from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - slow, and only to build

        model = LogisticRegression(C=1.0, max_iter=2000)
        self._scale = np.maximum(rows.std(axis=0), 1e-6)
        model.fit(rows / self._scale, np.asarray(right), sample_weight=np.asarray(weights))
        self.slope = model.coef_[0] / self._scale
        self.level = float(model.intercept_[0])

    def __call__(self, rows: Floats) -> Floats:
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(rows @ self.slope + self.level, -30, 30))))


def fit_candidates(examples: Sequence[Trial]) -> Logistic:
    """Probability that a candidate is what was asked, from its features."""
    rows, right, weights = [], [], []
    for trial in examples:
        ridge = np.where(trial.there, trial.features[:, FEATURES.index("ridge")], -np.inf)
        near = np.argsort(-ridge)[: min(_NEAREST, int(trial.there.sum()))]
        if trial.right >= 0 and trial.right not in near:
            near = np.append(near, trial.right)
        rows.append(trial.features[near])
        right.append(near == trial.right)
        weights.append(np.full(len(near), trial.weight))
    return Logistic(np.vstack(rows), np.concatenate(right), np.concatenate(weights))

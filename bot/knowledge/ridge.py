"""Kernel ridge regression on the wordings, with leave-out answers in closed form.

How alike two texts are is a weighted sum of two cosines: character n-grams with hints, and sentence vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.knowledge.grams import Weighed

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Sparse = Any  # a matrix of scipy.sparse, which ships no types

SENSE = 0.5  # weight of the sentence vectors; the rest is the character n-grams'
PENALTY = 0.15


@dataclass(frozen=True)
class Views:
    """Some texts in both views, a row each, rows of length 1."""

    chars: Sparse
    sense: NDArray[np.float32]

    def __getitem__(self, rows: slice | NDArray[np.int64] | Mask) -> Views:
        return Views(self.chars[rows], self.sense[rows])

    def alike(self) -> tuple[Floats, Floats]:
        """Cosines among all texts, by characters and by sense. Shape (texts, texts)."""
        return self.chars.dot(self._columns).toarray(), (self.sense @ self.sense.T).astype(float)

    def near(self, question: Weighed, sense: NDArray[np.float32]) -> tuple[Floats, Floats]:
        """Cosines of one question with all texts, by characters and by sense. Shape (texts,)."""
        chars = self._columns[question.grams].T.dot(question.values)
        return np.asarray(chars, dtype=float), (self.sense @ sense).astype(float)

    @cached_property
    def _columns(self) -> Sparse:
        return self.chars.T.tocsr()


def fused(chars: Floats, sense: Floats) -> Floats:
    return (1 - SENSE) * chars + SENSE * sense


class Ridge:
    """Scores of each class for a text, from its likeness to the labelled ones."""

    def __init__(self, kernel: Floats, labels: NDArray[np.int64], classes: int) -> None:
        self._target = (labels[:, None] == np.arange(classes)[None, :]).astype(float)
        self._inverse = np.linalg.inv(kernel + PENALTY * np.eye(len(kernel)))
        self._weights = self._inverse @ self._target

    def settle(self) -> None:
        """Give back what only `scores_without` needs (29 MB for the seed's topics)."""
        del self._inverse, self._target

    def scores(self, alike: Floats) -> Floats:
        """`alike` (labelled texts,) -> (classes,)."""
        scores: Floats = alike @ self._weights
        return scores

    def scores_without(self, hidden: Mask) -> Floats:
        """Scores of the hidden texts, had they not been there. Shape (hidden, classes)."""
        block = self._inverse[np.ix_(hidden, hidden)]
        return np.asarray(self._target[hidden] - np.linalg.solve(block, self._weights[hidden]))

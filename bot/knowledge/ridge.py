"""Kernel ridge regression on the wordings, with leave-out answers in closed form.

How alike two texts are is a weighted sum of two cosines: character n-grams with hints, and sentence vectors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

SENSE = 0.5  # weight of the sentence vectors; the rest is the character n-grams'
PENALTY = 0.15


@dataclass(frozen=True)
class Views:
    """Some texts in both views, a row each, rows of length 1."""

    chars: sparse.csr_matrix
    sense: NDArray[np.float32]

    def __getitem__(self, rows: slice | NDArray[np.int64] | Mask) -> Views:
        return Views(self.chars[rows], self.sense[rows])

    def alike(self, others: Views) -> tuple[Floats, Floats]:
        """Cosines by characters and by sense, each of shape (own rows, rows of others)."""
        chars = np.asarray((self.chars @ others.chars.T).toarray(), dtype=float)
        return chars, (self.sense @ others.sense.T).astype(float)


def fused(chars: Floats, sense: Floats) -> Floats:
    return (1 - SENSE) * chars + SENSE * sense


class Ridge:
    """Scores of each class for a text, from its likeness to the labelled ones."""

    def __init__(self, kernel: Floats, labels: NDArray[np.int64], classes: int) -> None:
        self._target = (labels[:, None] == np.arange(classes)[None, :]).astype(float)
        self._inverse = np.linalg.inv(kernel + PENALTY * np.eye(len(kernel)))
        self._weights = self._inverse @ self._target

    def scores(self, alike: Floats) -> Floats:
        """`alike` (rows, labelled texts) -> (rows, classes)."""
        return alike @ self._weights

    def scores_without(self, hidden: Mask) -> Floats:
        """Scores of the hidden texts, had they not been there. Shape (hidden, classes)."""
        block = self._inverse[np.ix_(hidden, hidden)]
        return np.asarray(self._target[hidden] - np.linalg.solve(block, self._weights[hidden]))

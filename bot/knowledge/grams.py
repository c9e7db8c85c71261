"""Character n-grams and hints as weighted vectors (TF-IDF)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from bot.knowledge.terms import hints


def grams(text: str) -> list[str]:
    """Character n-grams of 1 to 4, and the names of the hints."""
    found = [text[i : i + n] for n in range(1, 5) for i in range(len(text) - n + 1)]
    return found + [f"#{name}" for name in hints(text)]


@dataclass(frozen=True)
class Weighed:
    """One question: its vector (a row), the numbers of its known n-grams, and the weight of all of them."""

    row: sparse.csr_matrix
    known: NDArray[np.int32]
    mass: float


class Grams:
    """Weights fitted on approved texts."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._model = TfidfVectorizer(analyzer=grams, sublinear_tf=True).fit(texts)
        self.weights: NDArray[np.float64] = self._model.idf_
        self._rare = float(self.weights.max())

    def rows(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Approved texts, a row each, of length 1."""
        return self._model.transform(texts)

    def weigh(self, text: str) -> Weighed:
        """A question. What no approved text contains counts against it as the rarest n-grams do; the
        stock transform drops it, and 打嗝吃 would be as near as 吃 alone."""
        row = self._model.transform([text])
        known = row.indices
        unknown = len({gram for gram in grams(text) if gram not in self._model.vocabulary_})
        told = float(self.weights[known].sum())
        squared = float((self.weights[known] ** 2).sum())
        share = np.sqrt(squared / max(squared + unknown * self._rare**2, 1e-9))
        return Weighed(row * share, known, told + unknown * self._rare)

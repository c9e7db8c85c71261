"""Character n-grams and hints as weighted vectors (TF-IDF)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.knowledge.terms import hints


def grams(text: str) -> list[str]:
    """Character n-grams of 1 to 4, and the names of the hints."""
    found = [text[i : i + n] for n in range(1, 5) for i in range(len(text) - n + 1)]
    return found + [f"#{name}" for name in hints(text)]


@dataclass(frozen=True)
class Weighed:
    """One question: the numbers of its known n-grams, their values in its unit vector, and the weight of
    all its n-grams, unknown ones included."""

    grams: NDArray[np.int32]
    values: NDArray[np.float64]
    mass: float


class Grams:
    """Weights fitted on approved texts."""

    def __init__(self, texts: Iterable[str]) -> None:
        # Needed to build an index, not to read one, and it takes a second to import.
        from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415

        self._model = TfidfVectorizer(analyzer=grams, sublinear_tf=True).fit(texts)
        self.weights: NDArray[np.float64] = self._model.idf_
        self._number: dict[str, int] = self._model.vocabulary_
        self._rare = float(self.weights.max())

    def settle(self) -> None:
        """All approved texts were asked for: drops what only `rows` needs."""
        del self._model

    def rows(self, texts: Sequence[str]) -> Any:
        """Approved texts, a row each, of length 1 (a scipy.sparse matrix, which has no types)."""
        return self._model.transform(texts)

    def weigh(self, text: str) -> Weighed:
        """A question. What no approved text contains counts against it as the rarest n-grams do; the
        stock transform drops it, and 打嗝吃 would be as near as 吃 alone."""
        counts = Counter(grams(text))
        shared = sorted((self._number[gram], count) for gram, count in counts.items() if gram in self._number)
        strange = [count for gram, count in counts.items() if gram not in self._number]
        numbers = np.array([number for number, _ in shared], dtype=np.int32)
        values = self.weights[numbers] * (1 + np.log([count for _, count in shared]))
        length = np.sqrt(
            (values**2).sum() + sum((self._rare * (1 + np.log(count))) ** 2 for count in strange)
        )
        mass = float(self.weights[numbers].sum()) + len(strange) * self._rare
        return Weighed(numbers, values / max(float(length), 1e-9), mass)

"""How near a question is to each entry and off-label use of one product, as numbers.

Two views of the words (character n-grams and sentence vectors) and what is mentioned. The product's own
name is taken out of question and wordings alike, so what remains is what is asked about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from bot.knowledge.ridge import Floats, Mask, Ridge, Views, fused
from bot.knowledge.terms import Subject

FEATURES = (
    "chars", "sense", "ridge", "second", "covered", "topic", "drugs", "conditions", "topics",
    "silent", "ridge_ahead", "best_ahead", "topic_ahead", "use",
)  # fmt: skip


@dataclass(frozen=True)
class Candidate:
    """An entry or an off-label use: its wordings, the first of them its own, and what it speaks of."""

    id: str
    use: bool
    kind: int  # its topic's number; off-label uses are a kind of their own
    texts: tuple[str, ...]
    subjects: tuple[Subject, ...]  # of each wording
    said: Subject  # in all wordings
    known: Subject  # there or in the answer
    bag: str  # its own words, apart from the variants


@dataclass(frozen=True)
class Asked:
    """A question about one product, seen against that product's wordings."""

    chars: Floats  # cosine with each wording
    sense: Floats
    ridge: Floats  # score of each candidate
    topic: Floats  # score of each kind
    grams: NDArray[np.int32]
    mass: float  # weight of all n-grams, those no approved text has included
    subject: Subject


class Space:
    """The wordings of one product. Immutable once built."""

    def __init__(
        self, candidates: Sequence[Candidate], views: Views, bags: sparse.csr_matrix, idf: Floats
    ) -> None:
        self.candidates = tuple(candidates)
        sizes = [len(candidate.texts) for candidate in candidates]
        self.views = views
        self.owner = np.repeat(np.arange(len(sizes)), sizes)
        self.place = np.concatenate([np.arange(size) for size in sizes])  # 0 is the question itself
        self.subjects = [one for candidate in candidates for one in candidate.subjects]
        self._first = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(int)
        self._bags = (bags > 0).astype(float).tocsc()
        self._idf = idf
        self._kinds = np.array([candidate.kind for candidate in candidates])
        self.is_use = np.array([candidate.use for candidate in candidates], dtype=bool)
        self.mass = np.asarray((views.chars > 0).astype(float) @ idf).ravel()
        self.alike = views.alike(views)
        self.ridge = Ridge(fused(*self.alike), self.owner, len(candidates))

    def features(self, asked: Asked, hidden: Mask | None = None) -> Floats:
        """Shape (candidates, FEATURES). `hidden` wordings count as not there."""
        chars, sense = asked.chars, asked.sense
        if hidden is not None:
            chars, sense = np.where(hidden, 0.0, chars), np.where(hidden, 0.0, sense)
        both = fused(chars, sense)
        best, second = self._two_best(both)
        covered = (self._bags[:, asked.grams] @ self._idf[asked.grams]) / max(asked.mass, 1e-9)
        topic = asked.topic[self._kinds]
        return np.column_stack(
            [
                np.maximum.reduceat(chars, self._first),
                np.maximum.reduceat(sense, self._first),
                asked.ridge,
                second,
                covered,
                topic,
                *self._agreement(asked.subject),
                ahead(asked.ridge),
                ahead(best),
                topic - asked.topic.max(),
                self.is_use.astype(float),
            ]
        )

    def speaks_of(self, conditions: frozenset[str]) -> bool:
        """Whether any entry does."""
        return any(conditions & c.known.conditions for c in self.candidates if not c.use)

    def _two_best(self, view: Floats) -> tuple[Floats, Floats]:
        order = np.lexsort((view, self.owner))
        last = np.append(self._first[1:], len(view)) - 1
        before = np.maximum(last - 1, self._first)
        return view[order[last]], view[order[before]]

    def _agreement(self, asked: Subject) -> tuple[Floats, ...]:
        """Drugs, conditions and topics asked about that a candidate is silent on, and the reverse."""
        rows = [
            (
                len(asked.drugs - c.known.covers),
                len(asked.conditions - c.known.conditions) + len(asked.conditions - c.said.conditions),
                len(asked.topics - c.known.topics) + len(asked.topics - c.said.topics),
                len((c.subjects[0].topics - asked.topics) | (c.subjects[0].drugs - asked.covers)),
            )
            for c in self.candidates
        ]
        return tuple(np.array(rows, dtype=float).T)


def ahead(values: Floats) -> Floats:
    """Each value less the best of the others."""
    if len(values) < 2:
        return values.copy()
    order = np.argsort(values)
    top, following = values[order[-1]], values[order[-2]]
    return np.where(np.arange(len(values)) == order[-1], values - following, values - top)

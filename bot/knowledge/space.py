"""How near a question is to each entry and off-label use of one product, as numbers.

Two views of the words (character n-grams and sentence vectors) and what is mentioned. The product's own
name is taken out of question and wordings alike, so what remains is what is asked about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bot.knowledge.ridge import Floats, Mask, Ridge, Sparse, Views, fused
from bot.knowledge.terms import Subject

# Kept few on purpose: with more kinds of nearness (best by characters, second best, lead of the best)
# the hidden wordings fit better and held-out questions worse.
FEATURES = (
    "sense", "ridge", "covered", "topic", "drugs", "conditions", "topics", "silent", "shared",
    "ridge_ahead", "topic_ahead", "use",
)  # fmt: skip


@dataclass(frozen=True)
class Candidate:
    """An entry or an off-label use: its wordings, the first of them its own, and what it speaks of."""

    id: str
    use: bool
    kind: int  # its topic's number; off-label uses are a kind of their own
    texts: tuple[str, ...]
    subjects: tuple[Subject, ...]  # of each wording
    answer: Subject  # of an entry's answer
    bag: str  # its own words, apart from the variants


@dataclass(frozen=True)
class Asked:
    """A question about one product, seen against that product's wordings."""

    sense: Floats  # cosine of its sense with each wording's
    ridge: Floats  # score of each candidate
    topic: Floats  # score of each kind
    grams: NDArray[np.int32]
    mass: float  # weight of all n-grams, those no approved text has included
    subject: Subject


Spoken = Sequence[tuple[Subject, Subject]]


class Space:
    """The wordings of one product. Immutable once built."""

    def __init__(self, candidates: Sequence[Candidate], views: Views, bags: Sparse, idf: Floats) -> None:
        self.candidates = tuple(candidates)
        sizes = [len(candidate.texts) for candidate in candidates]
        self.views = views
        self.texts = [text for candidate in candidates for text in candidate.texts]
        self.owner = np.repeat(np.arange(len(sizes)), sizes)
        self.place = np.concatenate([np.arange(size) for size in sizes])  # 0 is the question itself
        self.subjects = [one for candidate in candidates for one in candidate.subjects]
        self._first = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(int)
        self._bags = (bags > 0).astype(float).tocsc()
        self._idf = idf
        self._kinds = np.array([candidate.kind for candidate in candidates])
        self.is_use = np.array([candidate.use for candidate in candidates], dtype=bool)
        self.mass = np.asarray((views.chars > 0).astype(float) @ idf).ravel()
        chars, self.sense = views.alike()
        asks = [candidate.subjects[0] for candidate in candidates]
        self._asks = np.array([float(len(one.topics) + len(one.drugs)) for one in asks])
        self.spoken = self.spoken_without(np.zeros(len(self.owner), dtype=bool))
        self.ridge = Ridge(fused(chars, self.sense), self.owner, len(candidates))

    def settle(self) -> None:
        """Give back what only the fitting needs."""
        self.ridge.settle()
        del self.sense

    def spoken_without(self, hidden: Mask) -> Spoken:
        """What each candidate speaks of: in its wordings but the hidden ones, and there or in its answer."""
        found = []
        for number, candidate in enumerate(self.candidates):
            rows = np.flatnonzero((self.owner == number) & ~hidden)
            worded = Subject.all(self.subjects[row] for row in rows)
            found.append((worded, Subject.all((worded, candidate.answer))))
        return found

    def features(self, question: Asked, hidden: Mask | None = None, spoken: Spoken | None = None) -> Floats:
        """Shape (candidates, FEATURES). `hidden` wordings count as not there,
        and `spoken` is what is spoken of without them."""
        sense = question.sense if hidden is None else np.where(hidden, 0.0, question.sense)
        covered = (self._bags[:, question.grams] @ self._idf[question.grams]) / max(question.mass, 1e-9)
        topic = question.topic[self._kinds]
        return np.column_stack(
            [
                np.maximum.reduceat(sense, self._first),
                question.ridge,
                covered,
                topic,
                *self._agreement(question.subject, spoken or self.spoken),
                ahead(question.ridge),
                topic - question.topic.max(),
                self.is_use.astype(float),
            ]
        )

    def beyond(self, candidate: int, question: Subject) -> bool:
        """Whether the candidate is about a drug or a disease, and the question mentions none of its."""
        worded, _ = self.spoken[candidate]
        asks = self.candidates[candidate].subjects[0]
        strange_drug = bool(asks.drugs) and not question.drugs & worded.covers
        strange_condition = bool(asks.conditions) and not question.conditions & worded.conditions
        return strange_drug or strange_condition

    def silent(self, candidate: int, question: Subject) -> bool:
        """Whether the question names a drug, a disease or a matter that the candidate says nothing of."""
        worded, covered = self.spoken[candidate]
        return bool(
            question.drugs - covered.covers
            or question.conditions - worded.conditions
            or question.topics - covered.topics
        )

    def asks_about(self, candidate: int, conditions: frozenset[str]) -> bool:
        """Whether the candidate's own question is about one of these diseases."""
        return bool(self.candidates[candidate].subjects[0].conditions & conditions)

    def speaks_of(self, conditions: frozenset[str], drugs: frozenset[str] = frozenset()) -> bool:
        """Whether any entry speaks of one of these diseases or answers for one of these drugs."""
        entries = zip(self.candidates, self.spoken, strict=True)
        return any(
            conditions & covered.conditions or drugs & covered.covers
            for candidate, (_, covered) in entries
            if not candidate.use
        )

    def _agreement(self, question: Subject, spoken: Spoken) -> tuple[Floats, ...]:
        """Drugs, conditions and topics asked about that a candidate is silent on; what it asks about and the
        question does not; drugs and conditions in common."""
        if not (question.drugs or question.conditions or question.topics):
            nothing = np.zeros(len(self.candidates))
            return nothing, nothing, nothing, self._asks, nothing
        rows = [
            (
                len(question.drugs - covered.covers),
                len(question.conditions - covered.conditions) + len(question.conditions - worded.conditions),
                len(question.topics - covered.topics) + len(question.topics - worded.topics),
                len((c.subjects[0].topics - question.topics) | (c.subjects[0].drugs - question.covers)),
                len(question.drugs & worded.covers) + len(question.conditions & worded.conditions),
            )
            for c, (worded, covered) in zip(self.candidates, spoken, strict=True)
        ]
        return tuple(np.array(rows, dtype=float).T)


def ahead(values: Floats) -> Floats:
    """Each value less the best of the others."""
    if len(values) < 2:
        return values.copy()
    order = np.argsort(values)
    top, following = values[order[-1]], values[order[-2]]
    lead: Floats = np.where(np.arange(len(values)) == order[-1], values - following, values - top)
    return lead

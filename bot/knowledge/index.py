"""The index of one published version: which approved entries are near a question, and what to do with it.

Built from the content alone in a few seconds; immutable, so a published change is a new index put in the
place of the old one. Safe to share between threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from functools import cache
from pathlib import Path

import numpy as np
import yaml

from bot.clock import CHINA
from bot.knowledge import offlabel
from bot.knowledge.calibration import Trial, fit_candidates, trials
from bot.knowledge.candidates import KINDS, OUTSIDE, Reader
from bot.knowledge.content import Content, Entry
from bot.knowledge.decide import Decision, Match, Reading, decide
from bot.knowledge.encoder import Encoder, Vectors
from bot.knowledge.grams import Grams
from bot.knowledge.products import Names
from bot.knowledge.ridge import Floats, Ridge, Views, fused
from bot.knowledge.space import Asked, Space
from bot.knowledge.terms import Subject, subject
from bot.knowledge.text import plain
from bot.model import Audience

_MOST_PRODUCTS = 3  # of those a question names


class Index:
    """Search and decisions over one version of the content."""

    def __init__(self, content: Content, encoder: Encoder) -> None:
        self.content = content
        self._encoder = encoder
        self._reader = Reader(content)
        made = {product.id: list(self._reader.candidates(product)) for product in content.products}
        made = {key: some for key, some in made.items() if some}
        every = [candidate for some in made.values() for candidate in some]
        texts = [text for candidate in every for text in candidate.texts] + _outside()
        kinds = [candidate.kind for candidate in every for _ in candidate.texts] + [OUTSIDE] * len(_outside())
        self._grams = Grams(texts + [candidate.bag for candidate in every])
        self._views = Views(self._grams.rows(texts), encoder.many(texts))
        self._topics = Ridge(fused(*self._views.alike(self._views)), np.array(kinds), len(KINDS))
        self._spaces: dict[str, Space] = {}
        self._span: dict[str, slice] = {}
        start = 0
        for key, some in made.items():
            self._span[key] = slice(start, start + sum(len(candidate.texts) for candidate in some))
            bags = self._grams.rows([candidate.bag for candidate in some])
            self._spaces[key] = Space(some, self._views[self._span[key]], bags, self._grams.weights)
            start = self._span[key].stop
        if self._spaces:
            self._fit(texts)

    def search(
        self, text: str, audience: Audience, now: datetime, limit: int = 5, *, last_product: str = ""
    ) -> tuple[Match, ...]:
        """The nearest entries that may be quoted to this audience at `now`, best first."""
        form, names = self._reader.names(text)
        offered = self._offered(audience, now)
        found = [match for one in self._readings(form, names, offered, last_product) for match in one.matches]
        return tuple(sorted(found, key=lambda match: -match.score)[:limit])

    def decide(self, text: str, audience: Audience, now: datetime, *, last_product: str = "") -> Decision:
        """What to do with a question. `last_product` is the product talked about, for a question that
        names none (那肝功能不好呢)."""
        form, names = self._reader.names(text)
        offered = self._offered(audience, now)
        readings = self._readings(form, names, offered, last_product)
        return decide(self.content, form, names, readings, list(offered.values()))

    # ---------------------------------------------------------------- reading

    def _offered(self, audience: Audience, now: datetime) -> dict[str, Entry]:
        """Entries whose document is for this audience and has not expired on the business day of `now`."""
        today = now.astimezone(CHINA).date()
        return {entry.id: entry for entry in self.content.entries if self._may_quote(entry, audience, today)}

    def _may_quote(self, entry: Entry, audience: Audience, today: date) -> bool:
        document = self.content.document[entry.document]
        return document.audience is audience and document.valid_until >= today

    def _readings(
        self, form: str, names: Names, offered: dict[str, Entry], last_product: str
    ) -> list[Reading]:
        products = names.products[:_MOST_PRODUCTS] or (
            (last_product,) if last_product in self._spaces else ()
        )
        products = tuple(key for key in products or self._spaces if key in self._spaces)
        if not offered or not form:
            return []
        asked = [self._reader.about(form, names, key) for key in products]
        rests = list(dict.fromkeys(rest for rest, _ in asked))
        vectors = dict(zip(rests, self._encoder.fresh(rests), strict=True))
        return [
            self._reading(key, rest, about, vectors[rest], offered)
            for key, (rest, about) in zip(products, asked, strict=True)
        ]

    def _reading(
        self, product: str, rest: str, about: Subject, vector: Vectors, offered: dict[str, Entry]
    ) -> Reading:
        space = self._spaces[product]
        question = self._asked(product, rest, about, vector)
        chance = self._candidate(space.features(question))
        row = offlabel.features(space, chance, question.topic, rest, self._reader.approved[product])
        order = np.argsort(-chance)
        ranked = [(space.candidates[i], Match(space.candidates[i].id, float(chance[i]))) for i in order]
        entries = [match for candidate, match in ranked if not candidate.use]
        return Reading(
            product=product,
            rest=rest,
            matches=tuple(match for match in entries if match.entry_id in offered),
            uses=tuple(match for candidate, match in ranked if candidate.use),
            withheld=max((match.score for match in entries if match.entry_id not in offered), default=0.0),
            off_label=float(self._use(row[None, :])[0]),
            outside=int(question.topic.argmax()) == OUTSIDE,
            medical=bool(about.topics or about.conditions or about.drugs),
        )

    def _asked(self, product: str, rest: str, about: Subject, vector: Vectors) -> Asked:
        space, span = self._spaces[product], self._span[product]
        weighed = self._grams.weigh(rest)
        chars, sense = Views(weighed.row, vector[None, :]).alike(self._views)
        both = fused(chars, sense)
        ridge, topic = space.ridge.scores(both[:, span])[0], self._topics.scores(both)[0]
        return Asked(chars[0, span], sense[0, span], ridge, topic, weighed.known, weighed.mass, about)

    # ---------------------------------------------------------------- fitting

    def _fit(self, texts: Sequence[str]) -> None:
        known = {
            key: list(trials(space, self._topics, self._span[key].start, len(texts)))
            for key, space in self._spaces.items()
        }
        self._candidate = fit_candidates([trial for some in known.values() for trial in some])
        self._use = offlabel.fit([*self._examples(known, texts), *self._made_up()])

    def _examples(
        self, known: dict[str, list[Trial]], texts: Sequence[str]
    ) -> Iterator[tuple[Floats, bool, float]]:
        for key, some in known.items():
            for trial in some:
                chance = np.where(trial.there, self._candidate(trial.features), 0.0)
                rest = texts[self._span[key].start + trial.row]
                approved = self._reader.approved[key]
                yield (
                    offlabel.features(trial.space, chance, trial.topic, rest, approved),
                    trial.use,
                    trial.weight,
                )

    def _made_up(self) -> Iterator[tuple[Floats, bool, float]]:
        questions = list(offlabel.made_up())
        vectors = self._encoder.fresh([text for text, _ in questions])
        for (rest, is_use), vector in zip(questions, vectors, strict=True):
            for key, space in self._spaces.items():
                approved = self._reader.approved[key]
                about = subject(rest, (), approved)
                if not about.conditions or (is_use and space.speaks_of(about.conditions)):
                    continue  # approved, or an entry may be what is meant
                asked = self._asked(key, rest, about, vector)
                chance = self._candidate(space.features(asked))
                row = offlabel.features(space, chance, asked.topic, rest, approved)
                yield row, is_use, offlabel.MADE_UP


@cache
def _outside() -> list[str]:
    raw = yaml.safe_load(Path(__file__).with_name("outside.yaml").read_text(encoding="utf-8"))
    return [plain(text) for text in raw]

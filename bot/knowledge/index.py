"""The index of one published version: which approved entries are near a question, and what to do with it.

Built from the content alone in a few seconds; immutable, so a published change is a new index put in the
place of the old one. Safe to share between threads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cache
from pathlib import Path

import numpy as np
import yaml

from bot.clock import CHINA
from bot.knowledge import offlabel
from bot.knowledge.calibration import FOLDS, NOT_OURS, UNRELATED, Trial, fit_candidates, trials
from bot.knowledge.candidates import KINDS, OUTSIDE, QuestionReader
from bot.knowledge.content import Content, Entry
from bot.knowledge.decide import SHORT, Decision, Match, ProductReading, Question, content_words, decide
from bot.knowledge.encoder import Encoder, Vectors
from bot.knowledge.grams import Grams, Weighed
from bot.knowledge.products import Names, elsewhere, nameless
from bot.knowledge.ridge import Floats, Ridge, Views, fused
from bot.knowledge.space import Asked, Space
from bot.knowledge.terms import Subject, corrected, hints, place_of, subject, terms
from bot.knowledge.text import plain
from bot.knowledge.uses import aims, approved_purpose, benefit, caused, evidence, harm, indicated
from bot.model import Audience
from bot.text.yaml_loader import Loader

_MOST_PRODUCTS = 3  # of those a question names
_RESUMED = re.compile(r"呢|那|要是|如果|换成|换作|换|的话|也是|一样")
_LEANING = 10  # characters besides grammar
_TOGETHER = re.compile(r"[和跟与同加配]|合用|一起|联")


@dataclass(frozen=True)
class Look:
    """A text without a product's name, seen against all wordings and their topics."""

    weighed: Weighed
    sense: Floats  # cosine with each wording by sense
    both: Floats  # by characters and sense
    topic: Floats  # score of each kind


class Index:
    """Search and decisions over one version of the content."""

    def __init__(self, content: Content, encoder: Encoder) -> None:
        self.content = content
        self._encoder = encoder
        self._reader = QuestionReader(content)
        made = {product.id: list(self._reader.candidates(product)) for product in content.products}
        made = {key: some for key, some in made.items() if some}
        every = [candidate for some in made.values() for candidate in some]
        texts = [text for candidate in every for text in candidate.texts] + _texts("outside.yaml")
        kinds = [candidate.kind for candidate in every for _ in candidate.texts] + [OUTSIDE] * len(
            _texts("outside.yaml")
        )
        self._grams = Grams(texts + [candidate.bag for candidate in every])
        self._views = Views(self._grams.rows(texts), encoder.many(texts))
        self._topics = Ridge(fused(*self._views.alike()), np.array(kinds), len(KINDS))
        self._offers: tuple[tuple[Audience, date], dict[str, Entry]] | None = None  # of the last day asked
        self._told = {  # topics and hints in the wordings of each entry, and diseases
            one.id: (
                frozenset(hint for text in one.texts for hint in hints(text)),
                Subject.all(one.subjects).conditions,
            )
            for one in every
            if not one.use
        }
        self._spaces: dict[str, Space] = {}
        self._span: dict[str, slice] = {}
        start = 0
        for key, some in made.items():
            self._span[key] = slice(start, start + sum(len(candidate.texts) for candidate in some))
            bags = self._grams.rows([candidate.bag for candidate in some])
            self._spaces[key] = Space(some, self._views[self._span[key]], bags, self._grams.weights)
            start = self._span[key].stop
        if self._spaces:
            self._fit(len(texts))
        self._grams.settle()
        self._topics.settle()
        for space in self._spaces.values():
            space.settle()

    def search(
        self, text: str, audience: Audience, now: datetime, limit: int = 5, *, last_product: str = ""
    ) -> tuple[Match, ...]:
        """The nearest entries that may be quoted to this audience at `now`, best first."""
        readings = self._question(text, audience, now, last_product).readings
        found = (match for one in readings for match in one.matches)
        return tuple(sorted(found, key=lambda match: -match.score)[:limit])

    def decide(self, text: str, audience: Audience, now: datetime, *, last_product: str = "") -> Decision:
        """What to do with a question. `last_product` is the product talked about, for a question that
        names none (那肝功能不好呢)."""
        return decide(self.content, self._question(text, audience, now, last_product))

    def products_in(self, text: str) -> tuple[str, ...]:
        """The products a text names."""
        return self._reader.names(text)[1].products

    def resumed(self, text: str, before: str) -> str:
        """「那氨氯地平呢」 asks of another product what was asked `before`; any other text is itself."""
        form, names = self._reader.names(text)
        if not names.products or not _RESUMED.search(form):
            return text
        if content_words(_RESUMED.sub("", nameless(form, names))):
            return text
        return self._of(names.products[0], before) or text

    def exchanged(self, before: str, yes: str, no: str, last_product: str) -> str:
        """The question `before` with `yes` in the place of `no`; "" where there is nothing to exchange."""
        form, names = self._reader.names(yes)
        said = content_words(nameless(form, names))
        if names.products:
            return yes if said else self._of(names.products[0], before)
        earlier, known = self._reader.names(before)
        product = next(iter(known.products), last_product)
        if not (said and product in self.content.product):
            return ""
        name, rest = self.content.product[product].generic, nameless(earlier, known)
        wrong = plain(no)
        if wrong and wrong in rest:
            return f"{name}{rest.replace(wrong, form)}"
        if wrong and (span := place_of(wrong, rest)):
            return f"{name}{rest[: span[0]]}{form}{rest[span[1] :]}"
        return f"{name}{form}"

    def leans(self, text: str) -> bool:
        """Whether a text that names no product asks something and is short enough to go on with what was
        asked before."""
        form, names = self._reader.names(text)
        return not (names.spans or names.drugs) and bool(hints(form)) and len(content_words(form)) <= _LEANING

    def after(self, text: str, before: str) -> str:
        """A text that goes on with what was asked before."""
        return f"{nameless(*self._reader.names(before))} {text}"

    def speaks_of(self, entry: Entry, text: str) -> bool:
        """Whether the wordings of an entry speak of every topic, hint and disease in a text."""
        form, names = self._reader.names(text)
        _, about = self._reader.about(form, names, entry.product)
        told, conditions = self._told[entry.id]
        return told.issuperset(hints(form)) and about.conditions <= conditions

    def _of(self, product: str, before: str) -> str:
        """What was asked before, of this product; "" if it was nothing."""
        earlier = nameless(*self._reader.names(before))
        return f"{self.content.product[product].generic}{earlier}" if content_words(earlier) else ""

    # ---------------------------------------------------------------- reading

    def _question(self, text: str, audience: Audience, now: datetime, last_product: str) -> Question:
        form, wish = evidence(corrected(plain(text)))
        form, names = self._reader.names(form)
        offered = self._offered(audience, now)
        talked = (last_product,) if last_product in self.content.product else ()
        of_class = self._reader.of_class(names.drugs) or self._reader.of_kind(form)
        if (
            talked
            and not _TOGETHER.search(terms().drugs.without(form))
            and (of_class or elsewhere(form, names.drugs))
        ):
            talked = talked if talked[0] in of_class else ()  # another medicine is the subject now
        about = names.products[:_MOST_PRODUCTS] or talked or of_class
        # Nobody is told anything about a product on which nothing is approved for them.
        asks = form and not (
            wish and len(content_words(nameless(form, names))) < SHORT
        )  # more than for literature at all
        reach = (about or tuple(self._spaces)) if asks and (offered or audience is Audience.DOCTOR) else ()
        readings = self._readings(form, names, [key for key in reach if key in self._spaces], offered)
        return Question(
            form, names, audience, about, talked, readings, tuple(offered.values()), evidence=wish
        )

    def _offered(self, audience: Audience, now: datetime) -> dict[str, Entry]:
        """Entries whose document is for this audience and has not expired on the business day of `now`."""
        today = now.astimezone(CHINA).date()
        if (known := self._offers) is not None and known[0] == (audience, today):
            return known[1]
        quotable = {
            key
            for key, document in self.content.document.items()
            if document.audience is audience and document.valid_until >= today
        }
        found = {entry.id: entry for entry in self.content.entries if entry.document in quotable}
        self._offers = (audience, today), found
        return found

    def _readings(
        self, form: str, names: Names, products: Sequence[str], offered: Mapping[str, Entry]
    ) -> tuple[ProductReading, ...]:
        subjects = [(key, *self._reader.about(form, names, key)) for key in products]
        rests = list(dict.fromkeys(rest for _, rest, _ in subjects))
        looks = map(self._look, rests, self._encoder.fresh(rests))
        seen = dict(zip(rests, looks, strict=True))
        return tuple(self._reading(key, rest, about, seen[rest], offered) for key, rest, about in subjects)

    def _reading(
        self, product: str, rest: str, about: Subject, look: Look, offered: Mapping[str, Entry]
    ) -> ProductReading:
        space = self._spaces[product]
        chance = self._candidate(space.features(self._asked(product, about, look)))
        row = offlabel.features(space, chance, look.topic, rest, self._reader.approved[product])
        order = np.argsort(-chance)
        ranked = [(space.candidates[i], Match(space.candidates[i].id, float(chance[i]))) for i in order]
        entries = [match for candidate, match in ranked if not candidate.use]
        best = next((int(i) for i in order if not space.is_use[i]), 0)
        return ProductReading(
            product=product,
            rest=rest,
            matches=tuple(match for match in entries if match.entry_id in offered),
            uses=tuple(match for candidate, match in ranked if candidate.use),
            withheld=max((match.score for match in entries if match.entry_id not in offered), default=0.0),
            off_label=float(self._use(row[None, :])[0]),
            aims=aims(rest, self._reader.approved[product]),
            approved=approved_purpose(rest, self._reader.approved[product])
            or ("efficacy" in about.topics and benefit(rest, self._reader.approved[product])),
            benefit=benefit(rest, self._reader.approved[product]),
            harm=harm(rest),
            caused=caused(rest),
            indicated=indicated(rest, self._reader.indications[product]),
            outside=int(look.topic.argmax()) == OUTSIDE,
            medical=bool(about.topics or about.conditions or about.drugs),
            beyond=space.beyond(best, about),
            silent=space.silent(best, about),
            restricted=space.asks_about(best, about.conditions),
        )

    def _look(self, rest: str, vector: Vectors) -> Look:
        weighed = self._grams.weigh(rest)
        chars, sense = self._views.near(weighed, vector)
        both = fused(chars, sense)
        return Look(weighed, sense, both, self._topics.scores(both))

    def _asked(self, product: str, about: Subject, look: Look) -> Asked:
        span = self._span[product]
        ridge = self._spaces[product].ridge.scores(look.both[span])
        return Asked(look.sense[span], ridge, look.topic, look.weighed.grams, look.weighed.mass, about)

    # ---------------------------------------------------------------- fitting

    def _fit(self, total: int) -> None:
        examples = [
            trial
            for key, space in self._spaces.items()
            for trial in trials(key, space, self._topics, self._span[key].start, total)
        ]
        self._candidate = fit_candidates([*examples, *self._unrelated(total), *self._unanswered()])
        self._use = offlabel.fit([*self._examples(examples), *self._made_up()])

    def _unrelated(self, total: int) -> Iterator[Trial]:
        """Questions about other things, asked of every product while a third of them is hidden."""
        texts = _texts("outside.yaml")
        rows = np.arange(total - len(texts), total)
        for fold in range(FOLDS):
            hidden = np.zeros(total, dtype=bool)
            hidden[rows[fold::FOLDS]] = True
            topics = self._topics.scores_without(hidden)
            for row, topic in zip(np.flatnonzero(hidden), topics, strict=True):
                text = texts[row - rows[0]]
                look = replace(self._look(text, self._views.sense[row]), topic=topic)
                for key, space in self._spaces.items():
                    question = self._asked(key, subject(text, (), self._reader.approved[key]), look)
                    present = np.ones(len(space.candidates), dtype=bool)
                    features = space.features(question)
                    yield Trial(key, text, features, present, -1, UNRELATED, topic, use=False)

    def _unanswered(self) -> Iterator[Trial]:
        """Questions about a medicine that no entry answers, asked of each product none of whose entries
        speaks of the drug or the disease."""
        read = [self._reader.names(text) for text in _texts("unanswered.yaml")]
        looks = map(self._look, [form for form, _ in read], self._encoder.fresh([form for form, _ in read]))
        for (form, names), look in zip(read, looks, strict=True):
            for key, space in self._spaces.items():
                _, about = self._reader.about(form, names, key)
                if space.speaks_of(about.conditions, about.drugs):
                    continue
                features = space.features(self._asked(key, about, look))
                there = np.ones(len(space.candidates), dtype=bool)
                yield Trial(key, form, features, there, -1, NOT_OURS, look.topic, use=False)

    def _examples(self, examples: Sequence[Trial]) -> Iterator[tuple[Floats, bool, float]]:
        for trial in examples:
            space, approved = self._spaces[trial.product], self._reader.approved[trial.product]
            chance = np.where(trial.there, self._candidate(trial.features), 0.0)
            row = offlabel.features(space, chance, trial.topic, trial.text, approved)
            yield row, trial.use, trial.weight

    def _made_up(self) -> Iterator[tuple[Floats, bool, float]]:
        questions = list(offlabel.made_up())
        vectors = self._encoder.fresh([text for text, _ in questions])
        for (rest, is_use), vector in zip(questions, vectors, strict=True):
            look = self._look(rest, vector)
            for key, space in self._spaces.items():
                approved = self._reader.approved[key]
                about = subject(rest, (), approved)
                if not about.conditions or (is_use and space.speaks_of(about.conditions)):
                    continue  # approved, or an entry may be what is meant
                chance = self._candidate(space.features(self._asked(key, about, look)))
                row = offlabel.features(space, chance, look.topic, rest, approved)
                yield row, is_use, offlabel.MADE_UP


@cache
def _texts(file: str) -> list[str]:
    raw = yaml.load(Path(__file__).with_name(file).read_text(encoding="utf-8"), Loader)  # noqa: S506
    return [plain(text) for text in raw]

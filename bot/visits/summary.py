"""The summary of a visit (拜访纪要), made by rules from the stored turns: no sentence without messages that
show it.

The sentences stand in `data/visits/summary.yaml`. It is labelled AI拜访 and counts as no rep's own visit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from bot.clock import CHINA, Clock
from bot.content import Edition, edition_in_force
from bot.evidence import note
from bot.knowledge import Content
from bot.model import Basis, Channel, InboundKind
from bot.store import contact_keys, contacts, visit_summaries, visits
from bot.store.database import Database, Tx
from bot.store.reviewed import SUMMARY
from bot.store.vault import Vault
from bot.store.visit_summaries import Said
from bot.store.visits import Fact, VisitRow
from bot.text.patterns import read_rules
from bot.text.private import hide_numbers
from bot.visits.choosing import product_of
from bot.visits.course import Ending
from bot.visits.under_way import under_way

LABEL = "AI拜访"
BATCH = 50
_CHANNELS = {
    Channel.WECHAT: "微信",
    Channel.WECOM: "企业微信",
    Channel.TELEGRAM: "Telegram",
    Channel.WEBCHAT: "网页",
}
_WEEKDAYS = "一二三四五六日"
_REQUESTS = {"material": ("material",), "rep": ("hand_over",), "meeting": ("hand_over",)}
_MEDICAL = "medical_information"
_QUOTED = 200  # characters of their words in a sentence


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence, and the ids of the messages that show it."""

    text: str
    turns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """A question in the doctor's words, and what answered it: `entry@revision` and documents."""

    question: str
    answers: tuple[str, ...]
    documents: tuple[str, ...]
    turns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    label: str
    time: str  # ISO 8601, China's time
    channel: str
    topic: str
    statements: tuple[Statement, ...]
    questions: tuple[Question, ...]
    attitude: str
    requests: tuple[str, ...]  # numbers of tasks alone, never what they say
    next_step: str


async def write_summaries(db: Database, vault: Vault, clock: Clock) -> None:
    """A draft for each visit that was begun and has ended. Many processes may do it."""
    async with db.begin() as tx:
        waiting = await visit_summaries.without(tx, BATCH)
        edition = await edition_in_force(tx) if waiting else None  # 0.1 s to read
    for visit_id in waiting:
        async with db.begin() as tx:
            visit = await visits.lock(tx, visit_id)
            if visit is not None and edition and await visit_summaries.settled(tx, visit):
                await _write(tx, vault, edition, visit, clock.now())


async def _write(tx: Tx, vault: Vault, edition: Edition, visit: VisitRow, now: datetime) -> None:
    contact = await contacts.by_id(tx, visit.contact_id)
    summary = await summarise(tx, vault, edition, visit)
    body = json.dumps(asdict(summary), ensure_ascii=False)
    key = await contact_keys.key_of(tx, vault, contact)
    sealed = await vault.seal(tx, key, body, SUMMARY.place)
    if await visit_summaries.add(tx, visit, contact.person_id, sealed, now):
        await note(tx, "summary.drafted", now, f"visit:{visit.id}", contact, body_enc=sealed)


async def summaries_of(tx: Tx, vault: Vault, external_id: str | None = None) -> list[dict[str, Any]]:
    """All, or a doctor's, the oldest first: id, doctor, state, version, and the parts of a `Summary`."""
    found = []
    for row in await visit_summaries.summaries(tx, external_id):
        body = json.loads(await vault.open_text(tx, row.person_id, row.body_enc, SUMMARY.place))
        standing = {"state": row.state, "version": row.version}
        found.append({"id": row.visit_id, "doctor": row.doctor, **standing, **body})
    return found


async def summarise(tx: Tx, vault: Vault, edition: Edition, visit: VisitRow) -> Summary:
    """What the stored turns tell of a visit that has ended."""
    contact = await contacts.by_id(tx, visit.contact_id)
    facts = await visits.facts(tx, visit.id)
    course = under_way(visit, facts)
    said = [
        one for one in await visit_summaries.said_in(tx, visit) if course.holds(one.received_at, one.turn_id)
    ]
    words = {one.id: await words_of(tx, vault, one) for one in said}
    requests = [
        (number, kind)
        for number, kind, at in await visit_summaries.requests_in(tx, visit, course.until)
        if course.holds(at, None)
    ]
    assert visit.begun_at is not None  # noqa: S101 - it was begun
    teller = _Teller(
        visit,
        edition.content,
        await product_of(tx, visit, edition.content),
        _CHANNELS[contact.account.channel],
        {one.turn_id: [other.id for other in said if other.turn_id == one.turn_id] for one in said},
        words,
        requests,
    )
    questions = tuple(teller.questions(said, edition))
    return Summary(
        label=LABEL,
        time=visit.begun_at.astimezone(CHINA).isoformat(timespec="seconds"),
        channel=teller.channel,
        topic=teller.product,
        statements=tuple(teller.statements(said, facts, questions)),
        questions=questions,
        attitude=teller.sentence("attitudes", _value(facts, "reaction")),
        requests=tuple(f"{kind}:{number}" for number, kind in requests),
        next_step=teller.follows(_value(facts, "next")),
    )


async def words_of(tx: Tx, vault: Vault, one: Said) -> str:
    """What they wrote; nothing of what a case, a request to medical information or a hint at money holds: a
    summary names the number of its task alone. Nor any number by which somebody is found."""
    found = one.screening or {}
    if (
        one.kind == InboundKind.TRIGGER
        or one.route == _MEDICAL
        or found.get("adverse_event")
        or found.get("money")
    ):
        return ""
    body = json.loads(await vault.open_text(tx, one.person_id, one.body_enc, "inbox.body"))
    return hide_numbers(str(body.get("text") or ""))


def _value(facts: Sequence[Fact], kind: str) -> str:
    return next((fact.value for fact in reversed(facts) if fact.kind == kind), "")


@dataclass(frozen=True, slots=True)
class _Teller:
    """The sentences of one visit."""

    visit: VisitRow
    content: Content
    product: str
    channel: str
    messages: Mapping[UUID | None, Sequence[int]]  # by turn
    words: Mapping[int, str]
    requests: Sequence[tuple[int, str]]

    def statements(
        self, said: Sequence[Said], facts: Sequence[Fact], questions: Sequence[Question]
    ) -> Iterator[Statement]:
        """In the order of the conversation. What no message shows is left out."""
        # An objection is told by its own sentence, also where approved content was quoted to it.
        objected = {
            number
            for fact in facts
            if fact.value in self._rules()["objection"]
            for number in self.messages.get(fact.turn_id, ())
        }
        asked = [
            *(self._question(one) for one in questions if not objected & set(one.turns)),
            *self._handed_over(said),
        ]
        found = [self._began(said), *(self._fact(fact) for fact in facts), *asked]
        shown = [one for one in found if one is not None and one.text and one.turns]
        yield from sorted(shown, key=lambda one: one.turns[0])

    def _began(self, said: Sequence[Said]) -> Statement | None:
        if not said or self.visit.begun_at is None:
            return None
        name = "asked_for" if self.visit.requested else "began"
        text = self._rules()[name].format(
            time=_spoken(self.visit.begun_at), channel=self.channel, product=self.product
        )
        return Statement(text, (said[0].id,))

    def _fact(self, fact: Fact) -> Statement | None:
        shown = tuple(self.messages.get(fact.turn_id, ()))
        if fact.kind == visits.ENDED and fact.value == Ending.STOPPED:
            shown = tuple(self.messages.get(None, shown))  # a stop is answered without a turn
        if fact.kind == "told":
            return Statement(self._told(fact.value), shown)
        if fact.kind == "moved":
            text = self._rules()["moved"].format(time=_spoken(datetime.fromisoformat(fact.value)))
            return Statement(text, shown)
        quoted = "；".join(filter(None, (self.words.get(number, "") for number in shown)))[:_QUOTED]
        quoted = quoted or self._rules()["withheld"]
        value = fact.value
        if fact.kind == visits.ENDED and value == "refused" and self.visit.key_message:
            value = "refused_after"
        return Statement(self.sentence(fact.kind, value, words=quoted), shown)

    def _told(self, basis: str) -> str:
        message = self.content.key_message.get(Basis.parse(basis).ref)
        if message is None:
            return ""
        return str(self._rules()["told"].format(point=message.point, source=self._document(message.document)))

    def questions(self, said: Sequence[Said], edition: Edition) -> Iterator[Question]:
        """What the doctor asked in between and was answered, turn by turn."""
        for turn_id, numbers in self.messages.items():
            of_turn = [one for one in said if one.turn_id == turn_id]
            asked = "；".join(filter(None, (self.words[number] for number in numbers)))
            entries = [one for one in of_turn[0].entries if one in self.content.entry]
            if asked and entries:
                yield Question(
                    asked,
                    tuple(f"{one}@{edition.numbers[one]}" for one in entries),
                    tuple(dict.fromkeys(self._document(self.content.entry[one].document) for one in entries)),
                    tuple(numbers),
                )

    def _question(self, question: Question) -> Statement:
        words, source = question.question[:_QUOTED], "、".join(question.documents)
        return Statement(self._rules()["question"].format(words=words, source=source), question.turns)

    def _handed_over(self, said: Sequence[Said]) -> Iterator[Statement]:
        """That a question went to medical information; no word of it."""
        for turn_id, numbers in self.messages.items():
            if any(one.route == _MEDICAL for one in said if one.turn_id == turn_id):
                text = self._rules()["open_question"].format(tasks=self._tasks((_MEDICAL,)))
                yield Statement(text, tuple(numbers))

    def sentence(self, kind: str, value: str, words: str = "") -> str:
        """The sentence for a fact; "" where there is none."""
        template = self._rules().get(kind, {}).get(value, "")
        return str(template.format(product=self.product, words=words))

    def follows(self, wanted: str) -> str:
        """Who does what next, by what they answered; a task is named where there is one."""
        rules, tasks = self._rules()["follows"], self._tasks(_REQUESTS.get(wanted, ()))
        template = rules.get(f"{wanted}_asked" if tasks else wanted) or rules.get(wanted) or rules["nothing"]
        text = str(template.format(product=self.product, tasks=tasks))
        return text if tasks else text.replace("（任务 ）", "")

    def _tasks(self, kinds: Sequence[str]) -> str:
        return "、".join(str(number) for number, kind in self.requests if kind in kinds)

    def _document(self, name: str) -> str:
        document = self.content.document[name]
        return f"《{document.title}》{document.version}"

    @staticmethod
    def _rules() -> Mapping[str, Any]:
        found: Mapping[str, Any] = read_rules("visits", "summary")
        return found


def _spoken(moment: datetime) -> str:
    local = moment.astimezone(CHINA)
    return f"{local.month}月{local.day}日（周{_WEEKDAYS[local.weekday()]}）{local:%H:%M}"

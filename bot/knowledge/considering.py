"""A whole message against one version of the content: its questions, with what was said before in mind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from bot.knowledge.decide import Decision, Route
from bot.knowledge.index import Index
from bot.knowledge.message import correction, questions, without_denied
from bot.knowledge.terms import hints
from bot.knowledge.text import LONGEST, plain
from bot.model import Audience

MOST_ANSWERS = 3  # a message that is longer is read by nobody


@dataclass(frozen=True, slots=True)
class Considered:
    """A question as understood, and what to do with it."""

    question: str
    decision: Decision


def consider(
    index: Index, text: str, audience: Audience, now: datetime, *, last_product: str = "", before: str = ""
) -> tuple[Considered, ...]:
    """The questions of a message in order, at least one; what nothing is known of only where there is nothing
    else. `last_product` was talked about last, `before` was asked last. A product that one clause names is
    that of the clauses after it."""
    text = text[:LONGEST]
    if repeated := _corrected(index, text, before, last_product):
        question, no = repeated
        decision = index.decide(question, audience, now, last_product=last_product)
        return (Considered(question, _without(decision, no, question)),)
    found: list[Considered] = []
    product, carried = last_product, False
    for clause in questions(without_denied(text)) or (without_denied(text),):
        one = _one(index, clause, audience, now, product, found[-1].question if found else before)
        if one.decision.named and one.decision.products:
            product, carried = one.decision.products[0], True
        elif carried and product in one.decision.products:
            one = replace(one, decision=replace(one.decision, named=True))
        found.append(one)
    if len(found) == 1:
        return tuple(found)
    told = list(_told(found))
    if not told:  # apart they say nothing; together they may
        return (_one(index, without_denied(text), audience, now, last_product, before),)
    return tuple(told)


def _one(index: Index, text: str, audience: Audience, now: datetime, product: str, before: str) -> Considered:
    """One question: as it stands, or where it names no product and finds no answer, with the one before."""
    question = index.resumed(text, before)
    decision = index.decide(question, audience, now, last_product=product)
    if question != text or decision.named or decision.route is Route.ANSWER or not before:
        return Considered(question, decision)
    if not (product and index.leans(text)):
        return Considered(question, decision)
    joined = index.after(text, before)
    again = index.decide(joined, audience, now, last_product=product)
    # Joined, the words always score as the question before: its answer must speak of the new ones, too.
    if again.entry is not None and index.speaks_of(again.entry, text):
        return Considered(joined, again)
    return Considered(question, decision)


def _told(found: list[Considered]) -> Iterator[Considered]:
    """Those worth a reply: each entry once, at most three, and of those that nothing answers only what names
    a product or may be a use."""
    answered: set[str] = set()
    answers = any(one.decision.entry for one in found)
    for one in found:
        decision = one.decision
        if decision.entry is not None:
            if decision.entry.id not in answered and len(answered) < MOST_ANSWERS:
                answered.add(decision.entry.id)
                yield one
        elif decision.route is Route.CLARIFY:
            if not answers or decision.named:
                yield one
        elif (
            decision.off_label or decision.comparison or (decision.route is not Route.NONE and decision.named)
        ):
            yield one


def _corrected(index: Index, text: str, before: str, product: str) -> tuple[str, str] | None:
    """The question before with the part exchanged that these words put right, and what is not meant."""
    found = correction(text)
    if found is None:
        return None
    question = index.exchanged(before, found.yes, found.no, product)
    return (question, found.no) if question else None


def _without(decision: Decision, no: str, question: str) -> Decision:
    """What is not meant is not offered."""
    if not no or not decision.options:
        return decision
    unwanted = {*hints(plain(no))} - {*hints(plain(question))}
    kept = tuple(one for one in decision.options if not unwanted & {*hints(plain(one.question))})
    return (
        replace(decision, options=kept)
        if kept
        else replace(decision, route=Route.MEDICAL_INFORMATION, options=())
    )

"""The assistant's wording of a draft: sentence by sentence, and only where the turns bear it.

The draft of the rules stands first, and stays as it is whenever the assistant is slow, away, wrong or
overtaken by a colleague. A draft is asked for once.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from bot.assistant import Endpoint, Pseudonyms, Support, ask, fault_of
from bot.evidence import note
from bot.runtime.loops import together_or_alone
from bot.store import desk_summaries, doctors, reviewed, visit_summaries, visits
from bot.store.database import Tx
from bot.store.reviewed import Standing
from bot.store.vault import Vault
from bot.store.visit_summaries import Said
from bot.visits import reviewing
from bot.visits.reviewing import SUMMARY
from bot.visits.summary import words_of

if TYPE_CHECKING:
    import aiohttp

    from bot.runtime.services import Services

log = structlog.get_logger()
PHRASING = 10.0  # seconds between looks
_BATCH = 3
_FRESH = timedelta(hours=1)  # what was drafted before the assistant was there stays as it is
_LONGEST = 500  # characters of a turn that are shown to it


@dataclass(frozen=True, slots=True)
class _Turn:
    """A message of the doctor's as the assistant knows it: by a number of its own, without names."""

    number: int
    inbox_id: int
    words: str
    answer: str


@dataclass(frozen=True, slots=True)
class _Case:
    """A draft, and what may be shown of it."""

    standing: Standing
    body: Mapping[str, Any]
    turns: tuple[_Turn, ...]
    sentences: Mapping[int, tuple[str, tuple[int, ...]]]  # by place: without names, the turns' numbers

    def question(self) -> dict[str, Any]:
        return {
            "turns": [{"id": one.number, "doctor": one.words, "answer": one.answer} for one in self.turns],
            "sentences": [
                {"of": place, "text": text, "turns": list(turns)}
                for place, (text, turns) in self.sentences.items()
            ],
        }


async def phrase_drafts(services: Services, http: aiohttp.ClientSession, endpoint: Endpoint) -> None:
    """One round. Many processes may do it."""
    now = services.clock.now()
    async with services.db.begin() as tx:
        found = await visit_summaries.to_phrase(tx, now - _FRESH, now, _BATCH)
    for visit_id in found:
        await together_or_alone("phrasing", [visit_id], partial(_phrase, services, http, endpoint))


async def _phrase(
    services: Services, http: aiohttp.ClientSession, endpoint: Endpoint, visit_ids: Sequence[int]
) -> None:
    for visit_id in visit_ids:
        async with services.db.begin() as tx:
            case = await _read(tx, services.vault, visit_id)
        if case is None or not case.sentences:
            continue
        said = await ask(http, endpoint, case.question())
        faults: Counter[str] = Counter()
        accepted = dict(_supported(case, said, faults))
        log.info("assistant.phrased", visit=visit_id, kept=len(accepted), dropped=dict(faults))
        if accepted:
            async with services.db.begin() as tx:
                await _write(tx, services, case, accepted, endpoint.settings.model, faults.total())


async def _read(tx: Tx, vault: Vault, visit_id: int) -> _Case | None:
    standing = await reviewed.standing(tx, SUMMARY.store, visit_id)
    visit = await visits.by_id(tx, visit_id)
    if standing is None or visit is None:
        return None
    body = await reviewing.body_before(tx, vault, SUMMARY, standing)
    hide = await _pseudonyms(tx, vault, visit_id)
    turns = tuple(await _turns(tx, vault, hide, await visit_summaries.said_in(tx, visit)))
    numbers = {one.inbox_id: one.number for one in turns}
    sentences = {}
    for place, one in enumerate(body["statements"]):
        shown = tuple(numbers[inbox_id] for inbox_id in one["turns"] if inbox_id in numbers)
        if shown:
            sentences[place] = (hide.hide(one["text"]), shown)
    return _Case(standing, body, turns, sentences)


async def _pseudonyms(tx: Tx, vault: Vault, visit_id: int) -> Pseudonyms:
    line = await desk_summaries.line_of(tx, vault, visit_id)
    assert line is not None  # noqa: S101 - its standing was read in this transaction
    rep = await doctors.rep_of(tx, line.person_id)
    return Pseudonyms((line.doctor, line.external_id, rep or ""), (line.hospital,))


async def _turns(tx: Tx, vault: Vault, hide: Pseudonyms, said: Sequence[Said]) -> list[_Turn]:
    """What may stand in a summary alone: no word of a case, of medical information, of money."""
    answers = await visit_summaries.answers_in(tx, [one.turn_id for one in said if one.turn_id])
    found: list[_Turn] = []
    for one in said:
        if words := await words_of(tx, vault, one):
            told = []
            for person_id, sealed in answers.get(one.turn_id, ()):
                body = json.loads(await vault.open_text(tx, person_id, sealed, "outbox.body"))
                told += [text for text, basis in body["parts"] if basis and not basis.startswith("person:")]
            answer = hide.hide("\n".join(told))[:_LONGEST]
            found.append(_Turn(len(found) + 1, one.id, hide.hide(words)[:_LONGEST], answer))
    return found


def _supported(case: _Case, said: Any, faults: Counter[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """By place, the sentences that the turns they cite bear; why the others do not is counted."""
    given = said.get("sentences") if isinstance(said, dict) else None
    known, done = {one.number: one for one in case.turns}, set()
    for one in given[: 2 * len(case.sentences)] if isinstance(given, list) else ():
        place, text, cited = _parts(one)
        if place not in case.sentences or place in done:
            faults["unknown"] += 1
            continue
        own, allowed = case.sentences[place]
        if not cited or not set(cited) <= set(allowed):
            faults["turns"] += 1
            continue
        shown = [known[number] for number in dict.fromkeys(cited)]
        words = tuple(words for turn in shown for words in (turn.words, turn.answer) if words)
        if fault := fault_of(text, Support(own, words)):
            faults[fault] += 1
            continue
        done.add(place)
        if text != case.body["statements"][place]["text"]:
            yield place, {"text": text, "turns": [turn.inbox_id for turn in shown], "phrased": True}


def _parts(one: Any) -> tuple[int, str, list[int]]:
    """(place, text, turns) of what it gave; -1: it is no sentence."""
    if not isinstance(one, dict):
        return -1, "", []
    place, text, cited = one.get("of"), one.get("text"), one.get("turns")
    if type(place) is not int or not isinstance(text, str) or not isinstance(cited, list):
        return -1, "", []
    if not all(type(number) is int for number in cited):
        return -1, "", []
    return place, text.strip(), cited


async def _write(
    tx: Tx,
    services: Services,
    case: _Case,
    accepted: Mapping[int, dict[str, Any]],
    model: str,
    dropped: int,
) -> None:
    """A version of its own: the rules' draft and the difference stay. Nothing where a colleague was first."""
    before, now = case.standing, services.clock.now()
    found = await reviewing.lock(tx, SUMMARY, before.id)
    if found is None or (found.state, found.version) != (before.state, before.version):
        return
    said = [accepted.get(place, one) for place, one in enumerate(case.body["statements"])]
    sealed = await reviewing.seal(tx, services.vault, SUMMARY, found, {**case.body, "statements": said})
    new = replace(found, version=found.version + 1, body_enc=sealed)
    await reviewed.rewrite(tx, SUMMARY.store, new, "phrasing", "", now)
    facts: dict[str, Any] = {"model": model, "kept": len(accepted), "dropped": dropped}
    await note(tx, "summary.phrased", now, f"visit:{new.id}", new, body_enc=sealed, **facts)

"""医学信息: requests by due time, one with its answer and its review, and what a colleague does with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot import medical_information as room
from bot.compliance import check_text
from bot.content import Edition
from bot.desk.reading import Desk, masked
from bot.desk.watching import Flag, watched
from bot.evidence import Owner, note
from bot.knowledge import Document, Entry, Product, is_valid
from bot.medical_information import Answer, EntryDraft, RequestState, answer_message
from bot.model import Audience, Fault, MedrepError
from bot.people import takeover
from bot.staff import Role, Session
from bot.store import contacts, desk_chats, desk_requests, doctors, medical_requests
from bot.store import tasks as task_rows
from bot.store.database import Tx
from bot.store.desk_chats import ChatMessage
from bot.store.desk_requests import RequestCounts, RequestLine, RequestStep
from bot.store.vault import Vault

REQUEST_READERS = frozenset({Role.MEDICAL, Role.REVIEWER, Role.PV, Role.COMPLIANCE, Role.AUDITOR})
LISTED, TURNS = 100, 12  # requests in a list, messages before the question


@dataclass(frozen=True, slots=True)
class Sources:
    """What an answer may cite and quote: documents in force, known sections of each, entries."""

    documents: tuple[Document, ...]
    sections: tuple[str, ...]
    entries: tuple[Entry, ...]
    products: tuple[Product, ...]


@dataclass(frozen=True, slots=True)
class RequestPage:
    """A request as it stands. `message`: what leaves when it is approved, or has left; `wrote`: this
    colleague wrote some of it, and so does not review it; `blocks`: why nothing reaches the doctor now."""

    now: datetime
    line: RequestLine
    answer: Answer | None
    message: str
    steps: tuple[RequestStep, ...]
    before: tuple[ChatMessage, ...]
    sources: Sources
    colleagues: tuple[tuple[str, str], ...]
    blocks: tuple[str, ...]
    wrote: bool
    offered: bool
    may_take: bool
    may_write: bool
    may_review: bool
    may_send: bool
    may_tell: bool
    may_offer: bool


async def requests(reading: Desk, who: Session, which: str) -> tuple[list[RequestLine], RequestCounts]:
    """Those of a list (open, review, mine, done), and how many there are."""
    async with reading.reading(who) as tx:
        found = await desk_requests.requests(tx, reading.services.vault, which, who.login, LISTED)
        return found, await request_counts(reading, tx, who)


async def request_counts(reading: Desk, tx: Tx, who: Session) -> RequestCounts:
    found = await desk_requests.counts(tx, who.login, reading.services.clock.now())
    return found if who.roles & room.REVIEWERS else replace(found, review=0)


async def request(reading: Desk, who: Session, task_id: int) -> RequestPage:
    """Raises MedrepError(NOT_FOUND): there is none, or not for this colleague."""
    services, now = reading.services, reading.services.clock.now()
    async with reading.reading(who) as tx:
        line = await _seen(reading, tx, task_id)
        steps = await desk_requests.steps(tx, services.vault, task_id)
        turns = await desk_chats.transcript(tx, services.vault, [line.contact_id], TURNS, line.opened_at)
    async with services.db.begin() as tx:
        owner = Owner(line.person_id, line.contact_id)
        await note(tx, "request.read", now, f"task:{task_id}", owner, login=who.login)
        if not line.question:
            (row,) = await task_rows.read(tx, services.vault, task_id=task_id)
            line = replace(line, question=row.detail or "")
        edition = await reading.in_force(tx)
        colleagues = await medical_requests.colleagues(tx, Role.MEDICAL)
        blocks = await _blocks(tx, line, who, now)
    saved = [one for one in steps if one.kind == "saved" and one.body]
    answer = Answer.from_json(saved[-1].body) if saved else None
    wrote = any(one.login == who.login for one in saved)
    offered = any(one.kind == "offered" for one in steps)
    medical, lives = Role.MEDICAL in who.roles, not line.done and line.state != RequestState.ERASED
    decided = line.state in (*room.DECIDED, "held")
    return RequestPage(
        now=now,
        line=line,
        answer=answer,
        message=answer_message(answer, off_label=line.off_label) if answer else "",
        steps=tuple(reversed(steps)),
        before=tuple(masked(one, who) for one in turns),
        sources=_sources(edition, line.product, now),
        colleagues=tuple(colleagues),
        blocks=blocks if lives else (),
        wrote=wrote,
        offered=offered,
        may_take=medical and lives and line.state != RequestState.ANSWERED,
        may_write=medical and lives and line.state in room.WRITABLE and line.owner in ("", who.login),
        may_review=lives
        and line.state == RequestState.IN_REVIEW
        and not wrote
        and bool(who.roles & room.REVIEWERS),
        may_send=medical and lives and line.state == RequestState.UNSENT,
        may_tell=medical and lives and decided and line.wish in ("phone", "written"),
        may_offer=medical
        and line.state in (RequestState.ANSWERED, RequestState.APPROVED)
        and not line.off_label
        and not offered,
    )


async def _blocks(tx: Tx, line: RequestLine, who: Session, now: datetime) -> tuple[str, ...]:
    """Faults, and `unverified`."""
    contact = await contacts.by_id(tx, line.contact_id)
    found = [str(one) for one in await takeover.obstacles(tx, contact, who.login, now)]
    if not await doctors.verified(tx, [contact.person_id]):
        found.append("unverified")
    return tuple(one for one in found if one != Fault.UNREGISTERED)


def _sources(edition: Edition | None, product: str, now: datetime) -> Sources:
    if edition is None:
        return Sources((), (), (), ())
    content = edition.content
    documents = [
        one
        for one in content.documents
        if one.audience == Audience.DOCTOR
        and is_valid(one, now)
        and (not product or one.product in (None, product))
    ]
    names = {one.id for one in documents}
    entries = [
        one for one in content.entries if one.document in names and (not product or one.product == product)
    ]
    cited = [one.section for one in entries]
    cited += [
        one.section for message in content.key_messages for one in message.references if one.document in names
    ]
    return Sources(tuple(documents), tuple(dict.fromkeys(cited)), tuple(entries), content.products)


async def _seen(reading: Desk, tx: Tx, task_id: int) -> RequestLine:
    line = await desk_requests.request(tx, reading.services.vault, task_id)
    if line is None:
        raise MedrepError(Fault.NOT_FOUND, "no such request")
    return line


async def _acted(
    reading: Desk,
    who: Session,
    act: Callable[..., Awaitable[object]],
    task_id: int,
    seen: int,
    *given: object,
    words: Sequence[str] = (),
) -> None:
    """`act` of the room (tx, vault, task, step shown, `given`, login, now), after this colleague was found to
    see the request; what the rules forbade in these `words` is on the record. Raises as `act` does."""
    services, now = reading.services, reading.services.clock.now()
    async with reading.reading(who) as tx:
        line = await _seen(reading, tx, task_id)
    try:
        async with services.db.begin() as tx:
            await act(tx, services.vault, task_id, seen, *given, who.login, now)
    except MedrepError as error:
        if error.fault == Fault.REFUSED_TEXT:
            rules = sorted({found.rule for text in words for found in check_text(text, Audience.DOCTOR)})
            owner = Owner(line.person_id, line.contact_id)
            async with services.db.begin() as tx:
                await note(tx, "answer.refused", now, f"task:{task_id}", owner, login=who.login, rules=rules)
        raise


async def assign_request(reading: Desk, who: Session, task_id: int, seen: int, to: str) -> None:
    """`to`: the login of a colleague of medical."""
    await _acted(reading, who, room.assign, task_id, seen, to)


async def save_answer(
    reading: Desk,
    who: Session,
    task_id: int,
    seen: int,
    text: str,
    references: Sequence[tuple[str, str]],
    *,
    submit: bool,
) -> None:
    """`submit`: what was written goes to a second colleague at once; unchanged, no version is made of it."""
    if not submit:
        await _acted(reading, who, room.save, task_id, seen, text, references, words=[text])
    elif await _unchanged(reading, who, task_id, text, references):
        await _acted(reading, who, room.submit, task_id, seen)
    else:
        await _acted(reading, who, _save_and_submit, task_id, seen, text, references, words=[text])


async def _save_and_submit(
    tx: Tx,
    vault: Vault,
    task_id: int,
    seen: int,
    text: str,
    references: Sequence[tuple[str, str]],
    login: str,
    now: datetime,
) -> None:
    number = await room.save(tx, vault, task_id, seen, text, references, login, now)
    await room.submit(tx, vault, task_id, number, login, now)


async def _unchanged(
    reading: Desk, who: Session, task_id: int, text: str, references: Sequence[tuple[str, str]]
) -> bool:
    async with reading.reading(who) as tx:
        steps = await desk_requests.steps(tx, reading.services.vault, task_id)
    saved = [one for one in steps if one.kind == "saved" and one.body]
    if not saved:
        return False
    answer = Answer.from_json(saved[-1].body)
    cited = [(one.document, one.section) for one in answer.references]
    return answer.text == text.strip() and cited == [(one, what.strip()) for one, what in references if one]


async def quote_entry(reading: Desk, who: Session, task_id: int, seen: int, entry: str) -> None:
    """The draft says what this approved entry says."""
    await _acted(reading, who, room.quote, task_id, seen, entry)


async def correct_request(
    reading: Desk, who: Session, task_id: int, seen: int, reason: str, *, off_label: bool
) -> None:
    await _acted(reading, who, room.correct, task_id, seen, off_label, reason, words=[reason])


async def approve_answer(reading: Desk, who: Session, task_id: int, seen: int) -> None:
    """It leaves, or waits for the doctor's next message."""
    await _acted(reading, who, room.approve, task_id, seen)


async def return_answer(reading: Desk, who: Session, task_id: int, seen: int, reason: str) -> None:
    await _acted(reading, who, room.send_back, task_id, seen, reason, words=[reason])


async def send_answer_again(reading: Desk, who: Session, task_id: int, seen: int) -> None:
    await _acted(reading, who, room.send_again, task_id, seen)


async def answer_told(reading: Desk, who: Session, task_id: int, seen: int, remark: str) -> None:
    """They were phoned, or the letter has left."""
    await _acted(reading, who, room.told, task_id, seen, remark, words=[remark])


async def offer_answer(reading: Desk, who: Session, task_id: int, seen: int, made: EntryDraft) -> None:
    """A draft for the knowledge base; published is nothing."""
    words = (made.question, made.answer, *made.variants)
    await _acted(reading, who, room.offer, task_id, seen, made, words=words)


async def watch_answer(reading: Desk, who: Session, task_id: int, text: str) -> tuple[Flag, ...]:
    """What is found in an answer while it is typed. Raises MedrepError(NOT_FOUND)."""
    async with reading.reading(who) as tx:
        await _seen(reading, tx, task_id)
    return watched(text[: room.LONGEST_TEXT])

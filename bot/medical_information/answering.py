"""A colleague of medical takes a request, writes its answer and hands it to a second one.

Every act names the step that its form was made from: another one is refused, and nothing is overwritten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.compliance import check_text
from bot.content import Edition, edition_in_force
from bot.evidence import note
from bot.knowledge import Entry
from bot.medical_information.request import (
    DECIDED,
    WRITABLE,
    RequestState,
    body_of,
    refuse,
    sealed_body,
)
from bot.medical_information.wording import (
    LONGEST,
    LONGEST_TEXT,
    MOST_REFERENCES,
    Answer,
    answer_message,
    cited,
    outdated,
)
from bot.model import Audience, Fault, MedrepError
from bot.safety import screen
from bot.staff import Role, colleague
from bot.store import contacting, contacts, medical_requests, tasks
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.medical_requests import RequestRow
from bot.store.staff import StaffRow
from bot.store.vault import Vault
from bot.tasks import report_case

ANSWERERS = frozenset({Role.MEDICAL})
REVIEWERS = frozenset({Role.MEDICAL, Role.REVIEWER})
LONGEST_REASON = 300  # characters


@dataclass(frozen=True, slots=True)
class Held:
    """A request that nobody else changes before the transaction ends, and who acts."""

    row: RequestRow
    contact: Contact
    by: StaffRow

    @property
    def login(self) -> str:
        return self.by.login or ""


async def hold(
    tx: Tx,
    task_id: int,
    seen: int | None,
    login: str,
    roles: frozenset[Role],
    states: frozenset[RequestState],
    *,
    done_too: bool = False,
) -> Held:
    """Raises MedrepError: NOT_FOUND, ERASED, CONFLICT (changed since `seen`, done, in none of these states,
    or not for this colleague)."""
    by = await colleague(tx, login, roles)
    contact_id = await medical_requests.contact_of(tx, task_id)
    if contact_id is None:
        raise MedrepError(Fault.NOT_FOUND, "no such request")
    await contacting.lock_contacts(tx, [contact_id])  # the contact first, as whoever erases a person
    row = await medical_requests.locked(tx, task_id)
    if row is None:
        raise MedrepError(Fault.NOT_FOUND, "no such request")
    if row.state == RequestState.ERASED:
        raise MedrepError(Fault.ERASED, "whoever asked was erased")
    if seen is not None and row.steps != seen:
        raise refuse("this request was changed since it was shown")
    if row.done and not done_too:
        raise refuse("this request is closed")
    if row.state not in states:
        raise refuse(f"this request is {row.state}")
    return Held(row, await contacts.by_id(tx, contact_id), by)


async def step(
    tx: Tx, vault: Vault, held: Held, kind: str, body: dict[str, Any], now: datetime, **values: Any
) -> int:
    """Keep what was done, and put it on the record; its number. An adverse event in what was typed is a case,
    as if the doctor had told it."""
    sealed = await sealed_body(tx, vault, held.contact, body)
    number = await medical_requests.add_step(tx, held.row, kind, held.login, sealed, now, **values)
    subject, facts = f"task:{held.row.task_id}", {"login": held.login, "step": number}
    await note(tx, f"request.{kind}", now, subject, held.contact, body_enc=sealed, **facts)
    typed = "" if body.get("entry") else str(body.get("text") or body.get("reason") or "")
    if screen(typed, held.contact.audience).adverse_event:
        key = f"request:{held.row.task_id}:{number}"
        await report_case(tx, vault, now=now, contact=held.contact, key=key, words=typed)
    return number


async def assign(tx: Tx, vault: Vault, task_id: int, seen: int, to: str, login: str, now: datetime) -> None:
    """It is this colleague's to answer; who takes it themselves knows of it. Raises MedrepError as `hold`."""
    held = await hold(tx, task_id, seen, login, ANSWERERS, frozenset(RequestState) - {RequestState.ANSWERED})
    owner = held.by if to == login else await colleague(tx, to, ANSWERERS)
    if held.row.owner == to:
        raise refuse("it is theirs already")
    await tasks.own(tx, task_id, owner.id)
    if to == login:
        await tasks.acknowledge(tx, task_id, now, login)
    await step(tx, vault, held, "taken", {"owner": owner.name}, now)


async def save(
    tx: Tx,
    vault: Vault,
    task_id: int,
    seen: int,
    text: str,
    references: Sequence[tuple[str, str]],
    login: str,
    now: datetime,
) -> int:
    """A new version of the draft; `references`: (document, section). The number of the step.

    What nobody has taken becomes theirs. Raises MedrepError: as `hold`, CONFLICT (a colleague answers it),
    BAD_INPUT, REFUSED_TEXT (one line a finding).
    """
    held = await _theirs(tx, task_id, seen, login, now)
    edition = await _edition(tx)
    wanted = list(dict.fromkeys((one, section.strip()) for one, section in references if one))
    if len(wanted) > MOST_REFERENCES:
        raise MedrepError(Fault.BAD_INPUT, f"at most {MOST_REFERENCES} references")
    cites = tuple(cited(edition.content, one, section, now) for one, section in wanted)
    answer = Answer(text.strip(), cites)
    if not answer.text or len(answer.text) > LONGEST_TEXT:
        raise MedrepError(Fault.BAD_INPUT, f"an answer is 1 to {LONGEST_TEXT} characters")
    return await _keep(tx, vault, held, answer, now)


async def quote(
    tx: Tx, vault: Vault, task_id: int, seen: int, entry_id: str, login: str, now: datetime
) -> int:
    """A new version that says what an approved entry says, with its reference. Raises as `save`."""
    held = await _theirs(tx, task_id, seen, login, now)
    edition = await _edition(tx)
    entry = edition.content.entry.get(entry_id)
    if not isinstance(entry, Entry):
        raise MedrepError(Fault.BAD_INPUT, "no such entry is in force")
    cites = (cited(edition.content, entry.document, entry.section, now),)
    basis = edition.basis(entry.id)
    return await _keep(tx, vault, held, Answer(entry.answer, cites, f"{basis.ref}@{basis.version}"), now)


async def _theirs(tx: Tx, task_id: int, seen: int, login: str, now: datetime) -> Held:
    held = await hold(tx, task_id, seen, login, ANSWERERS, WRITABLE)
    if held.row.owner not in (None, login):
        raise refuse("a colleague is answering this request")
    if held.row.owner is None:
        await tasks.own(tx, task_id, held.by.id)
        await tasks.acknowledge(tx, task_id, now, login)
    return held


async def _keep(tx: Tx, vault: Vault, held: Held, answer: Answer, now: datetime) -> int:
    watch(answer.text)
    if len(answer_message(answer, off_label=True).encode()) > LONGEST:
        raise MedrepError(Fault.BAD_INPUT, f"with its references it is more than {LONGEST} bytes")
    number = held.row.steps + 1
    values = {"state": RequestState.DRAFT, "answer": number}
    return await step(tx, vault, held, "saved", answer.to_json(), now, **values)


async def submit(tx: Tx, vault: Vault, task_id: int, seen: int, login: str, now: datetime) -> None:
    """The draft goes to a second colleague. Raises MedrepError: as `hold`, BAD_INPUT (no reference, or one
    that may not be quoted any more)."""
    held = await hold(tx, task_id, seen, login, ANSWERERS, frozenset({RequestState.DRAFT}))
    answer = await newest_answer(tx, vault, held.row)
    ready(answer, (await _edition(tx)), now)
    await step(tx, vault, held, "submitted", {}, now, state=RequestState.IN_REVIEW)


def ready(answer: Answer, edition: Edition, now: datetime) -> None:
    """Raises MedrepError(BAD_INPUT): it may not go to a doctor as it is."""
    if not answer.references:
        raise MedrepError(Fault.BAD_INPUT, "an answer names where it stands")
    if title := outdated(answer, edition.content, now):
        raise MedrepError(Fault.BAD_INPUT, f"{title} was replaced, was withdrawn or has expired")


async def correct(
    tx: Tx, vault: Vault, task_id: int, seen: int, off_label: bool, reason: str, login: str, now: datetime
) -> None:
    """Whether the question is outside of the label was heard wrong. What waits for review is a draft again.

    Raises MedrepError: as `hold`, BAD_INPUT, REFUSED_TEXT.
    """
    held = await hold(tx, task_id, seen, login, ANSWERERS, WRITABLE)
    _reasoned(reason)
    if held.row.off_label == off_label:
        raise MedrepError(Fault.BAD_INPUT, "nothing was changed")
    values: dict[str, Any] = {"off_label": off_label}
    if held.row.state == RequestState.IN_REVIEW:
        values["state"] = RequestState.DRAFT
    body = {"off_label": off_label, "reason": reason.strip()}
    await step(tx, vault, held, "corrected", body, now, **values)


async def told(tx: Tx, vault: Vault, task_id: int, seen: int, remark: str, login: str, now: datetime) -> None:
    """The approved answer was given by phone or in writing as well: the request is done."""
    held = await hold(tx, task_id, seen, login, ANSWERERS, DECIDED)
    _reasoned(remark)
    if held.row.wish not in ("phone", "written"):
        raise refuse("they wanted the answer in the chat alone")
    await step(tx, vault, held, "told", {"reason": remark.strip()}, now)
    await tasks.close(tx, task_id, now, login, "answered")
    subject = f"task:{task_id}"
    await note(tx, "task.closed", now, subject, held.contact, kind="medical_information", login=login)


def _reasoned(reason: str) -> None:
    if not reason.strip() or len(reason) > LONGEST_REASON:
        raise MedrepError(Fault.BAD_INPUT, f"a reason is 1 to {LONGEST_REASON} characters")
    watch(reason)


def watch(text: str) -> None:
    """Raises MedrepError(REFUSED_TEXT): a rule of compliance forbids it, one line a finding."""
    if findings := check_text(text, Audience.DOCTOR):
        lines = [f"{found.rule}: {text[slice(*found.span)]}: {found.why}" for found in findings]
        raise MedrepError(Fault.REFUSED_TEXT, "\n".join(lines))


async def newest_answer(tx: Tx, vault: Vault, row: RequestRow) -> Answer:
    """The newest version. Raises MedrepError(CONFLICT): nothing was written yet."""
    found = await medical_requests.steps(tx, row.task_id, ["saved"])
    if row.answer is None or not found:
        raise refuse("there is no answer yet")
    return Answer.from_json(await body_of(tx, vault, found[-1]))


async def _edition(tx: Tx) -> Edition:
    found = await edition_in_force(tx)
    if found is None:
        raise MedrepError(Fault.NO_BASIS, "no content is in force")
    return found

"""Requests to medical information as a colleague reads them at the console: see `bot.store.desk`.

Of the doctor a request names what its reader sees of doctors; a reviewer sees none.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from bot.model import ERASED_TEXT
from bot.store.database import Tx, hot
from bot.store.desk import opened
from bot.store.vault import Vault


@dataclass(frozen=True, slots=True)
class RequestLine:
    """A request in the list. `doctor` is empty where they are not for this reader; `question` is empty where
    it stands in the task alone. `state`: as stored, or `closed` (done without an answer) or `held` (approved,
    and waits until they write)."""

    task_id: int
    contact_id: int
    person_id: UUID
    doctor: str
    hospital: str
    department: str
    question: str
    product: str
    wish: str
    off_label: bool
    state: str
    steps: int
    answer: int | None
    opened_at: datetime
    due_at: datetime
    promised_at: datetime | None
    owner: str
    owner_name: str
    escalated_at: datetime | None
    raised_at: datetime | None
    answered_at: datetime | None
    done: bool
    fault: str


_LINES = """
    SELECT question.*, doctor.name_enc, doctor.hospital, doctor.department
    FROM medical_question AS question
         LEFT JOIN contact ON contact.id = question.contact_id
         LEFT JOIN doctor ON doctor.person_id = contact.person_id
    WHERE {which} ORDER BY {order} LIMIT %(limit)s
    """
_OPEN = "question.task_state <> 'done'"
_ORDER = "question.due_at, question.task_id"
_LISTS = {
    "open": _LINES.format(which=_OPEN, order=_ORDER),
    "review": _LINES.format(which=f"{_OPEN} AND question.state = 'in_review'", order=_ORDER),
    "mine": _LINES.format(which=f"{_OPEN} AND question.owner_login = %(login)s", order=_ORDER),
    "done": _LINES.format(which="question.task_state = 'done'", order="question.closed_at DESC"),
    "one": _LINES.format(which="question.task_id = %(task)s", order=_ORDER),
}


async def requests(tx: Tx, vault: Vault, which: str, login: str, limit: int) -> list[RequestLine]:
    """Those of a list (open, review, mine, done): what is due first stands first; of done, the newest."""
    return await _lines(tx, vault, await hot(tx, _LISTS[which], {"login": login, "limit": limit}))


async def request(tx: Tx, vault: Vault, task_id: int) -> RequestLine | None:
    found = await _lines(tx, vault, await hot(tx, _LISTS["one"], {"task": task_id, "limit": 1}))
    return found[0] if found else None


async def _lines(tx: Tx, vault: Vault, rows: list[Any]) -> list[RequestLine]:
    await vault.prepare(tx, [row.person_id for row in rows])
    return [await _line(tx, vault, row) for row in rows]


async def _line(tx: Tx, vault: Vault, row: Any) -> RequestLine:
    done, state = row.task_state == "done", row.state
    if state == "approved" and row.sending == "held":
        state = "held"
    if done and state not in ("answered", "approved", "held", "erased"):
        state = "closed"
    question = ERASED_TEXT
    if state != "erased":
        question = await opened(tx, vault, row.person_id, row.question_enc, "medical_request.question")
    return RequestLine(
        task_id=row.task_id,
        contact_id=row.contact_id,
        person_id=row.person_id,
        doctor=await opened(tx, vault, row.person_id, row.name_enc, "doctor.name"),
        hospital=row.hospital or "",
        department=row.department or "",
        question=question,
        product=row.product,
        wish=row.wish,
        off_label=row.off_label,
        state=state,
        steps=row.steps,
        answer=row.answer,
        opened_at=row.opened_at,
        due_at=row.due_at,
        promised_at=row.promised_at,
        owner=row.owner_login or "",
        owner_name=row.owner_name or "",
        escalated_at=row.escalated_at,
        raised_at=row.raised_at,
        answered_at=row.answered_at,
        done=done,
        fault=row.send_fault or "",
    )


@dataclass(frozen=True, slots=True)
class RequestStep:
    """What was done with a request; `body` is empty where it was deleted."""

    number: int
    kind: str
    login: str
    name: str
    at: datetime
    body: dict[str, Any]


_STEPS = """
    SELECT step.number, step.kind, step.login, step.person_id, step.body_enc, step.at,
           coalesce(staff.name, step.login) AS name
    FROM medical_step AS step LEFT JOIN staff ON staff.login = step.login
    WHERE step.task_id = %(task)s ORDER BY step.number
    """


async def steps(tx: Tx, vault: Vault, task_id: int) -> list[RequestStep]:
    """All of them, the oldest first."""
    found = []
    for row in await hot(tx, _STEPS, {"task": task_id}):
        plain = await opened(tx, vault, row.person_id, row.body_enc, "medical_step.body")
        body = {} if plain == ERASED_TEXT else json.loads(plain)
        found.append(RequestStep(row.number, row.kind, row.login, row.name, row.at, body))
    return found


@dataclass(frozen=True, slots=True)
class RequestCounts:
    """Of what is not done: all, what is overdue, what did not leave, what this colleague may review."""

    open: int
    overdue: int
    unsent: int
    review: int


_COUNTS = """
    SELECT count(*) AS open, count(*) FILTER (WHERE due_at < %(now)s) AS overdue,
           count(*) FILTER (WHERE state = 'unsent') AS unsent,
           count(*) FILTER (WHERE state = 'in_review' AND NOT EXISTS (
               SELECT FROM medical_step AS step WHERE step.task_id = medical_question.task_id
                AND step.kind = 'saved' AND step.login = %(login)s)) AS review
    FROM medical_question WHERE task_state <> 'done'
    """


async def counts(tx: Tx, login: str, now: datetime) -> RequestCounts:
    (row,) = await hot(tx, _COUNTS, {"login": login, "now": now})
    return RequestCounts(*row)

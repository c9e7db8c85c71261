"""Removing rows that were kept long enough, a batch at a time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, delete, exists, select, true, tuple_

from bot.model import InboxState
from bot.store.advisory import Lock, taken
from bot.store.database import Tx
from bot.store.occurrences import PENDING
from bot.store.tables import (
    appointment,
    attempt,
    case_sign,
    change_request,
    chat_note,
    crm_delivery,
    early_receipt,
    effect,
    inbox,
    material_open,
    material_sent,
    medical_request,
    medical_step,
    meeting_invitation,
    occurrence,
    offer,
    own_visit,
    own_visit_version,
    profile_event,
    profile_tag,
    suggestion,
    task,
    visit_fact,
    visit_summary,
    visit_summary_version,
)

_OVER = (
    InboxState.DONE.value,
    InboxState.FAILED.value,
    InboxState.EXPIRED.value,
    InboxState.CANCELLED.value,
)


def _of_task(table: Table, *which: ColumnElement[bool]) -> Select[Any]:
    return select(task.c.closed_at).where(task.c.id == table.c.task_id, *which)


def _closed_at(table: Table) -> ColumnElement[Any]:
    return _of_task(table).scalar_subquery()


def _request_is_over(table: Table) -> ColumnElement[bool]:
    return _of_task(table, task.c.state == "done").exists()


# What ages by which column; what is still under way never goes.
_AGES: dict[Table, tuple[ColumnElement[Any], ColumnElement[bool]]] = {
    effect: (effect.c.at, true()),
    attempt: (attempt.c.at, true()),
    case_sign: (case_sign.c.told_at, true()),
    offer: (offer.c.offered_at, true()),
    material_open: (material_open.c.opened_at, true()),
    material_sent: (material_sent.c.sent_at, ~exists().where(material_open.c.sent_id == material_sent.c.id)),
    appointment: (appointment.c.at, true()),
    meeting_invitation: (meeting_invitation.c.ends_at, true()),
    chat_note: (chat_note.c.at, true()),
    visit_fact: (visit_fact.c.at, true()),
    visit_summary_version: (visit_summary_version.c.at, true()),
    visit_summary: (visit_summary.c.made_at, true()),
    own_visit_version: (own_visit_version.c.at, true()),
    own_visit: (own_visit.c.made_at, true()),
    crm_delivery: (crm_delivery.c.made_at, crm_delivery.c.state != "waiting"),
    medical_step: (medical_step.c.at, _request_is_over(medical_step)),
    medical_request: (_closed_at(medical_request), _request_is_over(medical_request)),
    early_receipt: (early_receipt.c.at, true()),
    occurrence: (occurrence.c.due_at, occurrence.c.state != PENDING),
    profile_tag: (profile_tag.c.ended_at, true()),  # null: it stands
    profile_event: (profile_event.c.at, true()),
    suggestion: (suggestion.c.decided_at, suggestion.c.state != "open"),
    change_request: (change_request.c.decided_at, change_request.c.state != "open"),
    inbox: (inbox.c.received_at, inbox.c.state.in_(_OVER)),
}
_STORES = {table.name: table for table in _AGES}


async def become_pruner(tx: Tx) -> bool:
    """Whether this transaction alone prunes now."""
    return await taken(tx, Lock.PRUNING)


async def prune(tx: Tx, store: str, before: datetime, limit: int) -> int:
    """Delete up to `limit` rows of `store` from before then (business time); how many."""
    table = _STORES[store]
    age, over = _AGES[table]
    key = tuple(table.primary_key)
    old = select(*key).where(age < before, over).limit(limit).with_for_update(skip_locked=True)
    done = await tx.execute(delete(table).where(tuple_(*key).in_(old)))
    return int(done.rowcount)

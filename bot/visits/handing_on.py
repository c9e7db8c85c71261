"""What is approved goes to the CRM, as the file of it says it, in the transaction of the approval."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from bot import crm
from bot.clock import CHINA
from bot.store import contacts, desk_own_visits, desk_summaries, reviewed
from bot.store.database import Tx
from bot.store.desk_own_visits import OwnVisitLine
from bot.store.desk_summaries import SummaryLine
from bot.store.desk_versions import newest
from bot.store.vault import Vault
from bot.visits.document import VisitDocument, told_of
from bot.visits.reviewing import OWN_VISIT, SUMMARY, Reviewing


def document_of(line: SummaryLine | OwnVisitLine, body: dict[str, Any]) -> VisitDocument:
    number, visitor = (line.id, line.visitor) if isinstance(line, OwnVisitLine) else (line.visit_id, "")
    return VisitDocument(
        *(number, line.external_id, line.doctor, line.hospital, line.department, line.state),
        *(line.version, line.approved_name, line.approved_at, body, visitor),
    )


async def hand_on_summary(tx: Tx, vault: Vault, visit_id: int, now: datetime) -> None:
    """The summary of this visit as it stands: approved, or amended since."""
    line = await desk_summaries.line_of(tx, vault, visit_id)
    await _hand_on(tx, vault, SUMMARY, visit_id, line, now)


async def hand_on_own_visit(tx: Tx, vault: Vault, own_visit_id: int, now: datetime) -> None:
    """The visit that a colleague made, as it stands: approved, or amended since."""
    line = await desk_own_visits.line_of(tx, vault, own_visit_id)
    await _hand_on(tx, vault, OWN_VISIT, own_visit_id, line, now)


async def _hand_on(
    tx: Tx, vault: Vault, kind: Reviewing, number: int, line: SummaryLine | OwnVisitLine | None, now: datetime
) -> None:
    found = await reviewed.standing(tx, kind.store, number)
    assert line is not None and found is not None  # noqa: S101 - it was approved in this transaction
    body = await newest(tx, vault, kind.store, number)
    contact = None if found.contact_id is None else await contacts.by_id(tx, found.contact_id)
    event, told = f"{kind.name}.{found.state}", told_of(document_of(line, body))
    subject, of = f"{kind.subject}:{number}", contact or found.person_id
    await crm.tell(tx, vault, event, subject, found.version, envelope(event, now, told), now, of=of)


def envelope(event: str, now: datetime, data: dict[str, Any]) -> bytes:
    """The payload that Standard Webhooks proposes; what is no character stands as its escape."""
    told = {"type": event, "timestamp": now.astimezone(CHINA).isoformat(timespec="seconds"), "data": data}
    return json.dumps(told, ensure_ascii=False).encode("utf-8", "backslashreplace")

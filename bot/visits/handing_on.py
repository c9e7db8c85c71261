"""What is approved goes to the CRM, as the file of it says it, in the transaction of the approval."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from bot import crm
from bot.clock import CHINA
from bot.store import contacts, desk_own_visits, desk_summaries
from bot.store.database import Tx
from bot.store.desk_own_visits import OwnVisitLine
from bot.store.desk_summaries import SummaryLine
from bot.store.desk_versions import versions
from bot.store.reviewed import OWN_VISIT, SUMMARY, standing
from bot.store.vault import Vault
from bot.visits.document import VisitDocument, told_of


def document_of(line: SummaryLine | OwnVisitLine, body: dict[str, Any]) -> VisitDocument:
    number, visitor = (line.id, line.visitor) if isinstance(line, OwnVisitLine) else (line.visit_id, "")
    return VisitDocument(
        *(number, line.external_id, line.doctor, line.hospital, line.department, line.state),
        *(line.version, line.approved_name, line.approved_at, body, visitor),
    )


async def hand_on_summary(tx: Tx, vault: Vault, visit_id: int, now: datetime) -> None:
    """The summary of this visit as it stands: approved, or amended since."""
    line = await desk_summaries.line_of(tx, vault, visit_id)
    assert line is not None  # noqa: S101 - it was approved in this transaction
    kept = await versions(tx, vault, SUMMARY, visit_id)
    event, body = f"summary.{line.state}", told_of(document_of(line, kept[-1].body))
    contact = await contacts.by_id(tx, line.contact_id)
    subject = f"visit:{visit_id}"
    await crm.tell(tx, vault, event, subject, line.version, envelope(event, now, body), now, of=contact)


async def hand_on_own_visit(tx: Tx, vault: Vault, own_visit_id: int, now: datetime) -> None:
    """The visit that a colleague made, as it stands: approved, or amended since."""
    line = await desk_own_visits.line_of(tx, vault, own_visit_id)
    found = await standing(tx, OWN_VISIT, own_visit_id)
    assert line is not None and found is not None  # noqa: S101 - it was approved in this transaction
    contact = None if found.contact_id is None else await contacts.by_id(tx, found.contact_id)
    event, of = f"own_visit.{line.state}", contact or line.person_id
    body, subject = envelope(event, now, told_of(document_of(line, line.body))), f"own_visit:{own_visit_id}"
    await crm.tell(tx, vault, event, subject, line.version, body, now, of=of)


def envelope(event: str, now: datetime, data: dict[str, Any]) -> bytes:
    """The payload that Standard Webhooks proposes; what is no character stands as its escape."""
    told = {"type": event, "timestamp": now.astimezone(CHINA).isoformat(timespec="seconds"), "data": data}
    return json.dumps(told, ensure_ascii=False).encode("utf-8", "backslashreplace")

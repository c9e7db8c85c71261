"""The visits of an export: automated ones, those of colleagues, and who was told of them."""

from __future__ import annotations

import json
from typing import Any

from bot.model import ERASED_TEXT
from bot.privacy.exported_rows import Rows, at
from bot.store.reviewed import OWN_VISIT, SUMMARY, Reviewed
from bot.store.tables import (
    crm_delivery,
    own_visit,
    own_visit_version,
    visit,
    visit_fact,
    visit_summary,
    visit_summary_version,
)


async def visits_of(export: Rows) -> list[dict[str, Any]]:
    """Automated visits: how each went, what was noticed, its summary."""
    noticed = await export.rows(visit_fact)
    versions = await export.rows(visit_summary_version)
    summaries = {row.visit_id: row for row in await export.rows(visit_summary)}
    return [
        {
            "plan": row.plan_id,
            "state": row.state,
            "planned_at": at(row.planned_at),
            "begun_at": at(row.begun_at),
            "moved_to": at(row.moved_to),
            "ended_at": at(row.ended_at),
            "ending": row.ending,
            "told": row.key_message,
            "noticed": [
                {"at": at(fact.at), "kind": fact.kind, "value": fact.value}
                for fact in noticed
                if fact.visit_id == row.id
            ],
            "summary": await _summary(export, summaries.get(row.id)),
            "versions": [
                {"at": at(one.at), "kind": one.kind, "by": one.login, "says": await _summary(export, one)}
                for one in versions
                if one.visit_id == row.id
            ],
        }
        for row in await export.rows(visit)
    ]


async def own_visits_of(export: Rows) -> list[dict[str, Any]]:
    """Visits that colleagues made themselves, every version."""
    versions = await export.rows(own_visit_version)
    return [
        {
            "visited_at": at(row.visited_at),
            "by": row.visited_by,
            "state": row.state,
            "versions": [
                {
                    "at": at(one.at),
                    "kind": one.kind,
                    "by": one.login,
                    "says": await _summary(export, one, OWN_VISIT),
                }
                for one in versions
                if one.own_visit_id == row.id
            ],
        }
        for row in await export.rows(own_visit)
    ]


async def _summary(export: Rows, row: Any, kind: Reviewed = SUMMARY) -> Any:
    opened = None if row is None else await export.open(row, row.body_enc, kind.place)
    return opened if opened in (None, ERASED_TEXT) else json.loads(opened)


async def told_of(export: Rows) -> list[dict[str, Any]]:
    """That a CRM was told of them."""
    return [
        {"at": at(row.made_at), "to": "crm", "event": row.event, "of": row.subject, "state": row.state}
        for row in await export.rows(crm_delivery)
    ]

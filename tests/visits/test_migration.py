"""A summary from before there were reviews is a draft with its first version."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import psycopg

from bot.service.postgres import Cluster
from bot.store.migrate import migrate
from tests.content.test_migration import brought_to, empty

__all__ = ["empty"]


async def test_what_was_written_before_is_the_first_version(cluster: Cluster, empty: str) -> None:
    await asyncio.to_thread(brought_to, empty, "0027")
    whom = uuid4()
    async with await psycopg.AsyncConnection.connect(empty, autocommit=True) as owner:
        await owner.execute(
            """
            WITH made AS (INSERT INTO person (id, kind, created_at) VALUES (%(whom)s, 'doctor', now())),
            reached AS (
                INSERT INTO contact
                    (channel, account, audience, person_id, address_hmac, address_enc, created_at)
                VALUES ('webchat', 'demo', 'doctor', %(whom)s, '', '', now()) RETURNING id),
            planned AS (
                INSERT INTO visit_plan (id, product, objective, key_messages, specialties, interests,
                    valid_from, valid_until, reentry_days, rank, automatic, digest, imported_by, imported_at)
                VALUES ('one', 'metformin', '', '{}', '{}', '{}',
                    '2026-11-01', '2026-12-01', 30, 0, false, '', 'test', now()) RETURNING id),
            visited AS (
                INSERT INTO visit (plan_id, person_id, contact_id, state, step, forced, requested,
                    planned_at, begun_at, last_at, ended_at, ending)
                SELECT planned.id, %(whom)s, reached.id, 'ended', 'need', false, false,
                    now(), now(), now(), now(), 'completed' FROM planned, reached RETURNING id, contact_id)
            INSERT INTO visit_summary (visit_id, contact_id, person_id, state, body_enc, made_at)
            SELECT id, contact_id, %(whom)s, 'draft', 'sealed', '2026-11-02' FROM visited
            """,
            {"whom": whom},
        )
    await asyncio.to_thread(migrate, empty)
    async with await psycopg.AsyncConnection.connect(empty, autocommit=True) as owner:
        found = await owner.execute(
            "SELECT version.number, version.kind, version.login, version.body_enc, version.person_id, "
            "version.at = made_at, summary.version "
            "FROM visit_summary AS summary JOIN visit_summary_version AS version USING (visit_id)"
        )
        assert await found.fetchall() == [(1, "draft", "", b"sealed", whom, True, 1)]

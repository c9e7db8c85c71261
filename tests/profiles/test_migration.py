"""Who asked for short texts before there were tags still gets them, on each of their contacts."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import psycopg

from bot.service.postgres import Cluster
from bot.store.migrate import migrate
from tests.content.test_migration import brought_to, empty

__all__ = ["empty"]


async def test_the_wish_for_short_texts_becomes_a_tag(cluster: Cluster, empty: str) -> None:
    await asyncio.to_thread(brought_to, empty, "0023")
    brief, other = uuid4(), uuid4()
    async with await psycopg.AsyncConnection.connect(empty, autocommit=True) as owner:
        for whom in (brief, other):
            await owner.execute(
                "INSERT INTO person (id, kind, created_at) VALUES (%s, 'doctor', now())", [whom]
            )
        for number, (whom, since) in enumerate(
            [(brief, "2026-11-01"), (brief, "2026-11-02"), (brief, None), (other, None)]
        ):
            await owner.execute(
                "INSERT INTO contact (channel, account, audience, person_id, address_hmac, address_enc,"
                " created_at, brief_at) VALUES ('webchat', 'demo', 'doctor', %s, %s, '', now(), %s)",
                [whom, bytes([number]), since],
            )
    await asyncio.to_thread(migrate, empty)
    async with await psycopg.AsyncConnection.connect(empty, autocommit=True) as owner:
        found = await owner.execute(
            "SELECT person_id, name, value, source, seen_at::date::text FROM profile_tag"
        )
        assert await found.fetchall() == [(brief, "format", "brief", "said", "2026-11-02")]

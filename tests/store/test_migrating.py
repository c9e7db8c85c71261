"""What a migration carries over."""

from __future__ import annotations

import asyncio

import psycopg

from bot.store.migrate import migrate
from tests.content.test_migration import brought_to, empty

__all__ = ["empty"]
BEGUN = """
    WITH person AS (
        INSERT INTO person (id, kind, created_at) VALUES (gen_random_uuid(), 'newcomer', now()) RETURNING id
    ), contact AS (
        INSERT INTO contact (channel, account, audience, person_id, address_enc, created_at)
        SELECT 'wechat', 'a', 'doctor', id, '', now() FROM person RETURNING id, person_id
    ), timer AS (
        INSERT INTO timer (contact_id, person_id, action, name, purpose, starts_at, grace)
        SELECT id, person_id, 'trigger', 'greet', 'service', now(), 0 FROM contact RETURNING id
    ), inbox AS (
        INSERT INTO inbox (channel, account, key, contact_id, person_id, kind, body_enc, received_at, state,
                           ready_at)
        SELECT 'wechat', 'a', state, id, person_id, 'trigger', '', now(), state, now()
        FROM contact CROSS JOIN unnest(ARRAY['done', 'deferred']) AS state
        RETURNING id, state
    )
    INSERT INTO occurrence (timer_id, due_at, action, state, inbox_id)
    SELECT timer.id, now() + inbox.id * interval '1 s', 'trigger', 'pending', inbox.id FROM timer, inbox
"""


async def test_a_turn_that_ended_just_before_the_upgrade_ends_its_occurrence(empty: str) -> None:
    await asyncio.to_thread(brought_to, empty, "0019")
    async with await psycopg.AsyncConnection.connect(empty, autocommit=True) as owner:
        await owner.execute(BEGUN)
        await asyncio.to_thread(migrate, empty)
        ends = await owner.execute("SELECT state, reason FROM occurrence ORDER BY state")
        assert await ends.fetchall() == [("missed", "nothing said"), ("pending", None)]

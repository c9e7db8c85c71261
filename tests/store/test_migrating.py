"""What a migration carries over, and that a database that is up to date needs none."""

from __future__ import annotations

import asyncio
import sys

import psycopg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from bot.model import Fault, MedrepError
from bot.service.postgres import Cluster
from bot.settings import ROOT
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


async def test_a_database_that_is_up_to_date_needs_no_alembic(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every start, and every command beside no service, would take half a second of a core to import it."""
    monkeypatch.setitem(sys.modules, "alembic", None)
    for login in ("medrep_owner", "medrep_app"):
        await asyncio.to_thread(migrate, cluster.url(login))


async def test_an_older_database_is_refused_where_it_is_only_looked_at(empty: str) -> None:
    with pytest.raises(MedrepError) as refused:
        await asyncio.to_thread(migrate, empty, upgrade=False)
    assert refused.value.fault == Fault.CONFIGURATION and "medrep migrate" in refused.value.detail
    await asyncio.to_thread(brought_to, empty, "0035")
    with pytest.raises(MedrepError):
        await asyncio.to_thread(migrate, empty, upgrade=False)
    await asyncio.to_thread(migrate, empty)
    await asyncio.to_thread(migrate, empty, upgrade=False)


def test_the_files_of_the_migrations_are_named_after_their_revisions() -> None:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "bot" / "store" / "migrations"))
    for one in ScriptDirectory.from_config(config).walk_revisions():
        assert one.path.rpartition("/")[2].startswith(f"{one.revision}_")

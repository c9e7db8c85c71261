"""Who leaves first: order within a lane of a contact, urgency across contacts, and only accounts we serve."""

from __future__ import annotations

from datetime import timedelta

from bot.clock import real_now
from bot.model import OutboxState, Purpose
from bot.outbound.sender import TOGETHER, Sender
from tests.stage import Stage

MANY = """
    WITH people AS (
        INSERT INTO person (id, kind, created_at) SELECT gen_random_uuid(), 'newcomer', now()
        FROM generate_series(1, :count) RETURNING id
    ), contacts AS (
        INSERT INTO contact (channel, account, audience, person_id, address_enc, created_at)
        SELECT 'wechat', 'sandbox', 'doctor', id, '', now() FROM people RETURNING id, person_id
    )
    INSERT INTO outbox (contact_id, person_id, body_enc, purpose, state, created_at, retry_at)
    SELECT id, person_id, '', 'medication', 'waiting', now(), now() - interval '1 hour' FROM contacts
"""


async def test_a_reply_waits_for_no_reminder_of_the_same_person(open_window: Stage) -> None:
    stage = open_window
    reminder = await stage.queue("utter_thanks", Purpose.MEDICATION)
    await stage.write("UPDATE outbox SET retry_at = now() + interval '9 hours' WHERE id = :id", id=reminder)
    reply = await stage.queue("utter_media")
    await stage.sender.push()
    assert (await stage.row(reply)).state == OutboxState.SENT
    assert (await stage.row(reminder)).state == OutboxState.WAITING


async def test_order_holds_within_a_lane(open_window: Stage) -> None:
    stage = open_window
    first, second = await stage.queue("utter_thanks"), await stage.queue("utter_media")
    await stage.write("UPDATE outbox SET retry_at = now() + interval '1 hour' WHERE id = :id", id=first)
    assert await stage.sender.push() == 0
    assert (await stage.row(second)).state == OutboxState.WAITING


async def test_a_reply_overtakes_thousands_of_due_reminders(open_window: Stage) -> None:
    stage = open_window
    await stage.write(MANY, count=3000)
    reply = await stage.queue("utter_media")
    await stage.write("ANALYZE outbox")
    plan = await stage.rows(
        "EXPLAIN SELECT id FROM outbox WHERE state = 'waiting' ORDER BY priority, id LIMIT 16"
    )
    assert "ix_outbox_next" in str(plan), "the claim reads no more rows than it takes"
    assert await stage.sender.push() == TOGETHER
    assert (await stage.row(reply)).state == OutboxState.SENT


async def test_rows_of_an_account_that_nobody_serves_wait_and_somebody_is_told(open_window: Stage) -> None:
    """F7: every process claimed every row and failed what its medrep.toml lacks."""
    stage = open_window
    row = await stage.queue("utter_media")
    other = Sender(stage.services, {}, lease=timedelta(seconds=3))
    assert await other.push() == 0
    await other.tidy()
    assert await stage.tasks() == set()
    await stage.write("UPDATE outbox SET retry_at = :then", then=real_now() - timedelta(hours=1))
    await other.tidy()
    await other.tidy()
    assert await stage.rows("SELECT kind FROM task") == [("platform",)]
    assert (await stage.row(row)).state == OutboxState.WAITING
    assert await stage.sender.push() == 1
    assert (await stage.row(row)).state == OutboxState.SENT

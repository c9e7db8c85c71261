"""Who leaves first: order within a lane of a contact, urgency across contacts, and only accounts we serve."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from bot.clock import CHINA, real_now
from bot.model import OutboxState, Purpose
from bot.outbound.sender import BEGUN, TOGETHER
from bot.store import outbox_claims, passive
from tests.pushing import Pushed
from tests.stage import DOCTORS, Stage

MANY = """
    WITH people AS (
        INSERT INTO person (id, kind, created_at) SELECT gen_random_uuid(), 'newcomer', now()
        FROM generate_series(1, :count) RETURNING id
    ), contacts AS (
        INSERT INTO contact (channel, account, audience, person_id, address_enc, created_at)
        SELECT 'wechat', :account, 'doctor', id, '', now() FROM people RETURNING id, person_id
    )
    INSERT INTO outbox (contact_id, person_id, account, body_enc, purpose, state, created_at, retry_at,
                        not_before, parked)
    SELECT id, person_id, 'wechat:' || :account, '', 'medication', 'waiting', now(),
           now() - interval '1 hour', CAST(:not_before AS timestamptz),
           CAST(:not_before AS timestamptz) IS NOT NULL
    FROM contacts
"""


async def many(
    stage: Stage, count: int, account: str = "sandbox", not_before: datetime | None = None
) -> None:
    """Due reminders, each for somebody else."""
    await stage.write(MANY, count=count, account=account, not_before=not_before)


def rows_read(node: dict[str, Any]) -> int:
    """How many rows of the outbox, or entries of its indexes, an executed plan looked at."""
    looked = sum(node.get(name, 0) for name in ("Actual Rows", "Rows Removed by Filter"))
    own = looked * node["Actual Loops"] if "outbox" in str(node.get("Relation Name")) else 0
    return int(own) + sum(rows_read(below) for below in node.get("Plans", ()))


async def test_a_reply_waits_for_no_reminder_of_the_same_person(open_window: Stage) -> None:
    stage = open_window
    reminder = await stage.queue("utter_thanks", Purpose.MEDICATION)
    await stage.write("UPDATE outbox SET retry_at = now() + interval '9 hours' WHERE id = :id", id=reminder)
    reply = await stage.queue("utter_media")
    await stage.sender.push()
    assert (await stage.row(reply)).state == OutboxState.SENT
    assert (await stage.row(reminder)).state == OutboxState.WAITING


async def test_no_connection_is_lent_to_the_second_while_the_first_is_being_taken(stage: Stage) -> None:
    await stage.phone.send(type="image", wait=True)
    first, second = await stage.queue("utter_thanks"), await stage.queue("utter_media")
    ((inbox_id, contact_id),) = await stage.rows("SELECT id, contact_id FROM inbox")
    until = real_now() + timedelta(seconds=3)
    async with stage.services.db.begin() as taking, stage.services.db.begin() as lending:
        await taking.execute(text("SELECT FROM outbox WHERE id = :id FOR UPDATE"), {"id": first})
        await passive.lend(lending, contact_id, inbox_id, until, real_now())
    lent = "SELECT id FROM outbox WHERE passive_inbox_id = :inbox"
    assert await stage.rows(lent, inbox=inbox_id) == [], f"{second} would overtake {first}"
    async with stage.services.db.begin() as tx:
        await passive.lend(tx, contact_id, inbox_id, until, real_now())
    assert await stage.rows(lent, inbox=inbox_id) == [(first,)]


async def test_order_holds_within_a_lane(open_window: Stage) -> None:
    stage = open_window
    first, second = await stage.queue("utter_thanks"), await stage.queue("utter_media")
    await stage.write("UPDATE outbox SET retry_at = now() + interval '1 hour' WHERE id = :id", id=first)
    assert await stage.sender.push() == 0
    assert (await stage.row(second)).state == OutboxState.WAITING


async def test_a_reply_overtakes_thousands_of_due_reminders(open_window: Stage) -> None:
    stage = open_window
    await many(stage, 3000)
    reply = await stage.queue("utter_media")
    assert await stage.sender.push() == BEGUN + 1
    assert (await stage.row(reply)).state == OutboxState.SENT


async def test_a_claim_reads_no_row_that_cannot_leave(open_window: Stage) -> None:
    """Rows that wait for the morning, and those of accounts of other processes, must not make it slow."""
    stage = open_window
    await many(stage, 3000, not_before=stage.services.clock.now() + timedelta(hours=9))
    await many(stage, 3000, account="elsewhere")
    await many(stage, 3000)
    await stage.write("ANALYZE outbox")
    values = {
        "now": real_now(),
        "business": stage.services.clock.now(),
        "lease_until": real_now(),
        "accounts": [str(DOCTORS)],
        "free": TOGETHER,
        "begun": BEGUN,
    }
    claim = re.sub(r"%\((\w+)\)s", r":\1", outbox_claims._CLAIM)
    ((found,),) = await stage.rows(f"EXPLAIN (ANALYZE, FORMAT JSON) {claim}", **values)
    assert BEGUN <= rows_read(found[0]["Plan"]) < 30 * BEGUN


async def test_reminders_that_hang_leave_places_for_answers(open_window: Stage) -> None:
    stage = open_window
    await many(stage, 3 * BEGUN)
    stage.sender._places = dict.fromkeys(range(-BEGUN, 0), True)
    assert await stage.sender.push() == 0
    reply = await stage.queue("utter_media")
    assert await stage.sender.push() == 1
    assert (await stage.row(reply)).state == OutboxState.SENT


async def test_what_waited_for_the_same_hour_leaves_in_order(open_window: Stage) -> None:
    stage = open_window
    first, second = [await stage.queue(text, Purpose.SERVICE) for text in ("utter_thanks", "utter_media")]
    night = stage.services.clock.now().astimezone(CHINA).replace(hour=23)
    await stage.move(night)
    while await stage.sender.push():
        pass
    assert (await stage.row(first)).parked and (await stage.row(second)).parked
    await stage.move(night + timedelta(hours=10))
    await stage.write("UPDATE turn SET started_at = started_at - interval '1 hour'")
    assert await stage.sender.push() == 1
    assert (await stage.row(first)).state == OutboxState.SENT
    assert (await stage.row(second)).state == OutboxState.WAITING, "it is behind the first"


async def test_rows_of_an_account_that_nobody_serves_wait_and_somebody_is_told(open_window: Stage) -> None:
    """F7: every process claimed every row and failed what its medrep.toml lacks."""
    stage = open_window
    row = await stage.queue("utter_media")
    other = Pushed(stage.services, {}, lease=timedelta(seconds=3))
    assert await other.push() == 0
    await other.tidy()
    assert await stage.tasks() == set()
    await stage.write(
        "UPDATE outbox SET retry_at = :then, attempts = 1", then=real_now() - timedelta(hours=1)
    )
    await stage.sender.tidy()
    await Pushed(stage.services, {}).tidy()
    assert await stage.tasks() == set(), "a process that is behind with it has the account"
    await stage.write("UPDATE served SET seen_at = seen_at - interval '1 hour'")
    for _ in range(2):
        await Pushed(stage.services, {}).tidy()
    assert await stage.rows("SELECT kind FROM task") == [("platform",)]
    assert (await stage.row(row)).state == OutboxState.WAITING
    assert await stage.sender.push() == 1
    assert (await stage.row(row)).state == OutboxState.SENT

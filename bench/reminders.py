"""Due reminders to outbox rows: our ticker against APScheduler's SQLAlchemy job store, same PostgreSQL."""

from __future__ import annotations

import asyncio
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import Engine, create_engine, insert, text

from bench.table import Figure, at_least
from bot.clock import Clock, real_now
from bot.dialogue.published import Published
from bot.runtime.services import Services
from bot.schedule.timers import Timers
from bot.service.postgres import Cluster
from bot.store.database import Database, psycopg_url
from bot.store.keyring import Keyring, evidence_key, make_keys
from bot.store.migrate import migrate
from bot.store.tables import contact
from bot.store.vault import Vault

OURS = 100_000
THEIRS = 2_000  # its rate does not grow with the count; 100,000 would take many minutes
_engine: Engine | None = (
    None  # APScheduler's job is a module-level function: it cannot be handed a connection
)


def insert_row(number: int) -> None:
    """What its job does: one outbox row in a transaction of its own."""
    assert _engine is not None
    with _engine.begin() as connection:
        connection.execute(
            text("INSERT INTO apscheduler_outbox (plan, at) VALUES (:n, now())"), {"n": number}
        )


async def timer_rate(url: str, home: Path, plans: int) -> float:
    """Rows a second from due plan to outbox row, occurrence and next due time."""
    make_keys(home / "keys")
    db, clock = Database(url, evidence_key=evidence_key(home / "keys")), Clock()
    vault = Vault(Keyring(home / "keys"))
    now = clock.now()
    due = now - timedelta(seconds=1)
    async with db.begin() as tx:
        people = [await vault.create(tx, "patient", now) for _ in range(1)]
        await tx.execute(
            insert(contact),
            [
                {
                    "channel": "wechat",
                    "account": "bench",
                    "audience": "patient",
                    "person_id": people[0],
                    "address_hmac": uuid4().bytes,
                    "address_enc": b"",
                    "created_at": now,
                }
                for _ in range(1000)
            ],
        )
        await tx.execute(
            text(
                """
                INSERT INTO timer (contact_id, person_id, action, name, refs, purpose, rrule, starts_at,
                                   next_due, grace)
                SELECT contact.id, contact.person_id, 'message', 'response',
                       '{"response": "utter_reminder"}', 'medication', 'FREQ=DAILY', :start, :due, 3600
                FROM contact CROSS JOIN generate_series(1, :each)
                """
            ),
            {"start": due - timedelta(days=30), "due": due, "each": plans // 1000},
        )
    published = Published(db, None)  # the ticker says nothing
    services = Services(db, vault, clock, published, home)
    started = time.perf_counter()
    queued = await Timers(services).tick()
    seconds = time.perf_counter() - started
    async with db.begin() as tx:
        rows = (await tx.execute(text("SELECT count(*) FROM outbox"))).scalar_one()
    assert queued == rows == plans, (queued, rows)
    await db.close()
    return plans / seconds


def apscheduler_rates(url: str, jobs: int) -> tuple[float, float]:
    """Jobs a second added, and fired with one row written each."""
    global _engine  # noqa: PLW0603 - see above
    _engine = create_engine(psycopg_url(url), pool_size=10)
    with _engine.begin() as connection:
        connection.execute(text("CREATE TABLE apscheduler_outbox (plan int, at timestamptz)"))
    scheduler = BackgroundScheduler(
        jobstores={"default": SQLAlchemyJobStore(engine=_engine)},
        executors={"default": ThreadPoolExecutor(10)},
        job_defaults={"misfire_grace_time": 3600},
    )
    scheduler.start(paused=True)
    due = real_now()
    started = time.perf_counter()
    for number in range(jobs):
        # Every day, like the plans: on both sides what was due is moved to its next time.
        scheduler.add_job(insert_row, "interval", days=1, next_run_time=due, args=[number])
    added = jobs / (time.perf_counter() - started)
    started = time.perf_counter()
    scheduler.resume()
    with _engine.connect() as connection:
        while connection.execute(text("SELECT count(*) FROM apscheduler_outbox")).scalar_one() < jobs:
            connection.rollback()
            time.sleep(0.05)
            assert time.perf_counter() - started < 120, "APScheduler did not finish"
    fired = jobs / (time.perf_counter() - started)
    scheduler.shutdown()
    _engine.dispose()
    return added, fired


async def main(*, quick: bool) -> list[Figure]:
    """Both on one fresh cluster."""
    plans, jobs = (OURS // 20, THEIRS // 20) if quick else (OURS, THEIRS)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        cluster = Cluster(home)
        await cluster.start()
        try:
            migrate(cluster.url("medrep_owner"))
            reminders = await timer_rate(cluster.url(), home, plans)
            added, fired = await asyncio.to_thread(apscheduler_rates, cluster.url("medrep_owner"), jobs)
        finally:
            await cluster.stop()
    return [
        Figure("ours, due to outbox", f"{reminders:,.0f} reminders/s  n={plans:,}"),
        Figure(
            "APScheduler, SQLAlchemy job store", f"{fired:,.0f} fired/s, {added:,.0f} added/s  n={jobs:,}"
        ),
        at_least("reminders/s, ours to APScheduler", reminders / fired, 20),
    ]

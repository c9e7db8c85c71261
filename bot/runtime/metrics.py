"""What operations look at, in Prometheus' terms. Depths are read from the database when asked for.

Several app processes share a port, and whoever is asked answers for all: they count in files of a common
folder (PROMETHEUS_MULTIPROC_DIR, which the supervisor sets).
"""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest, multiprocess

from bot.store import inbox, outbox, tasks
from bot.store.database import Database
from bot.tasks import Kind

RECEIVED = Counter("medrep_messages_received", "Inbound messages stored", ["account", "kind"])
SHED = Counter(
    "medrep_messages_shed", "Inbound messages refused because too many came in", ["account", "kind"]
)
TURNS = Counter("medrep_turns", "Turns by how they ended", ["outcome"])
SENT = Counter("medrep_messages_sent", "Outbound messages the platform took", ["account", "via"])
NOT_SENT = Counter(
    "medrep_messages_not_sent", "Outbound messages that failed, by fault", ["account", "fault"]
)

ENGINE = Gauge(
    "medrep_engine_available",
    "App processes whose circuit to the engine is closed",
    multiprocess_mode="livesum",
)

_DEPTH: Any = {"multiprocess_mode": "mostrecent"}  # read from the database by whoever is asked
_WAITING = Gauge("medrep_inbox_waiting", "Inbound messages not yet in a turn", **_DEPTH)
_AGE = Gauge("medrep_inbox_oldest_seconds", "How long the oldest of them has waited", **_DEPTH)
_OUTBOX = Gauge("medrep_outbox", "Outbound messages by open or stuck state", ["state"], **_DEPTH)
_TASKS = Gauge("medrep_tasks_open", "Tasks that nobody has closed", ["kind"], **_DEPTH)
COUNTERS = 1024 * 1024  # bytes, as prometheus_client makes its files
_PID = re.compile(r"gauge_live[a-z]+_(\d+)\.db")


def reserve(folder: Path | None) -> None:
    """Take the blocks of this process's counters from the disk now. Raises OSError when it is full.

    They are files in memory (in `folder`, shared by all processes), of which a block that cannot be had later
    ends the process (SIGBUS).
    """
    if folder is None:
        return
    counters = folder / f"counter_{os.getpid()}.db"  # otherwise made at the first count
    for path in {counters, *folder.glob(f"*_{os.getpid()}.db")}:
        with path.open("ab") as file:
            os.posix_fallocate(file.fileno(), 0, COUNTERS)


async def exposition(db: Database, folder: Path | None) -> bytes:
    """All metrics of all app processes in Prometheus' text format, the depths read anew."""
    async with db.begin() as tx:
        waiting, age = await inbox.backlog(tx)
        depths = await outbox.depth(tx)
        open_tasks = await tasks.open_counts(tx)
    _WAITING.set(waiting)
    _AGE.set(age)
    for state in ("waiting", "sending", "held", "unknown"):
        _OUTBOX.labels(state).set(depths.get(state, 0))
    for kind in Kind:
        _TASKS.labels(kind).set(open_tasks.get(kind, 0))
    return await asyncio.to_thread(_everybody, folder)


def _everybody(folder: Path | None) -> bytes:
    if folder is None:
        return generate_latest()
    for file in folder.iterdir():
        # What only the living count must not go on counting the dead.
        if (found := _PID.fullmatch(file.name)) and not Path(f"/proc/{found[1]}").exists():
            multiprocess.mark_process_dead(int(found[1]), str(folder))  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]
    return generate_latest(registry)

"""What operations look at, in Prometheus' terms. Depths are read from the database when asked for."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from bot.store import messages, outgoing, tasks
from bot.store.database import Database

RECEIVED = Counter("medrep_messages_received", "Inbound messages stored", ["account", "kind"])
TURNS = Counter("medrep_turns", "Turns by how they ended", ["outcome"])
SENT = Counter("medrep_messages_sent", "Outbound messages the platform took", ["account", "via"])
NOT_SENT = Counter(
    "medrep_messages_not_sent", "Outbound messages that failed, by fault", ["account", "fault"]
)

_WAITING = Gauge("medrep_inbox_waiting", "Inbound messages not yet in a turn")
_AGE = Gauge("medrep_inbox_oldest_seconds", "How long the oldest of them has waited")
_OUTBOX = Gauge("medrep_outbox", "Outbound messages by open or stuck state", ["state"])
_TASKS = Gauge("medrep_tasks_open", "Tasks that nobody has closed", ["kind"])
_ENGINE = Gauge("medrep_engine_available", "0 while the engine's circuit is open")


async def measure(db: Database, *, engine_available: bool) -> None:
    """Refresh the gauges."""
    async with db.begin() as tx:
        waiting, age = await messages.backlog(tx)
        depths = await outgoing.depth(tx)
        open_tasks = await tasks.open_counts(tx)
    _WAITING.set(waiting)
    _AGE.set(age)
    _ENGINE.set(engine_available)
    _OUTBOX.clear()
    for state in ("waiting", "sending", "held", "unknown"):
        _OUTBOX.labels(state).set(depths.get(state, 0))
    _TASKS.clear()
    for kind, count in open_tasks.items():
        _TASKS.labels(kind).set(count)

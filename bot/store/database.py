"""The connection pool: every statement of ours runs inside `Database.begin()`."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import errors
from psycopg.rows import namedtuple_row
from pydantic import SecretBytes
from sqlalchemy import BigInteger, LargeBinary, Table, Text, event, text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP, UUID
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.types import TypeEngine

Tx = AsyncConnection

WORKER = "medrep_worker"
CONSOLE = "medrep_console"
CONNECT_SECONDS = 10  # to a server that says nothing; libpq's own are 130
EVIDENCE_KEY = "medrep_evidence_key"  # the execution option that carries it

# What passes by itself: the database gone, restarting, refusing or full, or no connection free in time.
# A wrong statement or wrong data is none of these: it is a bug of ours and is told as one.
UNAVAILABLE = (OperationalError, InterfaceError, PoolTimeoutError)
_OF_STATEMENT = (
    errors.DeadlockDetected,
    errors.LockNotAvailable,
    errors.QueryCanceled,
    errors.ProgramLimitExceeded,
)


def of_statement(error: Exception) -> bool:
    """Whether an error of `UNAVAILABLE` is one of the statement alone: a deadlock, too long, too large. The
    database goes on serving everybody else."""
    return isinstance(getattr(error, "orig", None), _OF_STATEMENT)


def psycopg_url(url: str) -> str:
    """The same database for SQLAlchemy's psycopg 3 dialect, whatever the scheme was written as."""
    return make_url(url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def libpq_url(url: str) -> str:
    """The same database as libpq writes it."""
    return re.sub(r"^[^:]+", "postgresql", url)


class Database:
    """A pool of connections that act as one role: the worker, unless said otherwise."""

    def __init__(
        self,
        url: str,
        *,
        role: str | None = WORKER,
        size: int = 20,
        evidence_key: bytes | None = None,
        planned_once: bool = False,
    ) -> None:
        """`evidence_key` (of `bot.store.keyring`) is needed where evidence is recorded, and nowhere else.

        `planned_once`: each connection plans a statement once, whatever its values. For a role whose policies
        make planning dearer than running.
        """
        self.url = url
        self._role = role
        self._engine = create_async_engine(
            psycopg_url(url),
            pool_size=size,
            # One beyond the pool is closed after use: under load the time would go into opening them.
            max_overflow=0,
            # The same few connections while little is to do: statements are prepared, caches warm.
            pool_use_lifo=True,
            pool_pre_ping=False,
            hide_parameters=True,
            connect_args={"connect_timeout": CONNECT_SECONDS}
            | ({"prepare_threshold": 0} if planned_once else {}),
            # Wrapped: options stand in tracebacks that show variables.
            execution_options={EVIDENCE_KEY: evidence_key and SecretBytes(evidence_key)},
        )
        if role is not None:

            @event.listens_for(self._engine.sync_engine, "connect")
            def act_as(connection: Any, _record: Any) -> None:
                # The login may own more (one URL for everything); the work never does.
                connection.execute(f"SET ROLE {role}")
                # Whatever the server's zone: times come back in the one zone that costs nothing to reckon in.
                connection.execute("SET TIME ZONE 'UTC'")
                connection.execute("SET statement_timeout = '30s'")
                connection.execute("SET idle_in_transaction_session_timeout = '30s'")
                if planned_once:
                    connection.execute("SET plan_cache_mode = force_generic_plan")
                connection.commit()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Tx]:
        """One transaction: commits at the end, rolls back on any error."""
        async with self._engine.begin() as tx:
            yield tx

    async def listen(self, *channels: str) -> psycopg.AsyncConnection[Any]:
        """A connection of its own that receives NOTIFY on these channels."""
        connection = await psycopg.AsyncConnection.connect(
            libpq_url(self.url), autocommit=True, connect_timeout=CONNECT_SECONDS
        )
        try:
            for channel in channels:
                listen = psycopg.sql.SQL("LISTEN {}").format(psycopg.sql.Identifier(channel))
                await connection.execute(listen)
        except BaseException:  # cancelled, too: nobody else would close it
            await connection.close()
            raise
        return connection

    async def ready(self) -> bool:
        """Whether the database answers."""
        async with self.begin() as tx:
            return bool((await tx.execute(text("SELECT 1"))).scalar())

    async def close(self) -> None:
        await self._engine.dispose()


async def hot(tx: Tx, statement: str, values: Mapping[str, Any]) -> list[Any]:
    """The rows (named tuples) of a statement in psycopg's own words, for those that every message waits for:
    SQLAlchemy around them costs more CPU than they do. Errors are SQLAlchemy's."""
    raw: Any = (await tx.get_raw_connection()).driver_connection
    try:
        async with raw.cursor(row_factory=namedtuple_row) as cursor:
            await cursor.execute(statement, values)
            return list(await cursor.fetchall())
    except psycopg.Error as error:
        if raw.closed:
            await tx.execute(text("SELECT 1"))  # fails, and SQLAlchemy learns that its connections are gone
        raise DBAPIError.instance("(hidden)", None, error, psycopg.Error, hide_parameters=True) from None


async def bound(tx: Tx, waiting: float, running: float) -> None:
    """No statement of this transaction waits for a lock, or runs, for more seconds (`of_statement`)."""
    await hot(tx, _BOUND, {"waiting": f"{waiting}s", "running": f"{running}s"})


_BOUND = """
    SELECT set_config('lock_timeout', %(waiting)s, true) AS waiting,
           set_config('statement_timeout', %(running)s, true) AS running
    """


async def copy_in(tx: Tx, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Append many rows with equal keys in one statement; any conflict is an error.

    One array a column. It takes as long as COPY, which tables with row-level security refuse.
    """
    if not rows:
        return
    columns = [table.c[name] for name in rows[0]]
    lists = [isinstance(column.type, ARRAY) for column in columns]
    arrays = [
        # Lists of unequal length are no array of two dimensions: each goes as PostgreSQL writes it.
        [_literal(row[column.name]) if is_list else row[column.name] for row in rows]
        for column, is_list in zip(columns, lists, strict=True)
    ]
    types = [_COPY_TYPES[type(column.type)] for column in columns]
    identifiers = [psycopg.sql.Identifier(column.name) for column in columns]
    statement = psycopg.sql.SQL("INSERT INTO {} ({}) SELECT {} FROM unnest({}) AS made({})").format(
        psycopg.sql.Identifier(table.name),
        psycopg.sql.SQL(", ").join(identifiers),
        psycopg.sql.SQL(", ").join(
            psycopg.sql.SQL("{}::text[]" if is_list else "{}").format(name)
            for name, is_list in zip(identifiers, lists, strict=True)
        ),
        psycopg.sql.SQL(", ").join(psycopg.sql.SQL(f"%b::{kind}[]") for kind in types),
        psycopg.sql.SQL(", ").join(identifiers),
    )
    raw: Any = (await tx.get_raw_connection()).driver_connection
    async with raw.cursor() as cursor:
        await cursor.execute(statement, arrays)


def _literal(values: Sequence[str]) -> str:
    """An array of texts as PostgreSQL reads it."""
    quoted = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in quoted) + "}"


_COPY_TYPES: dict[type[TypeEngine[Any]], str] = {
    BigInteger: "int8",
    UUID: "uuid",
    Text: "text",
    LargeBinary: "bytea",
    TIMESTAMP: "timestamptz",
    ARRAY: "text",
}


async def retried(write: Callable[[], Awaitable[None]], seconds: float) -> None:
    """Do `write`, again and again for so long while the database is away: what happened must be recorded.

    `write` must be whole in one transaction and harmless when repeated. Raises what it raised last.
    """
    until = time.monotonic() + seconds
    while True:
        try:
            return await write()
        except UNAVAILABLE:
            if time.monotonic() > until:
                raise
        await asyncio.sleep(0.5)


async def notify(tx: Tx, channel: str, payload: str = "") -> None:
    """Wake whoever listens, when (and only if) this transaction commits."""
    await tx.execute(text("SELECT pg_notify(:channel, :payload)"), {"channel": channel, "payload": payload})

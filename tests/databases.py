"""Databases of one PostgreSQL that go from test to test: each gets one that is as its template was.

To make one takes PostgreSQL some five hundred files, to empty one a few milliseconds. So a database is
emptied after its test, unless what a DELETE does not undo was changed: then it is dropped.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg
from psycopg import sql

from bot.service.postgres import Cluster

USES = 50  # what was deleted stays in the files, and is read over
LARGEST = 4_000_000  # bytes of tables

# The rows that describe our tables: others once anything was created, altered or truncated. Statistics make
# other plans, so a database that has some is dropped too.
_SHAPE = sql.SQL("SELECT {}, (SELECT count(*) FROM pg_statistic WHERE starelid >= 16384)").format(
    sql.SQL(", ").join(
        sql.SQL(
            "(SELECT (count(*), sum(hashtextextended(ctid::text || xmin::text, 0)))::text "
            "FROM {} WHERE {} >= 16384)"
        ).format(sql.Identifier(catalog), sql.Identifier(column))
        for catalog, column in {
            "pg_class": "oid",
            "pg_attribute": "attrelid",
            "pg_attrdef": "adrelid",
            "pg_constraint": "oid",
            "pg_index": "indrelid",
            "pg_trigger": "oid",
            "pg_proc": "oid",
        }.items()
    )
)
_SIZE = "SELECT sum(pg_relation_size(oid)) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
_SEQUENCES = "SELECT sequencename FROM pg_sequences WHERE schemaname = 'public' ORDER BY 1"
_OTHERS = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
)
Connection = psycopg.Connection[tuple[object, ...]]


class Made:
    """One database, how it was when it was made, and an administrator's connection to it."""

    def __init__(self, cluster: Cluster, template: str) -> None:
        self._cluster = cluster
        self.name, self._uses = f"test_{uuid4().hex}", 0
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER medrep_owner")
        self._admin(create.format(sql.Identifier(self.name), sql.Identifier(template)))
        self._inside = psycopg.connect(cluster.url("postgres", self.name), autocommit=True)
        self._shape = self._inside.execute(_SHAPE).fetchone()
        tables = [str(name) for (name,) in self._inside.execute(_TABLES)]
        self._rows = {table: rows for table in tables if (rows := _copied(self._inside, table))}
        self._delete = sql.SQL("; ").join(
            sql.SQL("DELETE FROM {}").format(sql.Identifier(table)) for table in tables
        )
        self._restart = sql.SQL("SELECT {}").format(sql.SQL(", ").join(self._setvals()))

    def put_back(self) -> bool:
        """As it was made; False when it cannot be."""
        self._uses += 1
        try:
            return self._uses < USES and self._emptied()
        except psycopg.OperationalError:
            return False  # the test ended all connections to it, ours too

    def _emptied(self) -> bool:
        inside = self._inside
        inside.execute(_OTHERS)
        if int(str(_one(inside, _SIZE)[0])) > LARGEST or inside.execute(_SHAPE).fetchone() != self._shape:
            return False
        with inside.transaction():
            inside.execute("SET LOCAL session_replication_role = replica")  # evidence is append-only
            inside.execute(self._delete)
            for table, rows in self._rows.items():
                into = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(table))
                with inside.cursor() as cursor, cursor.copy(into) as copy:
                    for row in rows:
                        copy.write(row)
            inside.execute(self._restart)
        return True

    def drop(self) -> None:
        self.close()
        self._admin(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(self.name)))

    def close(self) -> None:
        self._inside.close()

    def _setvals(self) -> Iterator[sql.Composed]:
        """The calls that put each sequence back to where it is now."""
        for (name,) in self._inside.execute(_SEQUENCES).fetchall():
            state = sql.SQL("SELECT last_value, is_called FROM {}").format(sql.Identifier(str(name)))
            yield sql.SQL("setval({}, {}, {})").format(*map(sql.Literal, (name, *_one(self._inside, state))))

    def _admin(self, statement: sql.Composed) -> None:
        with psycopg.connect(self._cluster.url("postgres", "postgres"), autocommit=True) as admin:
            admin.execute(statement)


class Databases:
    """Those of one cluster that no test has at the moment, by template."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._free: dict[str, list[Made]] = {}

    def close(self) -> None:
        for made in itertools.chain(*self._free.values()):
            made.close()

    def as_admin(self, name: str) -> str:
        """The URL for somebody with every right."""
        return self._cluster.url("postgres", name)

    @contextmanager
    def lent(self, template: str) -> Iterator[str]:
        """The URL of a database like the template, as the service logs in."""
        free = self._free.setdefault(template, [])
        made = free.pop() if free else Made(self._cluster, template)
        try:
            yield self._cluster.url(database=made.name)
        finally:
            if made.put_back():
                free.append(made)
            else:
                made.drop()


def _one(inside: Connection, query: str | sql.Composed) -> tuple[object, ...]:
    row = inside.execute(query.encode() if isinstance(query, str) else query).fetchone()
    assert row is not None
    return row


def _copied(inside: Connection, table: str) -> list[bytes]:
    out = sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(table))
    with inside.cursor() as cursor, cursor.copy(out) as copy:
        return [bytes(part) for part in copy]

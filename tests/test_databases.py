"""A test's database is as its template was, whatever the one before did with it."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from bot.service.postgres import Cluster
from tests.conftest import TEMPLATE
from tests.databases import Databases

SEALED = "INSERT INTO head (number, seq, line) VALUES (1, 1, 'x')"
NEXT = "SELECT nextval(pg_get_serial_sequence('evidence', 'id'))"


def done(url: str, *statements: str) -> list[tuple[object, ...]]:
    """What the last one finds."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def databases(cluster: Cluster) -> Iterator[Databases]:
    """Some of these tests' own: one that served many tests before goes to nobody any more."""
    own = Databases(cluster)
    yield own
    own.close()


def test_it_comes_back_empty_with_its_counters(databases: Databases) -> None:
    with databases.lent(TEMPLATE) as first:
        before = done(first, "SET ROLE medrep_worker", NEXT)
        done(first, "SET ROLE medrep_worker", SEALED)
    with databases.lent(TEMPLATE) as second:
        assert second == first
        assert done(second, "SELECT count(*) FROM head") == [(0,)]
        assert done(second, "SET ROLE medrep_worker", NEXT) == before


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE head ADD more int",
        "ALTER TABLE evidence DISABLE TRIGGER ALL",
        "ALTER TABLE seal DROP CONSTRAINT pk_seal",
        "CREATE TABLE beside (id int)",
        "TRUNCATE doctor",
        "ANALYZE alembic_version",
    ],
)
def test_what_was_altered_goes_to_nobody(databases: Databases, change: str) -> None:
    with databases.lent(TEMPLATE) as url:
        name = url.rpartition("/")[2]
        done(databases.as_admin(name), change)
    with databases.lent(TEMPLATE) as other:
        assert other != url

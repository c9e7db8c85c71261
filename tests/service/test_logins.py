"""An external PostgreSQL with two logins: one owns the database, the other does the work and owns nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from bot.service.postgres import Cluster
from tests.running import Service, with_model

OWNER, WORKING = "clinic_owner", "Clinic app"  # the second needs quotes


@pytest.fixture
async def elsewhere(tmp_path: Path) -> AsyncIterator[Cluster]:
    """A second PostgreSQL as a company's administrator hands it over: a database and two plain logins."""
    cluster = Cluster(tmp_path / "elsewhere")
    await cluster.start()
    try:
        with administrator(cluster) as connection:
            connection.execute("DROP DATABASE medrep")
            connection.execute("DROP ROLE medrep_owner, medrep_app, medrep_worker, medrep_console")
            for login in (OWNER, WORKING):
                connection.execute(f"CREATE ROLE \"{login}\" LOGIN PASSWORD 'p'")
            connection.execute(f"CREATE DATABASE clinic OWNER {OWNER}")
        yield cluster
    finally:
        await cluster.stop()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return with_model(tmp_path / "home")


def administrator(cluster: Cluster) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(cluster.url("postgres", "postgres"), autocommit=True)


def url(cluster: Cluster, login: str) -> str:
    base = make_url(cluster.url("postgres", "clinic"))
    return base.set(username=login, password="p").render_as_string(hide_password=False).replace(" ", "%20")


def wanted(service: Service) -> str:
    """The SQL that `medrep migrate` asks an administrator to run."""
    refused = service.medrep("migrate")
    assert refused.returncode == 2, refused.stdout
    head, _, statements = refused.stderr.partition("let an administrator run:\n")
    assert head == "medrep: this login may not do that; "
    return statements


def test_each_login_does_its_part(elsewhere: Cluster, home: Path) -> None:
    """F9: the SQL names the login that needs the grant, not whoever runs it; then the owner migrates, and
    `serve` (of which `engine` is a part) and the other commands work with the login that owns nothing."""
    owner = Service(home.with_name("owner"), {"MEDREP_DATABASE_URL": url(elsewhere, OWNER)})
    working = Service(home, {"MEDREP_DATABASE_URL": url(elsewhere, WORKING)})

    statements = wanted(owner)
    assert f"TO {OWNER};" in statements
    with administrator(elsewhere) as connection:
        connection.execute(statements)
    statements = wanted(working)
    assert statements == f'GRANT medrep_worker, medrep_console TO "{WORKING}";\n\n'
    with administrator(elsewhere) as connection:
        connection.execute(statements)
    for alone in ((), ("--only", "app")):
        early = working.medrep("serve", *alone)
        assert early.returncode == 2
        assert "run `medrep migrate` with the login that owns it" in early.stderr
    owner.prints("migrate")
    working.prints("migrate")

    with working.serving("serve"):
        assert working.status("/readyz") == 200
        working.prints("tasks")
    with psycopg.connect(url(elsewhere, OWNER)) as connection:
        owners = connection.execute("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")
        assert owners.fetchall() == [(OWNER,)]
        assert connection.execute("SELECT count(*) > 0 FROM dialogue_version").fetchone() == (True,)
    with (
        psycopg.connect(url(elsewhere, WORKING)) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("DROP TABLE inbox")
    Service(home, owner.settings).prints("backup", home.with_name("clinic.backup"))

"""Bring a database up to date: the group roles, then Alembic's migrations."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import ProgrammingError

from bot.model import Fault, MedrepError
from bot.store.database import CONSOLE, WORKER, psycopg_url

LOCK = 7_263_501  # one migration at a time, whoever starts first

ROLES_SQL = f"""\
CREATE ROLE {WORKER} NOLOGIN;
CREATE ROLE {CONSOLE} NOLOGIN;
GRANT {WORKER}, {CONSOLE} TO CURRENT_USER;
"""


def migrate(url: str) -> None:
    """Migrate the database at `url`, as its owner.

    Raises MedrepError(CONFIGURATION) with the SQL to run, when the roles are missing and may not be created.
    """
    engine = create_engine(psycopg_url(url), hide_parameters=True)
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
            connection.commit()
            _roles(connection)
            config = Config()
            config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
    finally:
        engine.dispose()


def _roles(connection: Connection) -> None:
    known = set(
        connection.execute(
            text("SELECT rolname FROM pg_roles WHERE rolname IN (:worker, :console)"),
            {"worker": WORKER, "console": CONSOLE},
        ).scalars()
    )
    if known == {WORKER, CONSOLE}:
        return
    try:
        for statement in ROLES_SQL.split(";\n"):
            if statement and not any(f"CREATE ROLE {role} " in statement for role in known):
                connection.execute(text(statement))
        connection.commit()
    except ProgrammingError:
        connection.rollback()
        raise MedrepError(
            Fault.CONFIGURATION, f"this login may not create roles; let an administrator run:\n{ROLES_SQL}"
        ) from None

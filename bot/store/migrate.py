"""Bring a database up to date: the group roles, then Alembic's migrations.

One login may do everything, or one owns the database (it migrates, and makes and loads backups) and another,
which owns nothing, does the work. Both must be members of the group roles.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from bot.model import Fault, MedrepError
from bot.store.advisory import Lock
from bot.store.database import CONSOLE, WORKER, psycopg_url

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory


def migrate(url: str, *, upgrade: bool = True) -> None:
    """Migrate the database at `url`; without `upgrade`, or with a login that does not own it, only look
    whether that was done.

    Raises MedrepError(CONFIGURATION), with the SQL that an administrator is to run where roles are missing.
    """
    from alembic import command  # noqa: PLC0415 - every command imports this module, and few migrate
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    engine = create_engine(psycopg_url(url), hide_parameters=True)
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": Lock.MIGRATING})
            connection.commit()
            _roles(connection)
            config = Config()
            config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
            if upgrade and _owned(connection):
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
                # So that the login that does the work can see whether the database is up to date.
                connection.execute(text(f"GRANT SELECT ON alembic_version TO {WORKER}"))
            else:
                _refuse_old(connection, ScriptDirectory.from_config(config))
            connection.commit()
    finally:
        engine.dispose()


def _roles(connection: Connection) -> None:
    """See to it that this login can act as each of the group roles."""
    missing = [role for role in (WORKER, CONSOLE) if not _acts_as(connection, role)]
    if not missing:
        return
    existing = set(
        connection.execute(
            text("SELECT rolname FROM pg_roles WHERE rolname = ANY (:missing)"), {"missing": missing}
        ).scalars()
    )
    login = connection.execute(text("SELECT quote_ident(session_user)")).scalar_one()
    statements = [f"CREATE ROLE {role} NOLOGIN" for role in missing if role not in existing]
    statements.append(f"GRANT {', '.join(missing)} TO {login}")
    try:
        for statement in statements:
            connection.exec_driver_sql(statement)
        connection.commit()
    except ProgrammingError:
        connection.rollback()
        lines = "".join(f"{statement};\n" for statement in statements)
        raise MedrepError(
            Fault.CONFIGURATION, f"this login may not do that; let an administrator run:\n{lines}"
        ) from None


def _acts_as(connection: Connection, role: str) -> bool:
    try:
        connection.execute(text(f"SET LOCAL ROLE {role}"))
    except DBAPIError:  # there is no such role, or we are no member
        return False
    finally:
        connection.rollback()
    return True


def _owned(connection: Connection) -> bool:
    """Whether this login may change the tables, or make the first ones."""
    query = text(
        "SELECT coalesce((SELECT pg_has_role(session_user, relowner, 'USAGE') FROM pg_class "
        "WHERE oid = to_regclass('public.alembic_version')), "
        "has_schema_privilege(session_user, 'public', 'CREATE'))"
    )
    return bool(connection.execute(query).scalar_one())


def _refuse_old(connection: Connection, script: ScriptDirectory) -> None:
    """Raise MedrepError(CONFIGURATION) where migrations of this version are still to come.

    A database that is newer than this version is left alone: the machines change one after the other.
    """
    version_table = connection.execute(text("SELECT to_regclass('public.alembic_version')")).scalar_one()
    version = (
        connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if version_table
        else None
    )
    revisions = {revision.revision for revision in script.walk_revisions()}
    if version is None or (version in revisions and version != script.get_current_head()):
        raise MedrepError(
            Fault.CONFIGURATION,
            "the database is not up to date: run `medrep migrate` with the login that owns it",
        )

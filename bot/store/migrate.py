"""Bring a database up to date: the group roles, then Alembic's migrations.

One login may do everything, or one owns the database (it migrates, and makes and loads backups) and another,
which owns nothing, does the work. Both must be members of the group roles.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from bot.model import Fault, MedrepError
from bot.store.advisory import Lock
from bot.store.database import CONSOLE, WORKER, psycopg_url

_MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(url: str, *, upgrade: bool = True) -> None:
    """Migrate the database at `url`; without `upgrade`, or with a login that does not own it, only look
    whether that was done.

    Raises MedrepError(CONFIGURATION), with the SQL that an administrator is to run where roles are missing.
    """
    engine = create_engine(psycopg_url(url), hide_parameters=True)
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": Lock.MIGRATING})
            connection.commit()
            _roles(connection)
            revisions, version = _revisions(), _version(connection)
            if upgrade and version != revisions[-1] and _owned(connection):
                _upgrade(connection)
            else:
                _refuse_old(revisions, version)
            connection.commit()
    finally:
        engine.dispose()


def _upgrade(connection: Connection) -> None:
    # Alembic takes half a second of a core to import, and all but the first start need it not.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    # So that the login that does the work can see whether the database is up to date.
    connection.execute(text(f"GRANT SELECT ON alembic_version TO {WORKER}"))


def _revisions() -> list[str]:
    """Of this version, the newest last; a migration's file is named after its revision."""
    return sorted(path.name[:4] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py"))


def _version(connection: Connection) -> str | None:
    """The database's; None: it was never migrated."""
    if connection.execute(text("SELECT to_regclass('public.alembic_version')")).scalar_one() is None:
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


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


def _refuse_old(revisions: Sequence[str], version: str | None) -> None:
    """Raise MedrepError(CONFIGURATION) where migrations of this version are still to come.

    A database that is newer than this version is left alone: the machines change one after the other.
    """
    if version is None or version in revisions[:-1]:
        raise MedrepError(
            Fault.CONFIGURATION,
            "the database is not up to date: run `medrep migrate` with the login that owns it",
        )

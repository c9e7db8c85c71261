"""The tables as the code describes them are those that the migrations make."""

from __future__ import annotations

from uuid import uuid4

import psycopg
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from psycopg import sql
from sqlalchemy import create_engine

from bot.service.postgres import Cluster
from bot.store.database import psycopg_url
from bot.store.tables import metadata

# Alembic compares neither the conditions of indexes and checks nor generated columns.
DEFINITIONS = """
    SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'
    UNION ALL
    SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
    WHERE contype = 'c' AND connamespace = 'public'::regnamespace
    UNION ALL
    SELECT adrelid::regclass || ' ' || attname || ' ' || pg_get_expr(adbin, adrelid)
    FROM pg_attrdef JOIN pg_attribute ON (attrelid, attnum) = (adrelid, adnum) WHERE attgenerated <> ''
    ORDER BY 1
"""


def test_the_tables_are_those_of_the_migrations(cluster: Cluster) -> None:
    name = f"test_{uuid4().hex}"
    with psycopg.connect(cluster.url("postgres", "postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} OWNER medrep_owner").format(sql.Identifier(name)))
        described = create_engine(psycopg_url(cluster.url("medrep_owner", name)))
        migrated = create_engine(psycopg_url(cluster.url("medrep_owner")))
        try:
            metadata.create_all(described)
            with described.connect() as ours, migrated.connect() as theirs:
                assert compare_metadata(MigrationContext.configure(theirs), metadata) == []
                definitions = [connection.exec_driver_sql(DEFINITIONS).all() for connection in (ours, theirs)]
        finally:
            described.dispose()
            migrated.dispose()
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
    assert definitions[0] == definitions[1]

"""What the worker may do, and what nobody may undo.

Evidence, seals and heads are append-only twice: the worker has no UPDATE, DELETE or TRUNCATE on them, and
a trigger refuses these to everyone, the owner included. What gets past both (a superuser who disables the
trigger) is found by `medrep evidence verify`.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

APPEND_ONLY = ("evidence", "seal", "head")


def upgrade() -> None:
    op.execute("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC")
    op.execute("GRANT USAGE ON SCHEMA public TO medrep_worker, medrep_console")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO medrep_worker")
    op.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO medrep_worker")
    op.execute("REVOKE ALL ON alembic_version FROM medrep_worker")
    op.execute(
        """
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
        END $$
        """
    )
    for table in APPEND_ONLY:
        op.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM medrep_worker")
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    op.execute("INSERT INTO clock_offset DEFAULT VALUES")

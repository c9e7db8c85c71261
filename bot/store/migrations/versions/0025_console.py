"""The console: sessions and second factors of colleagues, their registration, and who reads which rows.

Row-level security binds the console's role alone. Who asks is `medrep.staff`, set for one transaction; the
roles are read from the rows, so a view cannot claim one. Whoever is not named, or is disabled, sees nothing.

A later migration that adds a table of people calls `guard_rows('its_name')`.

Revision ID: 0025
Revises: 0024
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP, UUID

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

MOMENT = TIMESTAMP(timezone=True)
SHOWN = "registration, company, registered_until, demo"  # nothing of passwords and second factors
# Of these the console reads nothing at all.
HIDDEN = "attempt, staff_session, case_sign"

FUNCTIONS = """
CREATE FUNCTION console_staff() RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT id FROM staff
    WHERE id = nullif(current_setting('medrep.staff', true), '')::uuid AND disabled_at IS NULL
$$;

CREATE FUNCTION console_roles() RETURNS text[] LANGUAGE sql STABLE AS $$
    SELECT coalesce(array_agg(role), '{}') FROM staff_role WHERE staff_id = console_staff()
$$;

-- Whose doctors the colleague sees: a rep their own, a manager those of their team.
CREATE FUNCTION console_reps() RETURNS uuid[] LANGUAGE sql STABLE AS $$
    SELECT coalesce(array_agg(rep.id), '{}')
    FROM staff AS reader, staff AS rep, (SELECT console_roles()) AS held(roles)
    WHERE reader.id = console_staff()
      AND (rep.id = reader.id AND held.roles && ARRAY['rep', 'manager']
           OR 'manager' = ANY (held.roles) AND reader.team <> '' AND rep.team = reader.team)
$$;

CREATE FUNCTION console_reads(what text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT console_roles() && CASE what
        WHEN 'doctors' THEN ARRAY['medical', 'pv', 'compliance', 'auditor']
        WHEN 'patients' THEN ARRAY['care', 'pv', 'compliance', 'auditor']
        WHEN 'nobodys' THEN ARRAY['manager']  -- doctors, listed or not, who have no rep
        WHEN 'record' THEN ARRAY['compliance', 'auditor', 'admin']  -- what concerns no person
        ELSE '{}'::text[] END
$$;

-- People without a rep, once for a statement. It reads past the policies: to whoever does not see a doctor it
-- would look as if there were none.
CREATE FUNCTION console_nobodys() RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT id FROM person WHERE kind = 'newcomer' AND merged_into IS NULL
    UNION ALL SELECT person_id FROM doctor WHERE rep_id IS NULL
$$;

CREATE FUNCTION console_sees_contact(contact_id bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM contact WHERE contact.id = contact_id)
$$;

CREATE FUNCTION guard_rows(guarded regclass) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    columns text[] := (SELECT array_agg(attname::text) FROM pg_attribute
                       WHERE attrelid = guarded AND attnum > 0 AND NOT attisdropped);
    by_contact text := format('EXISTS (SELECT FROM contact WHERE contact.id = %s.contact_id)', guarded);
    by_person text := format('EXISTS (SELECT FROM person WHERE person.id = %s.person_id)', guarded);
    seen text := '(SELECT console_reads(''record''))';
BEGIN
    IF 'person_id' = ANY (columns) THEN
        seen := format('CASE WHEN person_id IS NULL THEN %s ELSE %s END', seen, by_person);
    END IF;
    IF 'contact_id' = ANY (columns) THEN
        seen := format('CASE WHEN contact_id IS NULL THEN %s ELSE %s END', seen, by_contact);
    END IF;
    PERFORM guard_rows(guarded, seen);
END $$;

CREATE FUNCTION guard_rows(guarded regclass, seen text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', guarded);
    EXECUTE format('CREATE POLICY worker ON %s TO medrep_worker USING (true) WITH CHECK (true)', guarded);
    EXECUTE format('CREATE POLICY console ON %s FOR SELECT TO medrep_console USING (%s)', guarded, seen);
END $$;

CREATE FUNCTION tell_desk() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('medrep_desk', '');
    RETURN NULL;
END $$;
"""

OWN = "rep_id = ANY ((SELECT console_reps())::uuid[]) OR (SELECT console_reads('doctors'))"
CONTACT = """
    audience = 'doctor' AND (
        (SELECT console_reads('doctors'))
        OR EXISTS (SELECT FROM doctor WHERE doctor.person_id = contact.person_id)
        OR (SELECT console_reads('nobodys')) AND contact.person_id IN (SELECT console_nobodys()))
    OR audience = 'patient' AND (SELECT console_reads('patients'))
"""
PERSON = """
    EXISTS (SELECT FROM doctor WHERE doctor.person_id IN (person.id, person.merged_into))
    OR EXISTS (SELECT FROM contact WHERE contact.person_id = person.id)
"""
TASK = """
    CASE WHEN kind = 'compliance' THEN (SELECT console_roles()) && ARRAY['compliance', 'auditor']
         WHEN (SELECT console_roles()) && ARRAY['auditor'] THEN true
         WHEN owner_role <> 'rep' THEN owner_role = ANY ((SELECT console_roles())::text[])
         WHEN owner_id IS NOT NULL THEN owner_id = ANY ((SELECT console_reps())::uuid[])
         ELSE (SELECT console_roles()) && ARRAY['rep', 'manager', 'care']
              AND EXISTS (SELECT FROM contact WHERE contact.id = task.contact_id) END
"""
OCCURRENCE = "EXISTS (SELECT FROM timer WHERE timer.id = occurrence.timer_id)"
RULES = {"doctor": OWN, "contact": CONTACT, "person": PERSON, "task": TASK, "occurrence": OCCURRENCE}
# A rep is told that a request to medical information exists, and no word of it.
NOTICES = """
CREATE VIEW task_notice WITH (security_barrier) AS
    SELECT id, kind, contact_id, opened_at, due_at, state FROM task
    WHERE kind IN ('medical_information', 'material') AND console_sees_contact(contact_id)
"""


def upgrade() -> None:
    for column in (
        sa.Column("registration", sa.Text(), nullable=False, server_default=""),
        sa.Column("company", sa.Text(), nullable=False, server_default=""),
        sa.Column("registered_until", sa.Date()),
        sa.Column("demo", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("totp_enc", sa.LargeBinary()),
        sa.Column("totp_at", MOMENT),
        sa.Column("totp_step", sa.BigInteger()),
    ):
        op.add_column("staff", column)
    op.create_table(
        "staff_session",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("staff_id", UUID(), nullable=False),
        sa.Column("factor", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_staff_session_staff_id")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_staff_session")),
    )
    op.create_index("ix_staff_session_staff_id", "staff_session", ["staff_id"])
    op.create_index(
        "ix_person_newcomer",
        "person",
        ["id"],
        postgresql_where=sa.text("kind = 'newcomer' AND merged_into IS NULL"),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON staff_session TO medrep_worker")
    op.execute(f"REVOKE SELECT ON {HIDDEN} FROM medrep_console")  # noqa: S608 - names of ours
    op.execute(f"GRANT SELECT ({SHOWN}) ON staff TO medrep_console")
    op.execute(FUNCTIONS)
    connection = op.get_bind()
    for table, rule in RULES.items():
        connection.execute(
            sa.text("SELECT guard_rows(CAST(:of AS regclass), :seen)"), {"of": table, "seen": rule}
        )
    op.execute(
        f"""
        SELECT guard_rows(format('%I', relname)::regclass) FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND NOT relrowsecurity
          AND relname NOT IN ('data_key', '{"', '".join(HIDDEN.split(", "))}')
          AND EXISTS (SELECT FROM pg_attribute
                      WHERE attrelid = pg_class.oid AND attname IN ('contact_id', 'person_id'))
        """  # noqa: S608 - names of ours
    )
    op.execute(NOTICES)
    for table in ("task", "takeover"):
        op.execute(
            f"CREATE TRIGGER {table}_tells_desk AFTER INSERT OR UPDATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION tell_desk()"
        )

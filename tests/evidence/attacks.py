"""The grid of attacks on a record of twelve rows under three heads with four rows each."""

# ruff: noqa: S608 - the statements are an attacker's

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from tests.evidence.chain import edited

ROWS = {"first": 1, "middle": 6, "last": 12}
HEADS = {"first": 1, "middle": 2, "last": 3}

Change = Callable[[list[str]], list[str]]


@dataclass(frozen=True)
class Attack:
    """Statements (parted by ;), a change of the file's lines, what is said of it, and whether the public key
    alone is enough to see it."""

    sql: str = ""
    file: Change | None = None
    says: str = ""
    public: bool = False


def without(*numbers: int) -> Change:
    return lambda lines: [line for line in lines if json.loads(line)["number"] not in numbers]


def with_field(which: int, name: str, value: object) -> Change:
    return lambda lines: [
        edited(line, **{name: value}) if json.loads(line)["number"] == which else line for line in lines
    ]


COLUMNS = {
    "id": "id = 500",
    "at": "at = at - interval '1 day'",
    "at infinity": "at = 'infinity'",
    "at year 20000": "at = '20000-01-01'",
    "kind": "kind = 'other'",
    "person": "person_id = '00000000-0000-4000-8000-000000000009'",
    "nobody": "person_id = NULL",
    "contact": "contact_id = contact_id + 10",
    "no contact": "contact_id = NULL",
    "subject": "subject = 'row:99'",
    "facts": "facts = '{\"n\": 99}'",
    "facts added": "facts = facts || '{\"more\": true}'",
    "facts retyped": "facts = jsonb_build_object('n', (facts ->> 'n') || '.0')",
    "facts unreadable": "facts = repeat('9', 5000)::jsonb",
    "facts deep": "facts = (repeat('[', 3000) || repeat(']', 3000))::jsonb",
    "body": "body_enc = 'other'",
    "no body": "body_enc = NULL",
    "digest": "digest = sha256(digest)",
    "digest time": "digest = '\\x0000000000000000'::bytea || substr(digest, 9)",
    "digest empty": "digest = ''",
}
SEAL_COLUMNS = {
    "seq": "seq = 500",
    "seq hidden": "seq = -5",
    "row": "evidence_id = 500",
    "link": "link = sha256(link)",
    "link empty": "link = ''",
}
HEAD_FIELDS: dict[str, object] = {
    "number": 7,
    "seq": 3,
    "link": "00" * 32,
    "latest": 1,
    "sealed_at": "2020-01-01T00:00:00Z",
    "before_keys": 99,
    "previous": "11" * 32,
    "signature": "22" * 64,
}
COPIED = "at, kind, person_id, contact_id, subject, facts, body_enc, digest"
COPY = f"INSERT INTO evidence OVERRIDING SYSTEM VALUE SELECT {{id}}, {COPIED} FROM {{source}}"
PLAIN = COPY.format(id=900, source="plain_row")
END = "DELETE FROM evidence WHERE id > 8; DELETE FROM seal WHERE seq > 8; DELETE FROM head WHERE number = 3"
EMPTY = "TRUNCATE evidence; TRUNCATE seal; TRUNCATE head; TRUNCATE checkpoint"

EDITS = {
    **{
        f"row {place}, {name}": Attack(f"UPDATE evidence SET {column} WHERE id = {row}", public=True)
        for place, row in ROWS.items()
        for name, column in COLUMNS.items()
    },
    **{
        f"seal {place}, {name}": Attack(f"UPDATE seal SET {column} WHERE seq = {row}", public=True)
        for place, row in ROWS.items()
        for name, column in SEAL_COLUMNS.items()
    },
    **{
        f"head {place}, {name}": Attack(f"UPDATE head SET line = {value} WHERE number = {row}", public=True)
        for place, row in HEADS.items()
        for name, value in {"unreadable": "'}{'", "empty": "''", "blank": "repeat(' ', 2000000)"}.items()
    },
    **{
        f"head {place}, line's {name}": Attack(
            f"UPDATE head SET line = jsonb_set(line::jsonb, '{{{name}}}', '{json.dumps(value)}')::text "
            f"WHERE number = {row}",
            public=True,
        )
        for place, row in HEADS.items()
        for name, value in HEAD_FIELDS.items()
    },
    "heads turned round": Attack(
        "UPDATE head SET number = 104 - number; UPDATE head SET number = number - 100", public=True
    ),
    "head's seq": Attack("UPDATE head SET seq = 11 WHERE number = 3", public=True),
    "head renumbered": Attack("UPDATE head SET number = 9 WHERE number = 3", public=True),
    "rows change seals": Attack(
        "UPDATE seal SET evidence_id = -seq WHERE seq IN (5, 6);"
        "UPDATE seal SET evidence_id = 11 - seq WHERE seq IN (5, 6)",
        public=True,
    ),
    "rows change ids": Attack(
        "UPDATE evidence SET id = -id WHERE id IN (5, 6); UPDATE evidence SET id = 11 + id WHERE id < 0",
        public=True,
    ),
    **{
        f"rows change {name}": Attack(
            f"UPDATE evidence e SET {columns} FROM evidence o WHERE (e.id, o.id) IN ((5, 6), (6, 5))",
            public=True,
        )
        for name, columns in {
            "people": "person_id = o.person_id, contact_id = o.contact_id",
            "digests": "digest = o.digest",
            "all they say": "subject = o.subject, facts = o.facts, body_enc = o.body_enc, digest = o.digest, "
            "at = o.at, person_id = o.person_id, contact_id = o.contact_id",
        }.items()
    },
}
DELETIONS = {
    **{
        f"{place} {table} deleted": Attack(f"DELETE FROM {table} WHERE {key} = {row}", public=True)
        for table, key, places in (("evidence", "id", ROWS), ("seal", "seq", ROWS), ("head", "number", HEADS))
        for place, row in places.items()
    },
    **{
        f"{place} row and seal deleted": Attack(
            f"DELETE FROM evidence WHERE id = {row}; DELETE FROM seal WHERE seq = {row}", public=True
        )
        for place, row in ROWS.items()
    },
    "row deleted, seals closed up": Attack(
        "DELETE FROM evidence WHERE id = 6; DELETE FROM seal WHERE seq = 6;"
        "UPDATE seal SET seq = seq + 1000 WHERE seq > 6; UPDATE seal SET seq = seq - 1001 WHERE seq > 1000",
        public=True,
    ),
    "all seals deleted": Attack("DELETE FROM seal", public=True),
    "all heads deleted": Attack("DELETE FROM head", public=True),
    "everything deleted": Attack(EMPTY),
    "everything and the file": Attack(EMPTY, lambda _: [], says="(key folder)"),
    "end cut off": Attack(END, says="cut off"),
    "end and its line cut off": Attack(END, without(3), says="(key folder)"),
    "end cut off and the file emptied": Attack(END, lambda _: [], says="(key folder)"),
    "end cut off inside a head": Attack(
        "DELETE FROM evidence WHERE id > 10; DELETE FROM seal WHERE seq > 10", public=True
    ),
    "end unsealed": Attack(
        "DELETE FROM seal WHERE seq > 8; DELETE FROM head WHERE number = 3", without(3), says="(key folder)"
    ),
    "last row unsealed": Attack("DELETE FROM seal WHERE seq = 12", public=True),
    "head and its line deleted": Attack("DELETE FROM head WHERE number = 2", without(2), public=True),
    "last head and its line deleted": Attack("DELETE FROM head WHERE number = 3", without(3), public=True),
    "heads and lines deleted": Attack("DELETE FROM head", lambda _: [], public=True),
}
INSERTIONS = {
    "row with a right plain digest": Attack(PLAIN, says="was not written with our key"),
    "row with a plain digest, before all": Attack(
        COPY.format(id=-7, source="plain_row"), says="was not written with our key"
    ),
    **{
        f"row copied to id {number}": Attack(
            COPY.format(id=number, source="evidence WHERE id = 12"), says="is a copy"
        )
        for number in (13, 0, -5, -200_000)
    },
    "row copied in place of another": Attack(
        "DELETE FROM evidence WHERE id = 6;" + COPY.format(id=6, source="evidence WHERE id = 5"), public=True
    ),
    "row hidden behind a seal without a head": Attack(
        PLAIN + "; INSERT INTO seal VALUES (13, 900, 'x')", public=True
    ),
    "row hidden behind a seal before the first": Attack(
        PLAIN + "; INSERT INTO seal VALUES (-1, 900, 'x')", public=True
    ),
    "row put into the middle": Attack(
        "UPDATE seal SET seq = seq + 1000 WHERE seq > 5; UPDATE seal SET seq = seq - 999 WHERE seq > 1000;"
        + PLAIN
        + "; INSERT INTO seal VALUES (6, 900, 'x')",
        public=True,
    ),
    "head copied": Attack("INSERT INTO head SELECT 4, seq, line FROM head WHERE number = 3", public=True),
    "head before the first": Attack(
        "INSERT INTO head SELECT 0, seq, line FROM head WHERE number = 1", public=True
    ),
    "checkpoint unreadable": Attack("INSERT INTO checkpoint VALUES (3, '}{')", public=True),
    "checkpoint made up": Attack(
        "INSERT INTO checkpoint SELECT 3, line FROM forged_line; DELETE FROM head WHERE number < 3",
        lambda lines: lines[2:],
        public=True,
    ),
}
FILE = {
    **{
        f"line {number}, {name}": Attack(file=with_field(number, name, value), says="(file)")
        for number in HEADS.values()
        for name, value in HEAD_FIELDS.items()
    },
    **{f"line {n} removed": Attack(file=without(n), says="(file)") for n in HEADS.values()},
    "lines removed": Attack(file=without(2, 3), says="(file)"),
    "line with another space": Attack(
        file=lambda lines: [*lines[:2], lines[2].replace(",", ", ")], says="another in its place"
    ),
    "line doubled": Attack(file=lambda lines: [*lines, lines[1]], says="a second time"),
    "lines swapped": Attack(file=lambda lines: [lines[1], lines[0], lines[2]], says="(file)"),
    "line unreadable": Attack(file=lambda lines: [lines[0], "}{", *lines[1:]], says="cannot be read"),
    "line not a head": Attack(file=lambda lines: [*lines, "[1]"], says="cannot be read"),
    "line not text": Attack(file=lambda lines: [*lines, "\x00\x01"], says="cannot be read"),
    "line too long": Attack(file=lambda lines: [*lines, "9" * 3_000_000], says="cannot be read"),
    "file emptied": Attack(file=lambda _: [], says="removed from the file"),
}
ATTACKS = EDITS | DELETIONS | INSERTIONS | FILE

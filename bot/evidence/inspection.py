"""The record in one file that an inspector checks with nothing but it and the public key.

One JSON object a line: the checkpoint if there is one, then rows in the order of their seals with each head
behind the row it covers, then a signed last line that says how much stands above it. Bodies are there
as hashes.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import text

from bot.clock import real_now
from bot.evidence.heads import End, Head, document_holds, parse, signing_key
from bot.evidence.kept import lines_of
from bot.evidence.verification import Verdict, walk
from bot.evidence.witness import Findings, Witness, each
from bot.model import Fault, MedrepError
from bot.store import evidence
from bot.store.database import Database
from bot.store.evidence import HeadRow, Recorded, Sealed

_ROW = '{"seq":'


async def export(db: Database, home: Path) -> AsyncIterator[str]:
    """The lines of the file. Raises MedrepError(TAMPERED): a head or a row cannot be read."""
    rows = number = 0
    async with db.begin() as tx:
        await tx.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        for line in await evidence.checkpoints(tx):
            yield line
        heads = evidence.heads(tx)
        head = await _next_head(heads)
        async for sealed in evidence.chain(tx):
            yield _line(sealed)
            rows += 1
            while head is not None and head.seq <= sealed.seq:
                yield head.line()
                number = head.number
                head = await _next_head(heads)
    yield End(rows=rows, head=number, made_at=real_now()).sign(signing_key(home / "keys")).line()


async def _next_head(heads: AsyncIterator[HeadRow]) -> Head | None:
    async for stored in heads:
        try:
            head = parse(stored.line)
        except ValueError:
            head = None
        if not isinstance(head, Head):
            raise MedrepError(Fault.TAMPERED, f"head {stored.number} cannot be read: see `evidence verify`")
        return head
    return None


def _line(sealed: Sealed) -> str:
    row = sealed.row
    try:
        content = None if row is None else {
            "at": row.at,
            "kind": row.kind,
            "person": None if row.person_id is None else str(row.person_id),
            "contact": row.contact_id,
            "subject": row.subject,
            "facts": json.loads(row.facts),
            "body": None if row.body_hash is None else row.body_hash.hex(),
            "digest": row.digest.hex(),
        }  # fmt: skip
    except ValueError:
        raise MedrepError(Fault.TAMPERED, f"evidence {sealed.evidence_id} cannot be read") from None
    line = {"seq": sealed.seq, "id": sealed.evidence_id, "link": sealed.link.hex(), "row": content}
    return json.dumps(line, ensure_ascii=False, separators=(",", ":"))


async def check_file(path: Path, key: Ed25519PublicKey) -> Verdict | None:
    """Check an export of the record, or (None: it holds) a signed document such as a person's export.

    Needs no database and no key folder. Raises MedrepError(BAD_INPUT: neither | TAMPERED: not as signed).
    """
    if _is_document(path):
        if not document_holds(_document(path), key):
            raise MedrepError(Fault.TAMPERED, "the signature does not match")
        return None
    findings = Findings()
    heads = Witness("export", each(_heads(path)), key, findings)
    rows = await walk(_sealed(path, findings), heads, [], findings, None)
    end = _end(path, key)
    newest = heads.last.number if heads.last else 0
    if end is None:
        findings.add("no signed last line says how much there is: the file was cut off or added to")
    elif (end.rows, end.head) != (rows, newest):
        findings.add(f"{rows} rows, head {newest}; there were {end.rows} rows, head {end.head}")
    return Verdict(rows, tuple(findings.words), findings.count, newest)


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise MedrepError(Fault.BAD_INPUT, f"{path.name} is neither an export nor a signed document")
    return document


def _is_document(path: Path) -> bool:
    """Whether none of its first lines is one of an export's."""
    for line in islice(lines_of(path), 3):
        if line.startswith(_ROW):
            return False
        try:
            parse(line)
        except ValueError:
            continue
        return False
    return True


def _heads(path: Path) -> Iterator[str]:
    """Every line that is no row, but for the last line, which is the end's."""
    for line, _ in pairwise(lines_of(path)):
        if not line.startswith(_ROW):
            yield line


def _end(path: Path, key: Ed25519PublicKey) -> End | None:
    last = ""
    for line in lines_of(path):
        last = line
    try:
        end = parse(last)
    except ValueError:
        return None
    return end if isinstance(end, End) and end.holds(key) else None


async def _sealed(path: Path, findings: Findings) -> AsyncIterator[Sealed]:
    for number, line in enumerate(lines_of(path), start=1):
        if not line.startswith(_ROW):
            continue
        try:
            read = json.loads(line)
            row = _recorded(read["id"], read["row"])
            sealed = Sealed(int(read["seq"]), bytes.fromhex(read["link"]), int(read["id"]), row)
        except (ValueError, KeyError, TypeError, AttributeError):
            findings.add(f"line {number} cannot be read")
        else:
            yield sealed


def _recorded(evidence_id: int, row: dict[str, Any] | None) -> Recorded | None:
    if row is None:
        return None
    body = row["body"]
    return Recorded(
        evidence_id,
        row["at"],
        row["kind"],
        None if row["person"] is None else UUID(row["person"]),
        row["contact"],
        row["subject"],
        json.dumps(row["facts"]),
        None if body is None else bytes.fromhex(body),
        bytes.fromhex(row["digest"]),
    )

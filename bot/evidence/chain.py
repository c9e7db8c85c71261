"""One evidence row: what is recorded, and the digest and link that protect it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from bot.store import evidence
from bot.store.database import Tx
from bot.store.evidence import EvidenceRow


@dataclass(frozen=True, slots=True)
class Evidence:
    """Something that happened. `facts` hold nothing personal: strings, integers, booleans, lists of them.

    `body_enc` is ciphertext under the person's key, the same that rests in the subject's own row.
    """

    kind: str
    at: datetime
    subject: str
    facts: dict[str, Any] = field(default_factory=dict)
    person_id: UUID | None = None
    contact_id: int | None = None
    body_enc: bytes | None = None

    def row(self) -> EvidenceRow:
        """As it is stored, with its digest; the database gives the id."""
        row = EvidenceRow(
            0,
            self.at,
            self.kind,
            self.person_id,
            self.contact_id,
            self.subject,
            self.facts,
            self.body_enc,
            b"",
        )
        return replace(row, digest=digest(row))

    async def record(self, tx: Tx) -> None:
        """Append it, in the transaction of what it records."""
        await evidence.add(tx, self.row())


def digest(row: EvidenceRow) -> bytes:
    """SHA-256 over everything the row says, its id aside (the link fixes its place)."""
    body = "" if row.body_enc is None else hashlib.sha256(row.body_enc).hexdigest()
    said = [
        row.at.astimezone(UTC).isoformat(timespec="microseconds"),
        row.kind,
        str(row.person_id or ""),
        row.contact_id,
        row.subject,
        row.facts,
        body,
    ]
    canonical = json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).digest()


def link(previous: bytes, seq: int, evidence_id: int, row_digest: bytes) -> bytes:
    """SHA-256 that ties a row to its place behind the previous one."""
    return hashlib.sha256(b"%b|%d|%d|%b" % (previous, seq, evidence_id, row_digest)).digest()


def signed_text(seq: int, newest: bytes, sealed_at: datetime) -> bytes:
    """What the head's Ed25519 signature covers."""
    return f"medrep head {seq} {newest.hex()} {sealed_at.astimezone(UTC).isoformat()}".encode()

"""Writing evidence: one call, in the transaction of what it records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from bot.evidence.chain import content, keyed
from bot.store import evidence
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.evidence import EvidenceRow


class Owned(Protocol):
    """A row that belongs to a person: a task, a message that leaves."""

    @property
    def person_id(self) -> UUID | None: ...
    @property
    def contact_id(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom it concerns, where no row at hand says so."""

    person_id: UUID
    contact_id: int | None = None


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

    def row(self, tx: Tx) -> EvidenceRow:
        """As it is stored, with its digest; the database gives the id. Raises MedrepError(CONFIGURATION)."""
        body_hash = evidence.hash_of(self.body_enc)
        row_content = content(
            self.at, self.kind, self.person_id, self.contact_id, self.subject, self.facts, body_hash
        )
        return EvidenceRow(
            self.at,
            self.kind,
            self.person_id,
            self.contact_id,
            self.subject,
            self.facts,
            self.body_enc,
            keyed(evidence.key_of(tx), row_content),
        )

    async def record(self, tx: Tx) -> None:
        """Append it, in the transaction of what it records."""
        await evidence.add(tx, [self.row(tx)])


async def note(
    tx: Tx,
    kind: str,
    at: datetime,
    subject: str,
    of: Contact | Owned | None = None,
    /,
    *,
    body_enc: bytes | None = None,
    **facts: Any,
) -> None:
    """Append evidence: `kind` at business time `at` about `subject` ("task:7"), of the contact or of whom the
    row belongs to, or of nobody. `facts` and `body_enc` are as `Evidence` says."""
    await about(kind, at, subject, of, body_enc=body_enc, **facts).record(tx)


def about(
    kind: str,
    at: datetime,
    subject: str,
    of: Contact | Owned | None = None,
    /,
    *,
    body_enc: bytes | None = None,
    **facts: Any,
) -> Evidence:
    """What `note` appends, for a statement that appends it itself."""
    if of is None:
        return Evidence(kind, at, subject, facts, body_enc=body_enc)
    contact_id = of.id if isinstance(of, Contact) else of.contact_id
    return Evidence(kind, at, subject, facts, of.person_id, contact_id, body_enc)


async def note_all(tx: Tx, found: Sequence[Evidence]) -> None:
    """Append what `about` made, in one round trip."""
    if found:
        await evidence.add(tx, [one.row(tx) for one in found])

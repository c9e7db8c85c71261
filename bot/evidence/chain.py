"""What protects one evidence row: the keyed digest it is written with, and the link that fixes its place.

The digest proves that a holder of the key folder wrote the row, the link (signed with the head that covers
it) that row, content and place are unchanged. So who has only the public key can still check all but
where rows that no head covers yet came from.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from bot.clock import real_now
from bot.store.evidence import Recorded

_STAMP = 16  # bytes: the time of writing in microseconds, then eight random ones
_KEYED, _PLAIN = _STAMP + 32, 32  # bytes of a digest now, and before rows were keyed
_ENCODE = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode


def content(
    at: datetime,
    kind: str,
    person_id: UUID | None,
    contact_id: int | None,
    subject: str,
    facts: dict[str, Any],
    body_hash: bytes | None,
) -> bytes:
    """SHA-256 over everything a row says, its id aside (the link fixes its place)."""
    body = "" if body_hash is None else body_hash.hex()
    at_utc = at.astimezone(UTC).isoformat(timespec="microseconds")
    return hashlib.sha256(
        _ENCODE([at_utc, kind, str(person_id or ""), contact_id, subject, facts, body]).encode()
    ).digest()


def content_of(row: Recorded) -> bytes:
    """The same of a row as it rests. Raises ValueError: what rests there cannot be read."""
    try:
        at, facts = datetime.fromisoformat(row.at), json.loads(row.facts)
        return content(at, row.kind, row.person_id, row.contact_id, row.subject, facts, row.body_hash)
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise ValueError("the row cannot be read") from None


def keyed(key: bytes, row_content: bytes) -> bytes:
    """The digest a row is written with: when (real time), eight random bytes, HMAC-SHA256 of it all.

    The random bytes make every digest unique, so a row put in a second time shows.
    """
    stamp = microseconds(real_now()).to_bytes(8, "big") + os.urandom(8)
    return stamp + hmac.digest(key, stamp + row_content, hashlib.sha256)


def microseconds(moment: datetime) -> int:
    """Since 1970."""
    return int(moment.timestamp() * 1_000_000)


def is_authentic(key: bytes, row: Recorded, row_content: bytes, before_keys: int) -> bool:
    """Whether a holder of the key wrote this row. `before_keys`: up to this id digests were not keyed."""
    digest = row.digest
    if len(digest) == _PLAIN and 0 < row.id <= before_keys:
        return hmac.compare_digest(digest, row_content)
    if len(digest) != _KEYED:
        return False
    made = hmac.digest(key, digest[:_STAMP] + row_content, hashlib.sha256)
    return hmac.compare_digest(digest[_STAMP:], made)


def written_at(digest: bytes) -> int | None:
    """When the row was written, in microseconds of real time; None of one from before keys."""
    return int.from_bytes(digest[:8], "big") if len(digest) == _KEYED else None


def is_plain(digest: bytes) -> bool:
    """Whether it was made before digests were keyed."""
    return len(digest) == _PLAIN


def link(previous: bytes, seq: int, evidence_id: int, row_content: bytes, digest: bytes) -> bytes:
    """SHA-256 that ties a row, with what it says, to its place behind the previous one."""
    place = b"%b|%d|%d|" % (previous, seq, evidence_id)
    return hashlib.sha256(place + row_content + digest).digest()

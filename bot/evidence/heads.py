"""What is signed: the heads of the chain, the checkpoints that allow old heads to go, and documents.

All are JSON with an Ed25519 signature over their other fields (sorted keys, compact, UTF-8), behind a
prefix that keeps the three apart.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from bot.model import Fault, MedrepError
from bot.store.keyring import read_key

_HASH = Field(pattern=r"^([0-9a-f]{64})?$")


def signing_key(folder: Path) -> Ed25519PrivateKey:
    """The key that signs, kept in the key folder. Raises MedrepError(CONFIGURATION): there is none."""
    return Ed25519PrivateKey.from_private_bytes(read_key(folder, "evidence"))


def public_pem(key: Ed25519PublicKey) -> str:
    """What an inspector is handed."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def read_public(path: Path) -> Ed25519PublicKey:
    """What `public_pem` made. Raises MedrepError(BAD_INPUT)."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise MedrepError(Fault.BAD_INPUT, f"{path.name} is not an Ed25519 public key (PEM)")
    return key


class _Signed(BaseModel):
    """One line. Parsing raises ValueError."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    signature: str = ""

    def sign(self, key: Ed25519PrivateKey) -> Self:
        return self.model_copy(update={"signature": key.sign(self._text()).hex()})

    def holds(self, key: Ed25519PublicKey) -> bool:
        """Whether the signature is this key's."""
        return _verified(key, self.signature, self._text())

    def line(self) -> str:
        return self.model_dump_json()

    def _text(self) -> bytes:
        fields = self.model_dump(mode="json", exclude={"signature"})
        return _text(type(self).__name__.lower(), fields)


class Head(_Signed):
    """The chain up to `seq`, whose link it is. Heads are numbered, and each names the one before.

    `latest` is when the newest of the rows was written (microseconds of real time); rows up to id
    `before_keys` were written before digests were keyed.
    """

    number: int = Field(ge=1)
    seq: int = Field(ge=1)
    link: str = _HASH
    latest: int
    sealed_at: datetime
    before_keys: int
    previous: str = _HASH

    @property
    def mark(self) -> str:
        """What the next head, and a checkpoint, call this one."""
        return hashlib.sha256(self.signature.encode()).hexdigest()


class Checkpoint(_Signed):
    """The heads before `number` were removed by us; the head of that number is the one with this mark."""

    checkpoint: int = Field(ge=1)
    mark: str = _HASH
    made_at: datetime


class End(_Signed):
    """The last line of an export: how much stands above it."""

    rows: int
    head: int
    made_at: datetime


_LINE: TypeAdapter[Head | Checkpoint | End] = TypeAdapter(Head | Checkpoint | End)


def parse(line: str) -> Head | Checkpoint | End:
    """A line. Raises ValueError."""
    return _LINE.validate_json(line)


def signed_document(document: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The JSON document with its `signature` ({"algorithm", "public_key", "value"}, the last two in hex)."""
    key = signing_key(folder)
    value = key.sign(_text("document", document)).hex()
    public = key.public_key().public_bytes_raw().hex()
    return {**document, "signature": {"algorithm": "Ed25519", "public_key": public, "value": value}}


def document_holds(document: dict[str, Any], key: Ed25519PublicKey) -> bool:
    """Whether this key signed the document. Which key it names itself does not count."""
    rest = {name: value for name, value in document.items() if name != "signature"}
    signature = document.get("signature")
    value = signature.get("value") if isinstance(signature, dict) else None
    return isinstance(value, str) and _verified(key, value, _text("document", rest))


def _verified(key: Ed25519PublicKey, signature: str, text: bytes) -> bool:
    try:
        key.verify(bytes.fromhex(signature), text)
    except (InvalidSignature, ValueError):
        return False
    return True


def _text(what: str, fields: dict[str, Any]) -> bytes:
    return (
        f"medrep {what} 2 ".encode()
        + json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    )

"""The keys that rest in files: master keys, the key tree, keys of digests and signatures.

A data key is wrapped under the master key together with a leaf of its own in the key tree. PostgreSQL keeps
what was deleted in old pages, in its log, in copies; none of that opens anything once the leaf is destroyed.
AES-256-GCM throughout; the nonce stands before the ciphertext.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import socket
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bot.model import Fault, MedrepError
from bot.store.key_tree import KeyTree, fresh_tree

NONCE = 12
SECRETS = ("digest", "evidence-rows", "evidence")  # keys that are never rotated
FIRST_MASTER = "master-0001"


def seal(key: bytes, plain: bytes, context: bytes) -> bytes:
    nonce = os.urandom(NONCE)
    return nonce + AESGCM(key).encrypt(nonce, plain, context)


def unseal(key: bytes, sealed: bytes, context: bytes) -> bytes:
    if not sealed:
        raise MedrepError(Fault.ERASED, "this text was erased")
    try:
        return AESGCM(key).decrypt(sealed[:NONCE], sealed[NONCE:], context)
    except InvalidTag:
        raise MedrepError(Fault.TAMPERED, "ciphertext does not fit its key and place") from None


def secret_file(path: Path, fresh: bytes) -> bytes:
    """The secret kept at `path` (0600, in a 0700 folder); written with `fresh` the first time."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    if path.exists():
        return path.read_bytes()
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(fresh)
            file.flush()
            os.fsync(file.fileno())
        # Whole or not at all, and never over another process's: who comes second reads the first one's.
        os.link(part, path)
    except FileExistsError:
        return path.read_bytes()
    finally:
        part.unlink(missing_ok=True)
    return fresh


def make_keys(folder: Path) -> None:
    """The keys of a new database, each only where there is none. Asked for by `bot.store.key_checks` alone:
    a machine that made its own for a database that has keys would write what nobody else can read."""
    for name in (*SECRETS, FIRST_MASTER):
        secret_file(folder / f"{name}.key", secrets.token_bytes(32))
    secret_file(folder / "leaves.key", fresh_tree())


def read_key(folder: Path, name: str) -> bytes:
    """A key of the folder. Raises MedrepError(CONFIGURATION): there is none."""
    try:
        return (folder / f"{name}.key").read_bytes()
    except FileNotFoundError:
        raise MedrepError(Fault.CONFIGURATION, f"the key folder {folder} has no {name}.key") from None


def evidence_key(folder: Path) -> bytes:
    """The key of evidence rows' digests, kept in the key folder: the database alone cannot make one."""
    return read_key(folder, "evidence-rows")


def _joined(master: bytes, leaf: bytes) -> bytes:
    return hmac.digest(master, b"medrep leaf\0" + leaf, hashlib.sha256) if leaf else master


class Keyring:
    """The keys that rest in files: master keys (one of them wraps), and the digest key."""

    def __init__(self, folder: Path) -> None:
        """Raises MedrepError(CONFIGURATION): the folder lacks them."""
        self.folder = folder
        self._digest_key = read_key(folder, "digest")
        read_key(folder, FIRST_MASTER)
        self.tree = KeyTree(folder / "leaves.key")
        self.caught_up: datetime | None = None  # until when (the database's time) we know what was destroyed
        self.reload()
        self.current = min(self.masters)  # every machine has it; the database says better (`use`)

    @property
    def place(self) -> str:
        """Where these files are, as people name it."""
        return f"{socket.gethostname()}:{self.folder.absolute()}"

    def reload(self) -> None:
        """Read the master keys again: somebody may have added one."""
        self.masters = {path.stem: path.read_bytes() for path in self.folder.glob("master-*.key")}

    def use(self, name: str) -> None:
        """Wrap with this master key from now on. Raises MedrepError(CONFIGURATION): it is not here."""
        self._master(name)
        self.current = name

    def _master(self, name: str) -> bytes:
        if name not in self.masters:
            self.reload()
        if name not in self.masters:
            raise MedrepError(Fault.CONFIGURATION, f"the key folder {self.folder} has no {name}.key")
        return self.masters[name]

    def make_master(self, after: str) -> str:
        """A new master key in the folder, named one higher than `after`; nobody uses it yet."""
        name = f"master-{int(after.removeprefix('master-')) + 1:04d}"
        secret_file(self.folder / f"{name}.key", secrets.token_bytes(32))
        self.reload()
        return name

    def digest(self, what: str, value: str) -> bytes:
        """A keyed digest of `value`, of 32 bytes; `what` keeps the columns apart."""
        return hmac.digest(self._digest_key, f"{what}\0{value}".encode(), hashlib.sha256)

    def wrap(self, key: bytes, owner: str, leaf: bytes = b"") -> tuple[bytes, str]:
        """`key` under the current master key (and leaf), and that master key's name."""
        return seal(_joined(self.masters[self.current], leaf), key, owner.encode()), self.current

    def unwrap(self, wrapped: bytes, master: str, owner: str, leaf: bytes = b"") -> bytes:
        """What `wrap` was given. Raises MedrepError(CONFIGURATION: no such master key here | TAMPERED)."""
        return unseal(_joined(self._master(master), leaf), wrapped, owner.encode())

    def seal_for_us(self, plain: str, context: str) -> bytes:
        """Encrypt what belongs to no person (platform tokens)."""
        key = secrets.token_bytes(32)
        wrapped, master = self.wrap(key, context)
        return master.encode() + b"\0" + wrapped + seal(key, plain.encode(), context.encode())

    def open_for_us(self, sealed: bytes, context: str) -> str:
        master, _, rest = sealed.partition(b"\0")
        split = NONCE + 32 + 16
        key = self.unwrap(rest[:split], master.decode(), context)
        return unseal(key, rest[split:], context.encode()).decode()


def open_bare(folder: Path, wrapped: bytes, master: str, owner: str) -> bytes:
    """A key that was wrapped before there were leaves. Raises MedrepError(CONFIGURATION | TAMPERED)."""
    return unseal(read_key(folder, master), wrapped, owner.encode())

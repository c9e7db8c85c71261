"""Keys: a master key that wraps one data key per person, and the keyed digests for look-ups.

Destroying a person's wrapped key erases everything that was encrypted with it, wherever it rests,
backups of the ciphertext included. AES-256-GCM throughout; the nonce stands before the ciphertext.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections import OrderedDict
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from uuid import UUID, uuid4

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import insert, select, update

from bot.model import Fault, MedrepError
from bot.store import channels
from bot.store.database import Tx, copy_in, notify
from bot.store.tables import person

NONCE = 12
CACHED_KEYS = 50_000


def _seal(key: bytes, plain: bytes, context: bytes) -> bytes:
    nonce = os.urandom(NONCE)
    return nonce + AESGCM(key).encrypt(nonce, plain, context)


def _open(key: bytes, sealed: bytes, context: bytes) -> bytes:
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


def evidence_key(folder: Path) -> bytes:
    """The key of evidence rows' digests, kept in the key folder: the database alone cannot make one."""
    return secret_file(folder / "evidence-rows.key", secrets.token_bytes(32))


class Keyring:
    """The keys that rest in files: master keys (the newest wraps), and the digest key."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._digest_key = secret_file(folder / "digest.key", secrets.token_bytes(32))
        secret_file(folder / "master-0001.key", secrets.token_bytes(32))
        self.reload()

    def reload(self) -> None:
        """Read the master keys again: somebody may have rotated them."""
        self._masters = {p.stem: p.read_bytes() for p in sorted(self._folder.glob("master-*.key"))}
        self.current = max(self._masters)

    def rotate(self) -> str:
        """Make a new master key the current one; returns its name. Old ones still open."""
        name = f"master-{int(self.current.removeprefix('master-')) + 1:04d}"
        secret_file(self._folder / f"{name}.key", secrets.token_bytes(32))
        self.reload()
        return self.current

    def digest(self, what: str, value: str) -> bytes:
        """A keyed digest of `value`, of 32 bytes; `what` keeps the columns apart."""
        return hmac.digest(self._digest_key, f"{what}\0{value}".encode(), hashlib.sha256)

    def wrap(self, key: bytes, owner: str) -> tuple[bytes, str]:
        """`key` under the current master key, and that key's name."""
        return _seal(self._masters[self.current], key, owner.encode()), self.current

    def unwrap(self, wrapped: bytes, master: str, owner: str) -> bytes:
        if master not in self._masters:
            self.reload()
        if master not in self._masters:
            raise MedrepError(Fault.CONFIGURATION, f"the key folder has no {master}")
        return _open(self._masters[master], wrapped, owner.encode())

    def seal_for_us(self, plain: str, context: str) -> bytes:
        """Encrypt what belongs to no person (platform tokens)."""
        key, master = secrets.token_bytes(32), self.current
        wrapped, master = self.wrap(key, context)
        return master.encode() + b"\0" + wrapped + _seal(key, plain.encode(), context.encode())

    def open_for_us(self, sealed: bytes, context: str) -> str:
        master, _, rest = sealed.partition(b"\0")
        split = NONCE + 32 + 16
        key = self.unwrap(rest[:split], master.decode(), context)
        return _open(key, rest[split:], context.encode()).decode()


class Vault:
    """Encrypts and decrypts under people's data keys, and keeps recently used keys in memory."""

    def __init__(self, keyring: Keyring) -> None:
        self.keyring = keyring
        self._cache: OrderedDict[UUID, bytes] = OrderedDict()

    async def create(self, tx: Tx, kind: str, now: datetime) -> UUID:
        """A new person (or case) with a data key of its own."""
        person_id, key = uuid4(), secrets.token_bytes(32)
        wrapped, master = self.keyring.wrap(key, str(person_id))
        await tx.execute(
            insert(person).values(
                id=person_id, kind=kind, wrapped_key=wrapped, master_key=master, created_at=now
            )
        )
        return person_id

    async def create_many(self, tx: Tx, kind: str, count: int, now: datetime) -> list[UUID]:
        """As `create`, in one round trip; their keys are at hand for the `seal`s that follow."""
        ids = [uuid4() for _ in range(count)]
        rows = []
        for person_id in ids:
            key = secrets.token_bytes(32)
            wrapped, master = self.keyring.wrap(key, str(person_id))
            rows.append(
                {
                    "id": person_id,
                    "kind": kind,
                    "wrapped_key": wrapped,
                    "master_key": master,
                    "created_at": now,
                }
            )
            self._remember(person_id, key)
        await copy_in(tx, person, rows)
        return ids

    async def prepare(self, tx: Tx, person_ids: list[UUID]) -> None:
        """Read these people's keys in one round trip, ahead of many calls of `seal` or `open`.

        A key that cannot be read is met by the call that needs it.
        """
        missing = [person_id for person_id in person_ids if person_id not in self._cache]
        if not missing:
            return
        rows = await tx.execute(
            select(person.c.id, person.c.wrapped_key, person.c.master_key).where(
                person.c.id.in_(missing), person.c.wrapped_key.is_not(None)
            )
        )
        for row in rows:
            with suppress(MedrepError):
                key = self.keyring.unwrap(bytes(row.wrapped_key), row.master_key, str(row.id))
                self._remember(row.id, key)

    async def seal(self, tx: Tx, person_id: UUID, plain: str | bytes, context: str) -> bytes:
        """Ciphertext of `plain`, bound to this person and this place. Raises MedrepError(ERASED)."""
        data = plain.encode("utf-8", "surrogatepass") if isinstance(plain, str) else plain
        return _seal(await self._key(tx, person_id), data, f"{person_id}:{context}".encode())

    async def open(self, tx: Tx, person_id: UUID, sealed: bytes, context: str) -> bytes:
        """What `seal` was given. Raises MedrepError(ERASED | TAMPERED)."""
        return _open(await self._key(tx, person_id), bytes(sealed), f"{person_id}:{context}".encode())

    async def open_text(self, tx: Tx, person_id: UUID, sealed: bytes, context: str) -> str:
        return (await self.open(tx, person_id, sealed, context)).decode("utf-8", "surrogatepass")

    async def destroy(self, tx: Tx, person_id: UUID, now: datetime) -> None:
        """Destroy the data key; every process forgets it when this transaction commits."""
        await tx.execute(
            update(person).where(person.c.id == person_id).values(wrapped_key=None, erased_at=now)
        )
        self.forget(person_id)
        await notify(tx, channels.ERASED, str(person_id))

    def forget(self, person_id: UUID) -> None:
        self._cache.pop(person_id, None)

    def forget_all(self) -> None:
        """We may have missed that somebody was erased."""
        self._cache.clear()

    async def tell_rotated(self, tx: Tx) -> None:
        """Every process wraps under the new master key from this transaction's commit on."""
        await notify(tx, channels.ROTATED)

    async def rewrap(self, tx: Tx, limit: int = 1000) -> int:
        """Bring keys under the current master key; returns how many were moved this time."""
        rows = await tx.execute(
            select(person.c.id, person.c.wrapped_key, person.c.master_key)
            .where(person.c.wrapped_key.is_not(None), person.c.master_key != self.keyring.current)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        moved = 0
        for row in rows.all():
            key = self.keyring.unwrap(bytes(row.wrapped_key), row.master_key, str(row.id))
            wrapped, master = self.keyring.wrap(key, str(row.id))
            await tx.execute(
                update(person).where(person.c.id == row.id).values(wrapped_key=wrapped, master_key=master)
            )
            moved += 1
        return moved

    async def _key(self, tx: Tx, person_id: UUID) -> bytes:
        if (key := self._cache.get(person_id)) is not None:
            self._cache.move_to_end(person_id)
            return key
        row = (
            await tx.execute(
                select(person.c.wrapped_key, person.c.master_key).where(person.c.id == person_id)
            )
        ).first()
        if row is None or row.wrapped_key is None:
            raise MedrepError(Fault.ERASED, "this person's key was destroyed")
        key = self.keyring.unwrap(bytes(row.wrapped_key), row.master_key, str(person_id))
        self._remember(person_id, key)
        return key

    def _remember(self, person_id: UUID, key: bytes) -> None:
        self._cache[person_id] = key
        if len(self._cache) > CACHED_KEYS:
            self._cache.popitem(last=False)

"""Keys: a master key that wraps one data key per person, and the keyed digests for look-ups.

A data key is wrapped under the master key together with a leaf of its own in the key tree, a file of the
key folder. PostgreSQL keeps what was deleted in old pages, in its log, in copies; none of that opens anything
once the leaf is destroyed. AES-256-GCM throughout; the nonce stands before the ciphertext.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import socket
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import ColumnElement, func, insert, literal, or_, select, update

from bot.model import Fault, MedrepError
from bot.store import channels
from bot.store.database import Tx, copy_in, notify
from bot.store.key_tree import KeyTree, fresh_tree
from bot.store.tables import data_key, leaf_block, person

NONCE = 12
CACHED_KEYS = 50_000
NAMED = b"\x02"  # begins a ciphertext that names its data key
LEAF_BLOCK = 64  # leaves that a process takes at once


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


def make_keys(folder: Path) -> None:
    """The keys of a new database, each only where there is none. Asked for by `bot.store.key_checks` alone:
    a machine that made its own for a database that has keys would write what nobody else can read."""
    for name in ("digest", "evidence-rows", "evidence", "master-0001"):
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
        self.folder = folder
        """Raises MedrepError(CONFIGURATION): the folder lacks them."""
        self._digest_key = read_key(folder, "digest")
        read_key(folder, "master-0001")
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
        if name not in self.masters:
            self.reload()
        if name not in self.masters:
            raise MedrepError(Fault.CONFIGURATION, f"the key folder {self.folder} has no {name}.key")
        self.current = name

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
        return _seal(_joined(self.masters[self.current], leaf), key, owner.encode()), self.current

    def unwrap(self, wrapped: bytes, master: str, owner: str, leaf: bytes = b"") -> bytes:
        if master not in self.masters:
            self.reload()
        if master not in self.masters:
            raise MedrepError(Fault.CONFIGURATION, f"the key folder {self.folder} has no {master}.key")
        return _open(_joined(self.masters[master], leaf), wrapped, owner.encode())

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


def open_bare(folder: Path, wrapped: bytes, master: str, owner: str) -> bytes:
    """A key that was wrapped before there were leaves. Raises MedrepError(CONFIGURATION | TAMPERED)."""
    return _open(read_key(folder, master), wrapped, owner.encode())


class Vault:
    """Encrypts and decrypts under data keys, and keeps recently used keys in memory."""

    def __init__(self, keyring: Keyring) -> None:
        self.keyring = keyring
        self._cache: OrderedDict[UUID, tuple[bytes, UUID | None]] = OrderedDict()  # and whose it is
        self._leaves: list[int] = []  # ours to use

    async def create(self, tx: Tx, kind: str, now: datetime) -> UUID:
        """A new person with a data key of their own, of the same id."""
        person_id = uuid4()
        _, row = await self._fresh(tx, person_id, person_id)
        added = insert(person).values(id=person_id, kind=kind, created_at=now).returning(person.c.id)
        cte = added.cte("added")
        values = select(*(literal(value, data_key.c[name].type) for name, value in row.items()))
        await tx.execute(insert(data_key).from_select(list(row), values.select_from(cte)))
        return person_id

    async def create_many(self, tx: Tx, kind: str, count: int, now: datetime) -> list[UUID]:
        """As `create`, in few round trips; their keys are at hand for the `seal`s that follow."""
        ids, rows = [uuid4() for _ in range(count)], []
        for person_id in ids:
            key, row = await self._fresh(tx, person_id, person_id, of=count)
            self._remember(person_id, key, person_id)
            rows.append(row)
        await copy_in(tx, person, [{"id": one, "kind": kind, "created_at": now} for one in ids])
        await copy_in(tx, data_key, rows)
        return ids

    async def add_key(self, tx: Tx, person_id: UUID | None) -> UUID:
        """A new data key, which is destroyed with this person; None: with nobody."""
        return (await self.add_keys(tx, [person_id]))[0]

    async def add_keys(self, tx: Tx, person_ids: Sequence[UUID | None]) -> list[UUID]:
        """As `add_key`, one for each; they are at hand for the `seal`s that follow."""
        ids = [uuid4() for _ in person_ids]
        rows = []
        for key_id, person_id in zip(ids, person_ids, strict=True):
            key, row = await self._fresh(tx, key_id, person_id, of=len(ids))
            self._remember(key_id, key, person_id)
            rows.append(row)
        await tx.execute(insert(data_key), rows)
        return ids

    async def _fresh(
        self, tx: Tx, key_id: UUID, person_id: UUID | None, of: int = 1
    ) -> tuple[bytes, dict[str, Any]]:
        """A data key and its row; `of` so many that are made in a row."""
        key = secrets.token_bytes(32)
        number, leaf = await self._leaf(tx, of)
        wrapped, master = self.keyring.wrap(key, str(key_id), leaf)
        row = {"id": key_id, "person_id": person_id, "wrapped": wrapped, "master": master, "leaf": number}
        return key, row

    async def _leaf(self, tx: Tx, of: int) -> tuple[int, bytes]:
        """A leaf that nobody uses."""
        while True:
            if not self._leaves:
                blocks = func.generate_series(1, -(-of // LEAF_BLOCK)).table_valued("n")
                for block in await tx.execute(select(leaf_block.next_value()).select_from(blocks)):
                    self._leaves += range(block[0] * LEAF_BLOCK, (block[0] + 1) * LEAF_BLOCK)
            number = self._leaves.pop()
            # A database put back to an earlier day gives numbers out again; some are destroyed since.
            if (leaf := self.keyring.tree.leaf(number)) is not None:
                return number, leaf

    async def prepare(self, tx: Tx, key_ids: list[UUID]) -> None:
        """Read these keys in one round trip, ahead of many calls of `seal` or `open`.

        A key that cannot be read is met by the call that needs it.
        """
        missing = [key_id for key_id in key_ids if key_id not in self._cache]
        if not missing:
            return
        rows = await tx.execute(_KEYS.where(data_key.c.id.in_(missing), data_key.c.wrapped.is_not(None)))
        for row in rows:
            with suppress(MedrepError):
                self._remember(row.id, self.unwrapped(row), row.person_id)

    def unwrapped(self, row: Any) -> bytes:
        """The key of a row of `data_key`. Raises MedrepError(ERASED)."""
        leaf = b"" if row.leaf is None else self.keyring.tree.leaf(row.leaf)
        if row.wrapped is None or leaf is None:
            raise MedrepError(Fault.ERASED, "this key was destroyed")
        return self.keyring.unwrap(bytes(row.wrapped), row.master, str(row.id), leaf)

    async def seal(self, tx: Tx, key_id: UUID, plain: str | bytes, context: str) -> bytes:
        """Ciphertext of `plain`, bound to this key (which it names) and place. Raises MedrepError(ERASED)."""
        data = plain.encode("utf-8", "surrogatepass") if isinstance(plain, str) else plain
        key, _ = await self._existing(tx, key_id)
        return NAMED + key_id.bytes + _seal(key, data, f"{key_id}:{context}".encode())

    async def open(self, tx: Tx, owner: UUID, sealed: bytes, context: str) -> bytes:
        """What `seal` was given under a key of the owner: the person (by any of their contacts), or the case.

        Raises MedrepError(ERASED | TAMPERED: altered, or put from another's row or place into this one).
        """
        sealed = bytes(sealed)
        if not sealed:
            raise MedrepError(Fault.ERASED, "this text was erased")
        if sealed[:1] == NAMED and len(sealed) > 17:
            key_id = UUID(bytes=sealed[1:17])
            try:
                key, person_id = await self._key(tx, key_id)
            except LookupError:
                pass  # from before keys were named, and by chance it looks like it
            else:
                if owner not in (key_id, person_id):
                    raise MedrepError(Fault.TAMPERED, "ciphertext is under a key of somebody else")
                return _open(key, sealed[17:], f"{key_id}:{context}".encode())
        key, _ = await self._existing(tx, owner)
        return _open(key, sealed, f"{owner}:{context}".encode())

    async def open_text(self, tx: Tx, key_id: UUID, sealed: bytes, context: str) -> str:
        return (await self.open(tx, key_id, sealed, context)).decode("utf-8", "surrogatepass")

    async def destroy(self, tx: Tx, which: ColumnElement[bool]) -> int:
        """Destroy these data keys, and return how many. The database keeps traces of the wrapped ones until
        their leaves are gone, which each process sees to when it is told: see `bot.store.key_holders`."""
        done = await tx.execute(
            update(data_key)
            .where(which, data_key.c.wrapped.is_not(None))
            .values(wrapped=None, destroyed_at=func.now())
            .returning(data_key.c.id)
        )
        ids = list(done.scalars())
        for key_id in ids:
            self.forget(key_id)
            await notify(tx, channels.ERASED, str(key_id))
        return len(ids)

    def forget(self, key_id: UUID | None) -> None:
        if key_id is not None:
            self._cache.pop(key_id, None)

    def forget_all(self) -> None:
        """We may have missed that a key was destroyed."""
        self._cache.clear()

    async def rewrap(self, tx: Tx, limit: int = 1000) -> int:
        """Bring keys under the current master key; returns how many were moved this time."""
        elsewhere = or_(data_key.c.master != self.keyring.current, data_key.c.leaf.is_(None))
        query = _KEYS.where(data_key.c.wrapped.is_not(None), elsewhere).limit(limit)
        rows = (await tx.execute(query.with_for_update(skip_locked=True))).all()
        for row in rows:
            key = self.unwrapped(row)
            if row.leaf is None:
                number, leaf = await self._leaf(tx, len(rows))
            else:  # the same: it destroys what the former master key wrapped, too
                number, leaf = row.leaf, self.keyring.tree.leaf(row.leaf) or b""
            wrapped, master = self.keyring.wrap(key, str(row.id), leaf)
            values = {"wrapped": wrapped, "master": master, "leaf": number}
            await tx.execute(update(data_key).where(data_key.c.id == row.id).values(**values))
        return len(rows)

    async def _existing(self, tx: Tx, key_id: UUID) -> tuple[bytes, UUID | None]:
        try:
            return await self._key(tx, key_id)
        except LookupError:
            raise MedrepError(Fault.ERASED, "this key was destroyed") from None

    async def _key(self, tx: Tx, key_id: UUID) -> tuple[bytes, UUID | None]:
        """The data key, and whose it is. Raises MedrepError(ERASED), LookupError: there never was one."""
        if (found := self._cache.get(key_id)) is not None:
            self._cache.move_to_end(key_id)
            return found
        row = (await tx.execute(_KEYS.where(data_key.c.id == key_id))).first()
        if row is None:
            raise LookupError(f"no data key {key_id}")
        return self._remember(key_id, self.unwrapped(row), row.person_id)

    def _remember(self, key_id: UUID, key: bytes, person_id: UUID | None) -> tuple[bytes, UUID | None]:
        self._cache[key_id] = key, person_id
        if len(self._cache) > CACHED_KEYS:
            self._cache.popitem(last=False)
        return key, person_id


_KEYS = select(data_key.c.id, data_key.c.person_id, data_key.c.wrapped, data_key.c.master, data_key.c.leaf)

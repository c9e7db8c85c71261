"""Data keys: one for each person, contact and case, wrapped by the key ring and kept in the database."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, func, insert, literal, or_, select, update

from bot.model import Fault, MedrepError
from bot.store import channels
from bot.store.database import Tx, copy_in, hot, notify
from bot.store.keyring import Keyring, seal, unseal
from bot.store.tables import data_key, leaf_block, person

CACHED_KEYS = 50_000
NAMED = b"\x02"  # begins a ciphertext that names its data key
LEAF_BLOCK = 64  # leaves that a process takes at once
NOWHERE = UUID(int=0)  # before the first key


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
        for row in await hot(tx, _AT_HAND, {"ids": missing}):
            with suppress(MedrepError):
                self._remember(row.id, self.unwrapped(row), row.person_id)

    async def prepare_to_open(self, tx: Tx, sealed: Iterable[bytes]) -> None:
        """As `prepare`, of the keys that these name."""
        named = {bytes(one[1:17]) for one in sealed if one and one[:1] == NAMED and len(one) > 17}
        await self.prepare(tx, [UUID(bytes=one) for one in named])

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
        return NAMED + key_id.bytes + seal(key, data, f"{key_id}:{context}".encode())

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
                return unseal(key, sealed[17:], f"{key_id}:{context}".encode())
        key, _ = await self._existing(tx, owner)
        return unseal(key, sealed, f"{owner}:{context}".encode())

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

    async def rewrap(self, tx: Tx, after: UUID | None, limit: int = 1000) -> tuple[int, UUID | None]:
        """Bring the keys that come `after` this one (None: all) under the current master key, some at a time.

        Returns how many were moved, and after which to go on; None: these were the last. Who is broken off
        begins again. A key whose leaf is destroyed opens nothing any more, and stays as it is.
        """
        elsewhere = or_(data_key.c.master != self.keyring.current, data_key.c.leaf.is_(None))
        query = _KEYS.where(data_key.c.wrapped.is_not(None), elsewhere, data_key.c.id > (after or NOWHERE))
        query = query.order_by(data_key.c.id).limit(limit)
        # What is skipped is being destroyed, or brought under it by somebody else.
        rows = (await tx.execute(query.with_for_update(key_share=True, skip_locked=True))).all()
        moved = 0
        for row in rows:
            try:
                key = self.unwrapped(row)
            except MedrepError as error:
                if error.fault != Fault.ERASED:
                    raise
                continue
            if row.leaf is None:
                number, leaf = await self._leaf(tx, len(rows))
            else:  # the same: it destroys what the former master key wrapped, too
                number, leaf = row.leaf, self.keyring.tree.leaf(row.leaf) or b""
            wrapped, master = self.keyring.wrap(key, str(row.id), leaf)
            values = {"wrapped": wrapped, "master": master, "leaf": number}
            await tx.execute(update(data_key).where(data_key.c.id == row.id).values(**values))
            moved += 1
        return moved, rows[-1].id if len(rows) == limit else None

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
_AT_HAND = """
    SELECT id, person_id, wrapped, master, leaf FROM data_key
    WHERE id = ANY(CAST(%(ids)s AS uuid[])) AND wrapped IS NOT NULL
    """

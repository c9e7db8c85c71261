"""The sealer: one at a time over all processes, it links new rows and signs the head.

Linking inside each transaction would need a global lock, which halves throughput (DESIGN, section 6).
It holds the keys, so it also decides what becomes the record: it signs nothing that was not written by us,
was put in a second time, or comes out of the past. Such rows stay without a seal, and the verifier names
them.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import structlog

from bot.clock import CHINA, real_now
from bot.evidence.chain import content_of, is_authentic, is_plain, link, microseconds, written_at
from bot.evidence.heads import Checkpoint, End, Head, parse, signing_key
from bot.evidence.kept import Kept
from bot.runtime.killpoints import reached
from bot.store import evidence
from bot.store.database import UNAVAILABLE, Database, Tx
from bot.store.evidence import HeadRow, Unsealed
from bot.store.keyring import evidence_key

log = structlog.get_logger()
EVERY = 0.5  # seconds; the promise is "within a second"
BATCH = 1000
LOOK_BACK = 20  # heads, of which the newest that holds is gone on from
SETTLED = 120.0  # seconds
WINDOW = 600 * 1_000_000  # microseconds that clocks and transactions may differ


class Sealer:
    def __init__(self, db: Database, home: Path, copy: Path | None = None) -> None:
        """`copy`: a file elsewhere in which heads are kept as well."""
        self._db = db
        self._key = signing_key(home / "keys")
        self._public = self._key.public_key()
        self._row_key = evidence_key(home / "keys")
        self._kept = Kept(home, self._public, copy)
        self._sealed: deque[tuple[float, int]] = deque()  # when, and up to which evidence id
        self._refused: dict[int, str] = {}  # what the last look refused
        self._newest: Head | None = None  # that we signed
        self._reported: date | None = None  # the day whose head is in the log
        self._behind = True  # whether the files may lack heads: somebody may have died before writing them

    async def run(self) -> None:
        """Seal until cancelled."""
        while True:
            try:
                while await self.seal() == BATCH:
                    pass
                self._report()
            except (*UNAVAILABLE, OSError) as error:
                # The rows stay and are sealed later; a full disk keeps the outside heads from being written.
                log.warning("evidence.seal_failed", reason=type(error).__name__)
            await asyncio.sleep(EVERY)

    async def seal(self) -> int:
        """Link and sign what is new; how many rows that was (0 also when another process seals)."""
        async with self._db.begin() as tx:
            head, count = await self._seal(tx) if await evidence.become_sealer(tx) else (None, 0)
            reached("sealer.before_commit")
        reached("sealer.committed")
        # After the commit: a head kept outside never runs ahead of the database.
        if head is not None or self._behind:
            self._behind = True
            await self._keep(head)
            self._behind, self._newest = False, head or self._newest
        return count

    def _report(self) -> None:
        """One head a day and process in the log: who collects logs holds a witness out of reach here."""
        today = real_now().astimezone(CHINA).date()
        if self._newest is not None and self._reported != today:
            self._reported = today
            log.info("evidence.head", head=self._newest.line())

    async def _seal(self, tx: Tx) -> tuple[Head | None, int]:
        stored = await evidence.newest_heads(tx, LOOK_BACK)
        services = await self._services([head.line for head in stored])
        before_keys = await self._before_keys(tx, services)
        latest, rows = await self._sealable(tx, services, before_keys)
        if not rows:
            return None, 0
        if services is None:
            await asyncio.to_thread(self._kept.set_aside)
        # From what was signed, not from the newest seal: whoever took seals away must not have them made
        # anew. Numbers that somebody else gave out are passed over.
        newest = bytes.fromhex(services.link) if services else b""
        seq = max(services.seq if services else 0, await evidence.last_seq(tx))
        number = max(services.number if services else 0, stored[0].number if stored else 0)
        sealed = []
        for evidence_id, row_content, digest in rows:
            seq += 1
            newest = link(newest, seq, evidence_id, row_content, digest)
            sealed.append((seq, evidence_id, newest))
        head = Head(
            number=number + 1,
            seq=seq,
            link=newest.hex(),
            latest=latest,
            sealed_at=real_now(),
            before_keys=before_keys,
            previous=services.mark if services else "",
        ).sign(self._key)
        await evidence.add_seals(tx, sealed, HeadRow(head.number, seq, head.line()))
        return head, len(sealed)

    async def _services(self, stored: list[str]) -> Head | None:
        """The head to go on from: the newest that we know to have signed.

        Where the database has lost that one, the numbers go on all the same: the gap stays to be seen,
        and no head takes the place of one that was removed.
        """
        kept = await asyncio.to_thread(self._kept.newest)
        heads = [*self._valid_heads(stored), *([kept] if kept else [])]
        return max(heads, key=lambda head: head.number, default=None)

    async def _before_keys(self, tx: Tx, services: Head | None) -> int:
        """Up to which id rows may have plain digests: what was there when the first head was signed."""
        if services is not None:
            return services.before_keys
        first = await evidence.unsealed(tx, None, 1)
        return await evidence.newest(tx) if first and is_plain(first[0].row.digest) else 0

    async def _sealable(
        self, tx: Tx, services: Head | None, before_keys: int
    ) -> tuple[int, list[tuple[int, bytes, bytes]]]:
        """When the newest was written, and up to BATCH rows: (id, content, digest)."""
        after = await self._settled(tx)
        rows: list[tuple[int, bytes, bytes]] = []
        refused: dict[int, str] = {}
        sealed = await evidence.newest_sealed(tx)
        now = microseconds(real_now())
        latest = services.latest if services else 0
        while len(rows) < BATCH and (page := await evidence.unsealed(tx, after, BATCH - len(rows))):
            for found in page:
                bounds = Bounds.of(self._row_key, before_keys, sealed, latest, now)
                try:
                    row_content = bounds.content(found)
                except ValueError as error:
                    refused[found.row.id] = str(error)
                    continue
                rows.append((found.row.id, row_content, found.row.digest))
                latest = max(latest, written_at(found.row.digest) or 0)
            after = page[-1].row.id
        if refused != self._refused:
            for evidence_id, why in list(refused.items())[:10]:
                log.error("evidence.refused", row=evidence_id, why=why, rows=len(refused))
            self._refused = refused
        return latest, rows

    async def _settled(self, tx: Tx) -> int:
        """Below this id nothing can appear any more: it was sealed past longer ago than any transaction
        of ours can be open (`Database` ends statements and idle transactions at 30 s)."""
        now, newest = time.monotonic(), await evidence.newest_sealed(tx)
        if not self._sealed:
            self._sealed.append((now - SETTLED, newest - evidence.LOOK_BACK))
        if self._sealed[-1][1] < newest:
            self._sealed.append((now, newest))
        while len(self._sealed) > 1 and self._sealed[1][0] <= now - SETTLED:
            self._sealed.popleft()
        return self._sealed[0][1]

    async def _keep(self, head: Head | None) -> None:
        """Bring the files up to the newest head, also with what a process that died has left out."""
        after = await asyncio.to_thread(self._kept.missing_after)
        if head is not None and after == head.number - 1:
            await asyncio.to_thread(self._kept.append, [head], None)
        elif head is None or after < head.number:
            await self._catch_up(after)

    async def _catch_up(self, after: int) -> None:
        async with self._db.begin() as tx:
            lines = _parsed(await evidence.checkpoints(tx))
            before = next((c for c in lines if isinstance(c, Checkpoint) and c.holds(self._public)), None)
            page: list[Head] = []
            async for stored in evidence.heads(tx, after):
                page += self._valid_heads([stored.line])
                if len(page) >= BATCH:
                    await asyncio.to_thread(self._kept.append, page, before)
                    page = []
            await asyncio.to_thread(self._kept.append, page, before)

    def _valid_heads(self, lines: Iterable[str]) -> list[Head]:
        """The heads among these that we signed; the verifier finds the others."""
        return [read for read in _parsed(lines) if isinstance(read, Head) and read.holds(self._public)]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a row must keep to be sealed. Times are microseconds of real time."""

    key: bytes
    before_keys: int  # up to this id digests were not keyed
    sealed: int  # the highest id that has a seal
    earliest: int
    latest: int

    @classmethod
    def of(cls, key: bytes, before_keys: int, sealed: int, newest: int, now: int) -> Bounds:
        """`newest`: when the newest sealed row was written (it counts for less if that is yet to come)."""
        return cls(key, before_keys, sealed, min(newest, now) - WINDOW, now + WINDOW)

    def content(self, found: Unsealed) -> bytes:
        """The content of the row. Raises ValueError with the reason why it must not be sealed."""
        row = found.row
        row_content = content_of(row)
        # Rows from before keys are sealed once, in order: none comes into a gap between their ids later.
        late = is_plain(row.digest) and row.id <= self.sealed
        if late or not is_authentic(self.key, row, row_content, self.before_keys):
            raise ValueError("the row does not match its digest: it was not written with our key")
        written = written_at(row.digest)
        if written is None:
            return row_content
        if found.copied:
            raise ValueError("the row is a copy of another")
        if not self.earliest <= written <= self.latest:
            when = datetime.fromtimestamp(written / 1_000_000, CHINA).isoformat(timespec="seconds")
            raise ValueError(f"the row was written at {when}, which is not now")
        return row_content


def _parsed(lines: Iterable[str]) -> Iterator[Head | Checkpoint | End]:
    for line in lines:
        with suppress(ValueError):
            yield parse(line)

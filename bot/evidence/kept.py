"""Where heads are kept outside the database: files that only grow, and the newest one in the key folder.

`evidence/heads.jsonl` holds every head as a line. `keys/evidence.newest` holds the newest one that is in
that file for sure: who can write to the database and the file, but not to the key folder, can remove
neither unseen. `copy` is one more file, elsewhere (MEDREP_EVIDENCE_COPY), for another machine's disk.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bot.clock import real_now
from bot.evidence.heads import Checkpoint, Head, parse
from bot.runtime.killpoints import reached

log = structlog.get_logger()
_LONGEST = 1024 * 1024  # bytes of a line
_TAIL = 64 * 1024  # bytes in which the last line must be
_COPY_PATIENCE = 60.0  # seconds until a copy that failed is tried again


class Kept:
    """The files of one MEDREP_HOME. All processes of a machine share them, under a lock."""

    def __init__(self, home: Path, key: Ed25519PublicKey, copy: Path | None = None) -> None:
        """`key` verifies heads. Other lines are left as they are, for the verifier to find."""
        self.path = home / "evidence" / "heads.jsonl"
        self.copy = copy
        self._key = key
        self._newest = home / "keys" / "evidence.newest"
        self._copy_again = 0.0  # when (monotonic) a copy that failed is tried again

    def newest_line(self) -> str | None:
        """The line in the key folder, which only ever advances; None before the first."""
        try:
            return self._newest.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return None

    def newest(self) -> Head | None:
        """That head; None, too, where it is not ours (the verifier says so)."""
        return _head(self.newest_line() or "", self._key)

    def missing_after(self) -> int:
        """Every head with a higher number is wanted by one of the files.

        What our file once held for sure is not written again: somebody removed it, and that must stay seen.
        """
        newest = self.newest()
        wanted = max(_last_number(self.path, self._key), newest.number if newest else 0)
        copied = self._last_copied()
        return wanted if copied is None else min(wanted, copied)

    def _last_copied(self) -> int | None:
        if self.copy is None or time.monotonic() < self._copy_again:
            return None
        try:
            return _last_number(self.copy, self._key)
        except OSError as error:
            self._copy_failed(error)
            return None

    def _copy_failed(self, error: OSError) -> None:
        self._copy_again = time.monotonic() + _COPY_PATIENCE
        log.warning("evidence.copy_failed", reason=type(error).__name__)

    def set_aside(self) -> None:
        """Make room for the first head: an earlier version's file keeps its lines under another name."""
        with self._locked():
            if self.path.exists() and _last_number(self.path, self._key) == 0:
                self.path.rename(self.path.with_name(f"heads-{real_now():%Y%m%dT%H%M%S}.jsonl"))

    def append(self, heads: Sequence[Head], before: Checkpoint | None) -> None:
        """Bring the files up to the last of `heads`, and the key folder up to our own; `before`: heads older
        than the first were removed.

        Raises OSError for our own file; a copy that cannot be written is logged.
        """
        with self._locked():
            newest = self.newest()
            newest_number = newest.number if newest else 0
            _append(self.path, [head for head in heads if head.number > newest_number], before, self._key)
            reached("sealer.kept")
            last = _last(self.path, self._key)
            if last is not None and last.number > newest_number:
                self._replace(self._newest, [last.line()])
            if self.copy is not None and time.monotonic() >= self._copy_again:
                try:
                    _append(self.copy, heads, before, self._key)
                except OSError as error:
                    self._copy_failed(error)

    def prune(self, checkpoint: Checkpoint) -> None:
        """Take the heads before the checkpoint out of our own file (a copy is whoever keeps it's)."""
        with self._locked():
            if self.path.exists() and next(lines_of(self.path), "") != checkpoint.line():
                self._replace(self.path, _pruned(self.path, checkpoint))

    def _replace(self, path: Path, lines: Iterator[str] | Sequence[str]) -> None:
        """Write the file anew: whole or not at all."""
        part = path.with_name(f".{path.name}.part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.writelines(f"{line}\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync(path.parent)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.path.with_name("heads.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def lines_of(path: Path) -> Iterator[str]:
    """The whole lines that a file of heads has now, read one by one; none where there is no file.

    What follows the last line's end was cut off while it was written: the database holds that head.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return iter(())
    return _read(file, os.fstat(file.fileno()).st_size)


def _read(file: BinaryIO, size: int) -> Iterator[str]:
    with file:
        while size > 0 and (raw := file.readline(min(size, _LONGEST))):
            size -= len(raw)
            if raw.endswith(b"\n"):
                yield raw.decode("utf-8", "replace").removesuffix("\n")
            elif len(raw) == _LONGEST:
                yield ""  # no line of ours is so long


def _append(path: Path, heads: Sequence[Head], before: Checkpoint | None, key: Ed25519PublicKey) -> None:
    last = _last_number(path, key)
    wanted = [head for head in heads if head.number > last]
    if not wanted:
        return
    jumps = before is not None and last < before.checkpoint <= wanted[0].number
    lines = [before.line()] if jumps and before is not None else []
    fresh = not path.exists()
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
        file.seek(_end_of_lines(path))
        file.truncate()
        file.write("".join(f"{line}\n" for line in [*lines, *(head.line() for head in wanted)]).encode())
        file.flush()
        os.fsync(file.fileno())
    if fresh:
        _sync(path.parent)


def _tail(path: Path) -> tuple[int, bytes]:
    """The file's size, and its last bytes."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            return size, file.read()
    except FileNotFoundError:
        return 0, b""


def _end_of_lines(path: Path) -> int:
    size, tail = _tail(path)
    return size - (len(tail) - tail.rfind(b"\n") - 1)


def _last(path: Path, key: Ed25519PublicKey) -> Head | None:
    """The last head of ours in the file."""
    _, tail = _tail(path)
    for raw in reversed(tail[: tail.rfind(b"\n") + 1].splitlines()):
        if (head := _head(raw.decode("utf-8", "replace"), key)) is not None:
            return head
    return None


def _last_number(path: Path, key: Ed25519PublicKey) -> int:
    head = _last(path, key)
    return head.number if head else 0


def _head(line: str, key: Ed25519PublicKey) -> Head | None:
    """The line, where it is a head that this key signed."""
    try:
        head = parse(line)
    except ValueError:
        return None
    return head if isinstance(head, Head) and head.holds(key) else None


def _pruned(path: Path, checkpoint: Checkpoint) -> Iterator[str]:
    """What stays: the checkpoint, and every line that is not a head (or checkpoint) before it.

    A line that cannot be read stays, too: pruning must not take away what somebody did to the file.
    """
    yield checkpoint.line()
    for line in lines_of(path):
        try:
            read = parse(line)
        except ValueError:
            yield line
            continue
        number = read.number if isinstance(read, Head) else getattr(read, "checkpoint", 0)
        if number >= checkpoint.checkpoint and read != checkpoint:
            yield line


def _sync(folder: Path) -> None:
    """Make a new or renamed file's name itself durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

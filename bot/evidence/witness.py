"""Heads from one place, read in order: each is checked for itself, then against its neighbours."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bot.evidence.heads import Checkpoint, End, Head, parse
from bot.evidence.kept import lines_of
from bot.store.evidence import HeadRow

MOST = 20  # findings that are spelt out


@dataclass(slots=True)
class Findings:
    """What does not hold: the first of them in words, and how many there are."""

    words: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, finding: str) -> None:
        self.count += 1
        if len(self.words) < MOST:
            self.words.append(finding)

    def take(self, others: Findings) -> None:
        self.count += others.count
        self.words += others.words[: MOST - len(self.words)]


class Witness:
    """The heads of one place. `head` is the next to be compared; None at the end.

    `whole`: the place keeps every head, so that a number that is missing is one that was removed.
    """

    def __init__(
        self,
        name: str,
        lines: AsyncIterator[str | HeadRow],
        key: Ed25519PublicKey,
        findings: Findings,
        *,
        whole: bool = True,
    ) -> None:
        self.name = name
        self.head: Head | None = None
        self.line = ""
        self.first: int | None = None  # the number of the first head
        self.last: Head | None = None  # the newest that was read
        self._lines = lines
        self._key = key
        self._findings = findings
        self._whole = whole
        self._checkpoint: Checkpoint | None = None

    async def advance(self) -> None:
        """Go on to the next head that can be read and was signed; what cannot, or was not, is a finding."""
        self.head = None
        async for given in self._lines:
            line = given.line if isinstance(given, HeadRow) else given
            try:
                read = parse(line)
            except ValueError:
                read = None
            if read is None or isinstance(read, End):
                self._find(f"after head {self.last.number if self.last else 0}", "a line cannot be read")
                continue
            if isinstance(read, Checkpoint):
                self._take(read)
                continue
            if not read.holds(self._key):
                self._find(f"head {read.number}", "the signature does not match")
                continue
            if isinstance(given, HeadRow) and (given.number, given.seq) != (read.number, read.seq):
                self._find(f"head {read.number}", f"it stands in the place of head {given.number}")
            last = self.last
            self._check_order(read, last)
            self.first = read.number if self.first is None else self.first
            if last is not None and (read.seq <= last.seq or read.number <= last.number):
                continue
            self.head = self.last = read
            self.line = line
            return

    def _take(self, checkpoint: Checkpoint) -> None:
        what = f"checkpoint {checkpoint.checkpoint}"
        if not checkpoint.holds(self._key):
            self._find(what, "the signature does not match")
        elif self._checkpoint is not None and checkpoint.checkpoint <= self._checkpoint.checkpoint:
            self._find(what, f"it stands behind checkpoint {self._checkpoint.checkpoint}")
        else:
            self._checkpoint = checkpoint

    def _check_order(self, head: Head, last: Head | None) -> None:
        allowed = self._checkpoint
        ahead = last is None or head.number > last.number
        if allowed is not None and ahead and (head.number, head.mark) == (allowed.checkpoint, allowed.mark):
            return
        if not self._whole:
            if last is not None and not ahead:
                self._find(f"head {head.number}", f"it stands behind head {last.number}")
            return
        expected = last.number + 1 if last else 1
        if head.number > expected:
            self._find(f"head {expected}", "it is missing")
        elif head.number < expected:
            self._find(f"head {head.number}", "it stands a second time, or in another's place")
        elif head.previous != (last.mark if last else ""):
            self._find(f"head {head.number}", "it does not follow the one before")
        if last is not None and head.before_keys != last.before_keys:
            self._find(f"head {head.number}", "it allows other rows to have plain digests")

    def _find(self, what: str, why: str) -> None:
        self._findings.add(f"{what} ({self.name}): {why}")


async def each(lines: Iterable[str]) -> AsyncIterator[str]:
    """Lines of a file, for a witness."""
    for line in lines:
        yield line


def heads_within(path: Path) -> Iterator[str]:
    """The heads in a file of another's: a copy of ours, or a log; its other lines are passed over."""
    return _within(lines_of(path))  # opened now


def _within(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        try:
            read = json.loads(line)
        except ValueError:
            continue
        if not isinstance(read, dict):
            continue
        if read.get("event") == "evidence.head" and isinstance(read.get("head"), str):
            yield read["head"]
        elif "checkpoint" in read or {"number", "signature"} <= set(read):
            yield line

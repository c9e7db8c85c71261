"""Secrets of which a single one can be destroyed, so that nothing kept elsewhere brings it back.

2**40 secrets (leaves) hang on a binary tree: a node makes its two children by a one-way function, and at
first the file holds the root alone, which makes them all. Destroying a leaf replaces the node above it by the
nodes beside the way down to it. So the file of every machine loses the leaf by its number, no machine needs a
word from another, other leaves stay as they were, and a machine that was away catches up when it returns.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import secrets
import struct
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.model import Fault, MedrepError

DEPTH = 40
RUN = 6  # bits: leaves of so near numbers are asked for together
MARK = 32  # bytes before the nodes that tell one tree from another; they stay when nodes go
_RECORD = struct.Struct(">BQ32s")
_Nodes = dict[tuple[int, int], bytes]  # (depth, the leading bits of every leaf below) -> secret


def fresh_tree() -> bytes:
    """The file of a new tree."""
    return secrets.token_bytes(MARK) + _RECORD.pack(0, 0, secrets.token_bytes(32))


def read_tree(path: Path) -> bytes:
    """The whole file, not in the middle of being replaced. Raises MedrepError(CONFIGURATION)."""
    with _locked(path, fcntl.LOCK_SH):
        return path.read_bytes()


@contextmanager
def _locked(path: Path, how: int) -> Iterator[None]:
    if not path.exists():
        raise MedrepError(Fault.CONFIGURATION, f"{path} is missing")
    descriptor = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def _child(node: bytes, bit: int) -> bytes:
    return hmac.digest(node, bytes([bit]), hashlib.sha256)


def _above(nodes: _Nodes, number: int) -> tuple[int, int] | None:
    """The node that the leaf hangs on."""
    for depth in range(DEPTH + 1):
        if (place := (depth, number >> (DEPTH - depth))) in nodes:
            return place
    return None


class KeyTree:
    """The tree in one file. Several processes and threads may use the file."""

    def __init__(self, path: Path) -> None:
        """Raises MedrepError(CONFIGURATION): there is no such file, or it is damaged."""
        self._path = path
        with _locked(path, fcntl.LOCK_SH):
            _, self._nodes = self._read()
        # The node above the run last asked for, and what it was made from: keys are made in runs.
        self._run: tuple[_Nodes, int, bytes] | None = None

    def leaf(self, number: int) -> bytes | None:
        """The secret of this number; None: it was destroyed."""
        nodes, run = self._nodes, number >> RUN
        if self._run is not None and self._run[0] is nodes and self._run[1] == run:
            above, node = DEPTH - RUN, self._run[2]
        elif (place := _above(nodes, number)) is not None:
            above, node = place[0], nodes[place]
        else:
            return None
        for depth in range(above + 1, DEPTH + 1):
            node = _child(node, number >> (DEPTH - depth) & 1)
            if depth == DEPTH - RUN:
                self._run = nodes, run, node
        return node

    def destroy(self, numbers: Collection[int]) -> int:
        """Destroy these leaves in the file and in memory; how many were still in the file."""
        with _locked(self._path, fcntl.LOCK_EX):
            mark, nodes = self._read()
            destroyed = sum(_cut_out(nodes, number) for number in numbers)
            if destroyed:
                self._replace(mark, nodes)
            self._nodes = nodes  # in the lock: of two threads, who reads the file later sees more destroyed
        return destroyed

    def _read(self) -> tuple[bytes, _Nodes]:
        body = self._path.read_bytes()
        if len(body) < MARK or (len(body) - MARK) % _RECORD.size:
            raise MedrepError(Fault.CONFIGURATION, f"{self._path} is damaged")
        records = _RECORD.iter_unpack(body[MARK:])
        return body[:MARK], {(depth, bits): secret for depth, bits, secret in records}

    def _replace(self, mark: bytes, nodes: _Nodes) -> None:
        part = self._path.with_name(f".{self._path.name}.part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(mark)
            for (depth, bits), secret in nodes.items():
                file.write(_RECORD.pack(depth, bits, secret))
            file.flush()
            os.fsync(file.fileno())
        with self._path.open("r+b") as former:
            part.rename(self._path)
            # The blocks of the former file go back to the disk: not with the secret in them.
            former.write(bytes(os.fstat(former.fileno()).st_size))
            former.flush()
            os.fsync(former.fileno())
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _cut_out(nodes: _Nodes, number: int) -> bool:
    place = _above(nodes, number)
    if place is None:
        return False
    node = nodes.pop(place)
    for depth in range(place[0] + 1, DEPTH + 1):
        bits = number >> (DEPTH - depth)
        nodes[depth, bits ^ 1] = _child(node, bits & 1 ^ 1)
        node = _child(node, bits & 1)
    return True

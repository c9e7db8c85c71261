"""Everything the double saw and did, in order: for assertions, and for the page's 查看报文."""

from __future__ import annotations

import re
import time
from collections import deque
from typing import Any

KEPT = 20_000
SHOWN_BODY = 200_000  # characters of a body worth keeping

_SECRET = re.compile(r'(?P<name>"?\b(?:secret|access_token|refresh_token)\b"?\s*[:=]\s*"?)[^"&\s]+')


def masked(text: str) -> str:
    """Without the secrets and tokens that ride in queries and bodies."""
    return _SECRET.sub(r"\g<name>…", text)[:SHOWN_BODY]


class Journal:
    """Entries are plain JSON objects with a running `id`; the oldest fall out."""

    def __init__(self) -> None:
        self._entries: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._next = 1

    def open(self, kind: str, **facts: Any) -> dict[str, Any]:
        """Add an entry; the caller completes it as things happen."""
        entry = {"id": self._next, "kind": kind, "at": round(time.time(), 3), **facts}
        self._next += 1
        self._entries.append(entry)
        return entry

    def select(self, since: int = 0, **equal: Any) -> list[dict[str, Any]]:
        """The entries after `since` whose fields have the given values (None: any)."""
        wanted = {name: value for name, value in equal.items() if value is not None}
        return [
            entry
            for entry in self._entries
            if entry["id"] > since and all(entry.get(name) == value for name, value in wanted.items())
        ]

    def clear(self) -> None:
        self._entries.clear()

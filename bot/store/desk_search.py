"""What was said, searched by a colleague at the console: see `bot.store.desk`.

Words are sealed, so no index holds them: a page of a search opens so many messages, the newest first, and
says where the next one goes on. Messages are taken by their numbers, received and sent ones each below one of
their own: none is opened twice or passed over, whatever comes or is erased in between.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.model import ERASED_TEXT
from bot.store.database import Tx, hot
from bot.store.desk import opened
from bot.store.desk_chats import NEAREST, RECEIVED_BY, SENT_BY
from bot.store.vault import Vault

LAST = 10**18 - 1  # no message has a higher number


@dataclass(frozen=True, slots=True)
class Place:
    """Where a search goes on: with messages of lower numbers than these."""

    received: int = LAST
    sent: int = LAST


@dataclass(frozen=True, slots=True)
class Hit:
    """A message in which the words stand."""

    id: int
    incoming: bool
    contact_id: int
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Searched:
    """What a page of a search found in so many messages (`count`), from `newest` back to `oldest`. `then`:
    where the next page goes on; None: there is nothing older."""

    hits: tuple[Hit, ...]
    count: int
    newest: datetime | None
    oldest: datetime | None
    then: Place | None


_NEAREST = f"WITH {NEAREST} SELECT id, (SELECT few FROM few) AS few FROM nearest"  # noqa: S608 - parts of ours


async def nearest(tx: Tx, scanned: int) -> tuple[list[int], bool]:
    """Contacts that one sees, and whether these are all of them; else those who wrote last."""
    rows = await hot(tx, _NEAREST, {"scanned": scanned})
    return [row.id for row in rows], all(row.few for row in rows)


# Numbers and times agree but for messages that came at once: `reached` never rises from a number to a lower
# one, so that each page takes the upmost of both directions.
_SCAN = """
    WITH received AS (
        SELECT true AS incoming, id, contact_id, person_id, body_enc, received_at AS at,
               min(received_at) OVER (ORDER BY id DESC) AS reached
        FROM inbox
        WHERE {whose} AND kind IN ('text', 'choice', 'media') AND id < %(received)s
        ORDER BY id DESC LIMIT %(limit)s + 1
    ), sent AS (
        SELECT false AS incoming, id, contact_id, person_id, body_enc, created_at AS at,
               min(created_at) OVER (ORDER BY id DESC) AS reached
        FROM outbox
        WHERE {whose} AND body_enc IS NOT NULL AND id < %(sent)s
        ORDER BY id DESC LIMIT %(limit)s + 1
    )
    SELECT *, coalesce((SELECT max(id) FROM received), 0) + 1 AS received_top,
           coalesce((SELECT max(id) FROM sent), 0) + 1 AS sent_top
    FROM (SELECT * FROM received UNION ALL SELECT * FROM sent) AS spoken
    ORDER BY reached DESC, incoming, id DESC LIMIT %(limit)s + 1
    """
_OF_SOME = _SCAN.format(whose="contact_id = ANY(CAST(%(contacts)s AS bigint[]))")
_OF_ALL = _SCAN.format(whose="contact_id IS NOT NULL")
# Asked of those alone in which the words stand: of all that is opened it would cost more than opening.
_WITHHELD = f"""
    SELECT true AS incoming, inbox.id, {RECEIVED_BY}
    FROM inbox LEFT JOIN turn ON turn.id = inbox.turn_id WHERE inbox.id = ANY(CAST(%(received)s AS bigint[]))
    UNION ALL
    SELECT false, outbox.id, {SENT_BY} FROM outbox WHERE outbox.id = ANY(CAST(%(sent)s AS bigint[]))
    """  # noqa: S608 - parts of ours


async def search(
    tx: Tx,
    vault: Vault,
    contact_ids: Collection[int] | None,
    words: str,
    place: Place,
    *,
    limit: int,
    shown: int,
    but: Collection[str],
) -> Searched:
    """Open the next `limit` messages of these contacts (None: of all one sees); end after `shown` that hold
    the words. `but`: what is withheld for these roles is not found."""
    values = {"received": place.received, "sent": place.sent, "limit": limit}
    if contact_ids is None:
        rows = await hot(tx, _OF_ALL, values)
    else:
        rows = await hot(tx, _OF_SOME, {**values, "contacts": list(contact_ids)})
    taken, more = rows[:limit], len(rows) > limit
    found = await _holding(tx, vault, taken, words)
    readable: list[tuple[int, str]] = []
    # Some at a time: of a common word not each that holds it is asked.
    for some in _some(found, shown + 1):
        readable += await _readable(tx, taken, some, but)
        if len(readable) > shown:
            readable, more = readable[:shown], True
            taken = taken[: readable[-1][0] + 1]
            break
    hits = []
    for at, text in readable:
        row = taken[at]
        hits.append(Hit(row.id, row.incoming, row.contact_id, row.at, text))
    if not taken:
        return Searched((), 0, None, None, None)
    # Of a direction of which none was taken: what is there now, and not what comes meanwhile.
    then = Place(
        min((row.id for row in taken if row.incoming), default=taken[0].received_top),
        min((row.id for row in taken if not row.incoming), default=taken[0].sent_top),
    )
    return Searched(tuple(hits), len(taken), taken[0].at, taken[-1].reached, then if more else None)


async def _holding(tx: Tx, vault: Vault, rows: Sequence[Any], words: str) -> list[tuple[int, str]]:
    """(position, what it says) of those in which the words stand."""
    # As they stand in JSON, with and without escapes: only what has one of these is worth parsing.
    raw = {json.dumps(words)[1:-1], json.dumps(words, ensure_ascii=False)[1:-1]}
    await vault.prepare_to_open(tx, [row.body_enc for row in rows])
    found = []
    for at, row in enumerate(rows):
        place = "inbox.body" if row.incoming else "outbox.body"
        plain = await opened(tx, vault, row.person_id, row.body_enc, place)
        if plain != ERASED_TEXT and any(one in plain for one in raw):
            text = _spoken(json.loads(plain))
            if words in text:
                found.append((at, text))
    return found


def _spoken(body: dict[str, Any]) -> str:
    return "\n".join([str(body.get("text") or ""), *(part for part, _ in body.get("parts", ()))]).strip()


def _some(found: list[tuple[int, str]], each: int) -> Iterator[list[tuple[int, str]]]:
    return (found[at : at + each] for at in range(0, len(found), each))


async def _readable(
    tx: Tx, rows: Sequence[Any], found: list[tuple[int, str]], but: Collection[str]
) -> list[tuple[int, str]]:
    """Those of `found` that are withheld for none of these roles."""
    asked = {
        "received": [rows[at].id for at, _ in found if rows[at].incoming],
        "sent": [rows[at].id for at, _ in found if not rows[at].incoming],
    }
    withheld = {(row.incoming, row.id) for row in await hot(tx, _WITHHELD, asked) if row.withheld in but}
    return [one for one in found if (rows[one[0]].incoming, rows[one[0]].id) not in withheld]

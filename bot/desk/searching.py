"""Conversations by name, by place and by what was said in them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.desk.chats import LISTED, ChatRow, chat_rows, fitting
from bot.desk.reading import Desk, withheld_from
from bot.staff import Session
from bot.store import desk, desk_chats, desk_search
from bot.store.desk import Counterpart
from bot.store.desk_search import Hit, Place, Searched

# What a page opens: it is to answer at once on the machine of a small company. Who wants more goes on.
NAMES, MESSAGES, HITS = 1000, 1000, 50
LONGEST = 40  # characters of what is searched for


@dataclass(frozen=True, slots=True)
class HitRow:
    """A message in which the words stand, and whose conversation it is in."""

    hit: Hit
    about: Counterpart

    @property
    def until(self) -> datetime:
        """The conversation shown to this moment ends with it."""
        return self.hit.at + timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Findings:
    """A page of a search. `named`: conversations with who is called so or works there, on the first page
    alone, of `names` that were looked at (`every`: of all that one sees)."""

    named: tuple[ChatRow, ...]
    names: int
    every: bool
    said: tuple[HitRow, ...]
    searched: Searched


async def find_chats(
    reading: Desk, who: Session, which: str, words: str, place: Place | None = None
) -> Findings:
    """Conversations of a filter in which the words stand; `place`: where the search goes on."""
    vault = reading.services.vault
    async with reading.reading(who) as tx:
        if which == "all":
            contacts, every = await desk_search.nearest(tx, NAMES)
        else:
            contacts, every = [line.contact_id for line in await fitting(tx, who, which)], True
        named: list[ChatRow] = []
        if place is None:
            about = await desk.counterparts(tx, vault, contacts)
            called = [
                key for key, one in about.items() if words in f"{one.name} {one.hospital} {one.department}"
            ]
            named = await chat_rows(tx, reading, await desk_chats.lines_of(tx, called, LISTED), who)
        searched = await desk_search.search(
            tx, vault, contacts if every else None, words, place or Place(),
            limit=MESSAGES, shown=HITS, but=withheld_from(who),
        )  # fmt: skip
        about = await desk.counterparts(tx, vault, {hit.contact_id for hit in searched.hits})
    said = tuple(HitRow(hit, about[hit.contact_id]) for hit in searched.hits if hit.contact_id in about)
    return Findings(tuple(named), len(contacts), every, said, searched)

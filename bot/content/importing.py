"""Files into revisions: a changed item becomes a draft, an unchanged one nothing."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from bot.content.editions import Item, bodies, digest
from bot.content.meetings import meeting_faults
from bot.evidence import note
from bot.knowledge import Content
from bot.model import Fault, MedrepError
from bot.store import content as store
from bot.store.content import PENDING, PUBLISHED, Revision
from bot.store.database import Tx


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of the files. `older`: items whose files say what was in force before; no revisions of them
    are made. `absent`: items in force that the files lack; they stay in force until they are withdrawn."""

    drafts: tuple[Revision, ...]
    older: tuple[Revision, ...]
    absent: tuple[Revision, ...]


async def import_content(tx: Tx, content: Content, author: str, now: datetime) -> Imported:
    """Drafts of what differs from all that is in force, pending, or was in force before.

    A draft takes the place of a pending revision of the same item. Raises MedrepError(REFUSED_TEXT): a
    meeting that is over, or that offers what we do not give.
    """
    await store.lock(tx)
    revisions: defaultdict[Item, list[Revision]] = defaultdict(list)
    for revision in await store.every(tx):
        revisions[revision.item].append(revision)
    items = bodies(content)
    new, older = [], []
    for item, body in items.items():
        alike = [one for one in revisions[item] if one.body == body and one.withdrawn_at is None]
        if any(one.state in (PUBLISHED, *PENDING) for one in alike):
            continue
        # An old folder is no wish to go back: `content publish REVISION` is.
        if before := [one for one in alike if one.published_at is not None]:
            older.append(before[-1])
            continue
        number = revisions[item][-1].number + 1 if revisions[item] else 1
        new.append((*item, number, body))
    if refused := list(meeting_faults(content, {(section, item_id) for section, item_id, *_ in new}, now)):
        raise MedrepError(Fault.REFUSED_TEXT, "\n".join(refused))
    drafts = await store.add(tx, new, author, now)
    if drafts:
        made = [digest(one) for one in drafts]
        await note(tx, "content.imported", now, "content", author=author, revisions=made)
    absent = [one for some in revisions.values() for one in some if one.state == PUBLISHED]
    return Imported(tuple(drafts), tuple(older), tuple(one for one in absent if one.item not in items))

"""Publishing: approved revisions come into force together, after their index was built, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bot import staff
from bot.clock import CHINA
from bot.compliance import check_text
from bot.content.approval import lacking, named
from bot.content.editions import SECTIONS, Item, assembled, digest
from bot.content.meetings import meeting_faults
from bot.content.presenting import LONGEST, in_date, key_message_text
from bot.evidence import note
from bot.knowledge import Content, Encoder, Entry, Format, KeyMessage, answer_text, keep_index
from bot.model import Fault, MedrepError
from bot.staff import Role
from bot.store import content as store
from bot.store.content import Revision
from bot.store.database import Database, Tx

# Who may take a text out of force. One person is enough: what is withdrawn can do no harm.
WITHDRAWERS = frozenset({Role.MEDICAL, Role.REVIEWER, Role.PV, Role.COMPLIANCE})


@dataclass(frozen=True, slots=True)
class Publication:
    """What is in force now, and what became of an attempt to change it.

    state: published | unchanged | kept (the files differ, what somebody published stays) | drafted.
    """

    fingerprint: str
    state: str

    def __str__(self) -> str:
        return f"content {self.fingerprint[:12]} {self.state}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be in force. `new`: its revisions not in force yet; `base`: the version replaced."""

    base: int
    content: Content
    revisions: tuple[Revision, ...]
    new: tuple[Revision, ...]
    changed: bool


async def publish(
    db: Database, revisions: Sequence[int], by: str, now: datetime, encoder: Encoder, folder: Path
) -> Publication:
    """Put these revisions in force; all pending ones when none is named. `folder` keeps the index.

    Raises MedrepError: NOT_FOUND, BAD_INPUT (they do not fit together), REFUSED_TEXT (a line a revision that
    lacks approval, is expired or says what compliance forbids), CONFLICT (somebody published meanwhile).
    """
    async with db.begin() as tx:
        chosen = await (named(tx, revisions) if revisions else store.pending(tx))
    return await _put(db, [one.id for one in chosen], by, now, encoder, folder)


async def withdraw(
    db: Database,
    revision: int,
    login: str,
    reason: str,
    now: datetime,
    encoder: Encoder,
    folder: Path,
) -> Publication:
    """Take a revision out of force: from the first commit on nothing of it leaves, in any process; then
    a version without it comes into force.

    Raises MedrepError: NOT_FOUND, BAD_INPUT (what is left does not fit together), CONFLICT (not in force,
    or not this colleague's to withdraw).
    """
    async with db.begin() as tx:
        await store.lock(tx)
        await staff.colleague(tx, login, WITHDRAWERS)
        (found,) = await named(tx, [revision])
        if found.state != store.PUBLISHED:
            raise MedrepError(Fault.CONFLICT, f"{found} is not in force")
        await store.withdraw(tx, found.id, now)
        await plan_of(tx, ())
        text = [digest(found)]
        await note(tx, "content.withdrawn", now, "content", login=login, reason=reason, revisions=text)
    return await _put(db, (), login, now, encoder, folder)


async def _put(
    db: Database, chosen: Sequence[int], by: str, now: datetime, encoder: Encoder, folder: Path
) -> Publication:
    async with db.begin() as tx:
        plan = await plan_of(tx, chosen)
        await _refuse(tx, plan, now)
    if not plan.changed:
        return Publication(plan.content.fingerprint, "unchanged")
    # No process needs to build it after the switch, and one that cannot be built is never in force.
    await asyncio.to_thread(keep_index, plan.content, encoder, folder)
    async with db.begin() as tx:
        await store.lock(tx)
        latest = await plan_of(tx, chosen)
        if (latest.base, latest.revisions) != (plan.base, plan.revisions):
            raise MedrepError(Fault.CONFLICT, "somebody changed the content meanwhile; nothing was published")
        await put_in_force(tx, latest, by, now)
    return Publication(plan.content.fingerprint, "published")


async def put_in_force(tx: Tx, plan: Plan, by: str, now: datetime) -> None:
    """The switch, in one transaction."""
    fingerprint = plan.content.fingerprint
    version = await store.put_in_force(tx, fingerprint, [one.id for one in plan.revisions], by, now)
    new = [digest(one) for one in plan.new]
    await note(
        tx, "content.published", now, f"content:{version}", fingerprint=fingerprint, by=by, revisions=new
    )


async def plan_of(tx: Tx, chosen: Collection[int]) -> Plan:
    """What is in force with `chosen` put in its place, or behind the last of its section."""
    version = await store.current(tx)
    standing = await store.of_version(tx, version.id) if version else []
    wanted = [one for one in await named(tx, chosen) if one.state != store.PUBLISHED]
    wanted.sort(key=lambda one: one.id)  # as their files had them
    new = {one.item: one for one in wanted}
    if len(new) < len(wanted):
        raise MedrepError(Fault.BAD_INPUT, "two revisions of one item cannot be in force together")
    revisions = [new.get(one.item, one) for one in standing]
    in_force = {one.item for one in standing}
    revisions += [one for one in new.values() if one.item not in in_force]
    revisions.sort(key=lambda one: SECTIONS.index(one.section))
    before = version.revisions if version else ()
    return Plan(
        version.id if version else 0,
        assembled(revisions),
        tuple(revisions),
        tuple(new.values()),
        tuple(one.id for one in revisions) != before,
    )


async def _refuse(tx: Tx, plan: Plan, now: datetime) -> None:
    """Raises MedrepError(REFUSED_TEXT), a line for each thing that stands against a revision of `new`."""
    approvals = await store.approvals(tx, [one.id for one in plan.new])
    found = [f"{one}: it was withdrawn" for one in plan.new if one.withdrawn_at is not None]
    for one in plan.new:
        if missing := lacking(approvals[one.id]):
            found.append(f"{one} (revision {one.id}): lacks {missing}")
    found += faults(plan.content, {one.item for one in plan.new}, now)
    if found:
        raise MedrepError(Fault.REFUSED_TEXT, "\n".join(found))


def faults(content: Content, items: Set[Item], now: datetime) -> Iterator[str]:
    """What stands against these items: documents past their date, and what compliance finds in the texts
    that change with them, for the audience of their document."""
    today = now.astimezone(CHINA).date()
    expired = {document.id for document in content.documents if document.valid_until < today}
    for section, item in items:
        if section == "documents" and item in expired:
            yield f"documents {item}: expired on {content.document[item].valid_until}"
    for entry in content.entries:
        itself = ("entries", entry.id)
        if entry.document in expired:
            if itself in items:
                yield f"entries {entry.id}: document {entry.document} has expired"
        elif not items.isdisjoint((itself, *_documents(entry))):
            yield from _findings(entry, content, now)
    yield from _presented(content, items, now)
    yield from meeting_faults(content, items, now)


def _presented(content: Content, items: Set[Item], now: datetime) -> Iterator[str]:
    """What stands against key messages and materials among these items."""
    for message in content.key_messages:
        changed = {("key_messages", message.id), *(("documents", name) for name in message.documents)}
        if not in_date(message, content, now):
            if ("key_messages", message.id) in items:
                yield f"key_messages {message.id}: a document has expired"
        elif not items.isdisjoint(changed):
            yield from _told(message, content, now)
    for material in content.materials:
        if ("materials", material.id) in items:
            if not in_date(material, content, now):
                yield f"materials {material.id}: a part is missing, or a document has expired"
            for finding in check_text(material.title, material.audience):
                yield f"materials {material.id}: {finding.rule}: {finding.why}"


def _told(message: KeyMessage, content: Content, now: datetime) -> Iterator[str]:
    for form in Format:
        text = key_message_text(message, form, content, now)
        if len(text.encode()) > LONGEST:
            yield f"key_messages {message.id}: {form}: longer than {LONGEST} bytes"
        for finding in check_text(text, message.audience):
            yield f"key_messages {message.id}: {form}: {finding.rule}: {finding.why}"


def _documents(entry: Entry) -> tuple[Item, ...]:
    names = (entry.document, entry.differs.document) if entry.differs else (entry.document,)
    return tuple(("documents", name) for name in names)


def _findings(entry: Entry, content: Content, now: datetime) -> Iterator[str]:
    audience = content.document[entry.document].audience
    for text in (answer_text(entry, content, now), entry.question):
        for finding in check_text(text, audience):
            yield f"entries {entry.id}: {finding.rule}: {finding.why}"

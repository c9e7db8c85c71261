"""Two processes and a change of the content: the database says what may be quoted, not a process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.clock import CHINA
from bot.content import withdraw
from bot.dialogue.published import GRACE, Published
from bot.knowledge import Content, answer_text, source_text
from bot.model import OutboxState, Purpose
from bot.runtime.services import Services
from bot.store import content as store
from bot.store.outbox import Draft, Part
from tests.approved import colleagues, in_force
from tests.content.conftest import PEOPLE, a_little, changed
from tests.content.test_publication import Waiting
from tests.pushing import Pushed
from tests.stage import DOCTORS, ENCODER, Stage

LITTLE = a_little()
ENTRY = LITTLE.entries[0]
CHANGED = changed(LITTLE, "entries", ENTRY.id, answer="每日一次。")


@dataclass
class Process:
    """A process that answers and sends; it is told of nothing, so it stays on what it has loaded."""

    stage: Stage
    services: Services
    sender: Pushed

    @classmethod
    async def started(cls, stage: Stage, indexes: Path) -> Process:
        published = Published(stage.services.db, ENCODER, indexes)
        services = replace(stage.services, published=published)
        await published.load()
        await published.indexed()
        return cls(stage, services, Pushed(services, {DOCTORS: stage.wechat}))

    async def answers(self) -> int:
        """An answer made from what this process has, queued; its row."""
        edition = self.services.published.edition
        text = answer_text(edition.content.entry[ENTRY.id], edition.content, self.services.clock.now())
        return await self.stage.queue(draft=Draft((Part(text, edition.basis(ENTRY.id)),), Purpose.REPLY))

    async def sends(self, row: int) -> str:
        """The row's state after this process has pushed what it could."""
        await self.stage.at_once()
        while await self.sender.push():
            pass
        return str((await self.stage.row(row)).state)


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("indexes")


@pytest.fixture
async def before(open_window: Stage, indexes: Path) -> Process:
    """A process on the little content; the phone's owner is a verified doctor."""
    stage = open_window
    async with stage.services.db.begin() as tx:
        await colleagues(tx, PEOPLE)
    await publish(stage, LITTLE, indexes)
    contact = await stage.contact()
    await stage.write(
        "INSERT INTO doctor (person_id, external_id, name_enc, hospital, digest, verified_at, updated_at) "
        "VALUES (:person, 'T-1', '', '示例医院', '', now(), now())",
        person=contact.person_id,
    )
    return await Process.started(stage, indexes)


@pytest.fixture
async def after(before: Process, indexes: Path) -> AsyncIterator[Process]:
    """Another process, on a changed entry."""
    await publish(before.stage, CHANGED, indexes)
    yield await Process.started(before.stage, indexes)


async def publish(stage: Stage, content: Content, indexes: Path) -> None:
    await in_force(stage.services.db, content, stage.services.clock.now(), ENCODER, indexes)


async def test_an_answer_of_one_edition_is_sent_by_a_process_on_another(
    before: Process, after: Process
) -> None:
    assert before.services.published.edition.numbers[ENTRY.id] == 1
    assert after.services.published.edition.numbers[ENTRY.id] == 2
    old, new = await before.answers(), await after.answers()
    assert await after.sends(old) == OutboxState.SENT, "made before the switch, or by who has not seen it yet"
    assert await before.sends(new) == OutboxState.SENT, "made after it, sent by who has not seen it yet"
    assert [text.splitlines()[0] for text in await before.stage.reply_texts()] == [ENTRY.answer, "每日一次。"]


async def test_a_replaced_wording_leaves_no_longer_than_the_grace(before: Process, after: Process) -> None:
    stage, now = before.stage, before.services.clock.now()
    row = await before.answers()
    await stage.move(now + GRACE - timedelta(minutes=1))
    assert await after.sends(row) == OutboxState.SENT
    for process in (after, before):
        row = await before.answers()
        await stage.move(now + GRACE + timedelta(minutes=1))
        assert await process.sends(row) == OutboxState.BLOCKED
    assert await before.sends(await after.answers()) == OutboxState.SENT, "what is in force leaves"


async def test_a_number_and_another_revisions_words_do_not_mix(before: Process, after: Process) -> None:
    edition = after.services.published.edition
    text = answer_text(edition.content.entry[ENTRY.id], edition.content, after.services.clock.now())
    basis = before.services.published.edition.basis(ENTRY.id)
    row = await before.stage.queue(draft=Draft((Part(text, basis),), Purpose.REPLY))
    assert await after.sends(row) == OutboxState.BLOCKED


async def test_a_withdrawn_entry_is_blocked_at_once_everywhere(before: Process, indexes: Path) -> None:
    """While the index without it is still being built, and though each process has it in memory."""
    stage, other = before.stage, await Process.started(before.stage, indexes)
    queued = await before.answers()
    async with stage.services.db.begin() as tx:
        (revision,) = await store.of_item(tx, ENTRY.id)
    slow = Waiting()  # nobody has this index yet
    now = stage.services.clock.now()
    withdrawal = asyncio.create_task(
        withdraw(stage.services.db, revision.id, "pv-1", "剂量有误", now, slow, indexes)
    )
    assert await asyncio.to_thread(slow.begun.wait, 60)
    assert await other.sends(queued) == OutboxState.BLOCKED
    assert await before.sends(await before.answers()) == OutboxState.BLOCKED
    slow.go.set()
    assert (await withdrawal).state == "published"
    assert await other.sends(await other.answers()) == OutboxState.BLOCKED


async def test_the_source_of_a_replaced_edition_is_one_of_ours_as_long(
    before: Process, indexes: Path
) -> None:
    """F20: the placeholder of 「出处」 is filled by one process and checked by another."""
    stage = before.stage
    title = "盐酸二甲双胍片说明书（新演示稿）"
    await publish(stage, changed(LITTLE, "documents", "metformin-label", title=title), indexes)
    after = await Process.started(stage, indexes)
    dialogue = stage.services.published.dialogue
    for process, state in (
        (after, OutboxState.SENT),
        (before, OutboxState.SENT),
        (before, OutboxState.BLOCKED),
    ):
        text = source_text(ENTRY, before.services.published.content, stage.services.clock.now())
        sentence = dialogue.text("utter_source", source=text)
        row = await stage.queue(draft=Draft((Part(sentence, dialogue.basis("utter_source")),), Purpose.REPLY))
        if state == OutboxState.BLOCKED:
            await stage.move(stage.services.clock.now() + GRACE * 2)
        assert await process.sends(row) == state


async def test_a_document_that_was_shortened_ends_what_quoted_it(before: Process, indexes: Path) -> None:
    """The earlier edition gave it longer; what is in force decides."""
    stage = before.stage
    last = (stage.services.clock.now().astimezone(CHINA) + timedelta(days=1)).replace(hour=23, minute=52)
    await stage.move(last)
    await stage.phone.send(type="image", wait=True)
    shortened = changed(LITTLE, "documents", "metformin-label", valid_until=last.date())
    await publish(stage, shortened, indexes)
    assert await before.sends(await before.answers()) == OutboxState.SENT
    row = await before.answers()
    await stage.move(last + timedelta(minutes=10))
    assert await before.sends(row) == OutboxState.BLOCKED

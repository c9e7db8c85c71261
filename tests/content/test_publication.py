"""What is put in force, and what is not; the index first, then one switch."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from bot.content import approve, edition_in_force, import_content, publish, withdraw
from bot.knowledge import Content, Encoder, kept_index
from bot.model import Fault, MedrepError
from tests.approved import approved
from tests.content.conftest import NOW, Shelf, changed


class Broken(Encoder):
    """It encodes nothing any more."""

    def many(self, texts: Any) -> Any:
        raise RuntimeError("no")


class Waiting(Encoder):
    """It encodes when `go` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go = threading.Event(), threading.Event()

    def many(self, texts: Any) -> Any:
        self.begun.set()
        assert self.go.wait(60)
        return super().many(texts)


async def answer(shelf: Shelf, entry: str) -> tuple[str, int]:
    """What is in force of an entry: its words and its revision."""
    async with shelf.db.begin() as tx:
        edition = await edition_in_force(tx)
    assert edition is not None
    return edition.content.entry[entry].answer, edition.numbers[entry]


def with_answer(shelf: Shelf, words: str, place: int = 0) -> Content:
    return changed(shelf.content, "entries", shelf.entries[place], answer=words)


async def test_an_approved_revision_is_published_with_its_index(shelf: Shelf, tmp_path: Path) -> None:
    new = with_answer(shelf, "每日一次。")
    await approved(shelf.db, new, NOW)
    done = await publish(shelf.db, (), "admin", NOW, shelf.encoder, tmp_path)
    assert (done.state, done.fingerprint) == ("published", new.fingerprint)
    assert await answer(shelf, shelf.entries[0]) == ("每日一次。", 2)
    assert (await shelf.revision(shelf.entries[0], 1)).state == "retired"
    assert kept_index(new, Broken(), tmp_path).content == new, "a process only reads it"
    facts = (await shelf.facts("content.published"))[-1]
    assert (facts["by"], facts["fingerprint"], len(facts["revisions"])) == ("admin", new.fingerprint, 1)
    assert (await publish(shelf.db, (), "admin", NOW, Broken(), tmp_path)).state == "unchanged"


async def test_what_cannot_be_indexed_is_not_in_force(shelf: Shelf, tmp_path: Path) -> None:
    before = await shelf.version()
    await approved(shelf.db, with_answer(shelf, "每日一次。"), NOW)
    with pytest.raises(RuntimeError):
        await publish(shelf.db, (), "admin", NOW, Broken(), tmp_path)
    (tmp_path / "full").write_text("no folder can be made here")
    with pytest.raises(OSError, match="full"):
        await publish(shelf.db, (), "admin", NOW, shelf.encoder, tmp_path / "full")
    assert await shelf.version() == before and (await answer(shelf, shelf.entries[0]))[1] == 1


async def test_refusals_name_each_revision_and_change_nothing(shelf: Shelf) -> None:
    """Without approval, expired, and forbidden words: all of them are named at once."""
    before = await shelf.version()
    label = shelf.content.documents[0]
    new = with_answer(shelf, "本品疗效最好，保证根治，无任何副作用。")
    new = changed(new, "documents", label.id, valid_until="2020-01-01")
    async with shelf.db.begin() as tx:
        drafts = (await import_content(tx, new, "author", NOW)).drafts
        await approve(tx, [drafts[0].id], "yi-xue", NOW)
    with pytest.raises(MedrepError) as refused:
        await publish(shelf.db, (), "admin", NOW, shelf.encoder, shelf.folder)
    lines = refused.value.detail.splitlines()
    assert refused.value.fault == Fault.REFUSED_TEXT
    for expected in (
        f"documents {label.id}@2 (revision {drafts[0].id}): lacks legal approval",
        f"entries {shelf.entries[0]}@2 (revision {drafts[1].id}): lacks medical and legal approval",
        f"documents {label.id}: expired on 2020-01-01",
        f"entries {shelf.entries[0]}: document {label.id} has expired",
    ):
        assert expected in lines
    assert await shelf.version() == before


@pytest.mark.parametrize("section", ["entries", "documents"])
async def test_forbidden_words_are_not_published_whoever_approved_them(shelf: Shelf, section: str) -> None:
    """Of an answer, and of a source that answers quote."""
    if section == "entries":
        new = with_answer(shelf, "本品疗效最好，保证根治，无任何副作用。")
    else:
        new = changed(shelf.content, section, "metformin-label", title="疗效最好、保证根治的药")
    await approved(shelf.db, new, NOW)
    with pytest.raises(MedrepError) as refused:
        await publish(shelf.db, (), "admin", NOW, shelf.encoder, shelf.folder)
    assert (
        refused.value.fault == Fault.REFUSED_TEXT and f"entries {shelf.entries[0]}: " in refused.value.detail
    )
    assert (await answer(shelf, shelf.entries[0]))[1] == 1


async def test_some_may_be_published_and_an_earlier_revision_comes_back(shelf: Shelf) -> None:
    first = await shelf.revision(shelf.entries[0])
    new = changed(with_answer(shelf, "每日一次。"), "entries", shelf.entries[1], answer="每日两次。")
    drafts = await approved(shelf.db, new, NOW)
    await publish(shelf.db, drafts[:1], "admin", NOW, shelf.encoder, shelf.folder)
    assert await answer(shelf, shelf.entries[0]) == ("每日一次。", 2)
    assert (await answer(shelf, shelf.entries[1]))[1] == 1, "it waits"
    await publish(shelf.db, [first.id], "admin", NOW, shelf.encoder, shelf.folder)
    assert await answer(shelf, shelf.entries[0]) == (shelf.content.entries[0].answer, 1)


async def test_who_publishes_meanwhile_is_not_undone(shelf: Shelf, tmp_path: Path) -> None:
    new = changed(with_answer(shelf, "每日一次。"), "entries", shelf.entries[1], answer="每日两次。")
    one, other = await approved(shelf.db, new, NOW)
    slow = Waiting()
    publishing = asyncio.create_task(publish(shelf.db, [one], "slow", NOW, slow, tmp_path))
    assert await asyncio.to_thread(slow.begun.wait, 60)
    await publish(shelf.db, [other], "fast", NOW, shelf.encoder, shelf.folder)
    slow.go.set()
    with pytest.raises(MedrepError) as refused:
        await publishing
    assert refused.value.fault == Fault.CONFLICT
    assert (await answer(shelf, shelf.entries[0]))[1] == 1
    assert await answer(shelf, shelf.entries[1]) == ("每日两次。", 2)


async def test_a_withdrawn_entry_is_gone_and_comes_back_only_by_review(shelf: Shelf) -> None:
    found = await shelf.revision(shelf.entries[0])
    with pytest.raises(MedrepError, match="roles"):
        await withdraw(shelf.db, found.id, "wu-rep", "错误", NOW, shelf.encoder, shelf.folder)
    done = await withdraw(shelf.db, found.id, "pv-1", "剂量有误", NOW, shelf.encoder, shelf.folder)
    assert done.state == "published"
    async with shelf.db.begin() as tx:
        edition = await edition_in_force(tx)
    assert edition is not None and set(edition.content.entry) == set(shelf.entries[1:])
    facts = (await shelf.facts("content.withdrawn"))[0]
    assert (facts["login"], facts["reason"]) == ("pv-1", "剂量有误")
    for again in (
        publish(shelf.db, [found.id], "admin", NOW, shelf.encoder, shelf.folder),
        withdraw(shelf.db, found.id, "pv-1", "又", NOW, shelf.encoder, shelf.folder),
    ):
        with pytest.raises(MedrepError):
            await again
    async with shelf.db.begin() as tx:
        (draft,) = (await import_content(tx, shelf.content, "author", NOW)).drafts
    assert (draft.item_id, draft.number, draft.state) == (shelf.entries[0], 2, "draft")


async def test_what_others_stand_on_is_not_withdrawn(shelf: Shelf) -> None:
    label = await shelf.revision("metformin-label")
    with pytest.raises(MedrepError) as refused:
        await withdraw(shelf.db, label.id, "yi-xue", "过期", NOW, shelf.encoder, shelf.folder)
    assert refused.value.fault == Fault.BAD_INPUT and shelf.entries[0] in refused.value.detail
    assert (await shelf.revision("metformin-label")).state == "published"

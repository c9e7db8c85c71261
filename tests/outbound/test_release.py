"""Nothing without an approved basis leaves: one exit, passive replies included."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import pytest

from bot.clock import CHINA
from bot.content import seed_content
from bot.dialogue.publishing import publish_dialogue
from bot.dialogue.version import Dialogue
from bot.knowledge import answer_text, load
from bot.model import Basis, BasisKind, Choice, OutboxState, Purpose
from bot.settings import ROOT
from bot.store.outbox import Draft, Part
from tests.stage import Stage

CONTENT = load(ROOT / "data" / "content")
ENTRY = next(entry for entry in CONTENT.entries if entry.differs is None)
DOCUMENT = CONTENT.document[ENTRY.document]
Make = Callable[[Stage], Draft]


@pytest.fixture
async def verified(open_window: Stage) -> Stage:
    """The phone's owner is a verified doctor, and the seed's content is in force."""
    stage = open_window
    await seed_content(stage.services.db, stage.services.clock.now())
    contact = await stage.contact()
    await stage.write(
        "INSERT INTO doctor (person_id, external_id, name_enc, hospital, digest, verified_at, updated_at) "
        "VALUES (:person, 'T-1', '', '示例医院', '', now(), now())",
        person=contact.person_id,
    )
    return stage


def quoted(stage: Stage) -> Draft:
    basis = Basis(BasisKind.CONTENT, ENTRY.id, "1")
    return Draft((Part(answer_text(ENTRY, CONTENT, stage.services.clock.now()), basis),), Purpose.REPLY)


def with_part(draft: Draft, **change: object) -> Draft:
    return replace(draft, parts=(replace(draft.parts[0], **change),))  # type: ignore[arg-type]


def bad_response(stage: Stage) -> Draft:
    """A published response whose words compliance refuses."""
    files = dict(stage.services.published.dialogue.files)
    files["domain.yml"] = files["domain.yml"].replace(
        "  utter_media:\n", "  utter_bad:\n    - text: 这个药疗效最好，没有副作用。\n  utter_media:\n"
    )
    published = stage.services.published
    published._dialogue = Dialogue(files)
    published._dialogues[published.dialogue.fingerprint[:12]] = published.dialogue
    return stage.draft("utter_bad")


def filled(stage: Stage, response: str, **values: str) -> Draft:
    text = stage.services.published.dialogue.text(response, **values)
    return with_part(stage.draft(response), text=text)


@dataclass(frozen=True)
class Refused:
    name: str
    make: Make
    fault: str


REFUSALS = (
    Refused("nothing entitles it", lambda s: with_part(s.draft(), basis=None), "no_basis"),
    Refused("the response says something else", lambda s: with_part(s.draft(), text="随便说说"), "no_basis"),
    Refused(
        "it adds to the response",
        lambda s: with_part(s.draft(), text=s.draft().parts[0].text + "另外，一天两片。"),
        "no_basis",
    ),
    Refused(
        "no such response",
        lambda s: with_part(s.draft(), basis=Basis(BasisKind.RESPONSE, "utter_nothing", "1")),
        "no_basis",
    ),
    Refused(
        "a number of the answer was changed",
        lambda s: with_part(quoted(s), text=quoted(s).parts[0].text.replace("。", "，每日3次。", 1)),
        "no_basis",
    ),
    Refused(
        "another revision of the entry",
        lambda s: with_part(quoted(s), basis=Basis(BasisKind.CONTENT, ENTRY.id, "2")),
        "no_basis",
    ),
    Refused(
        "an entry that is not published",
        lambda s: with_part(quoted(s), basis=Basis(BasisKind.CONTENT, "nothing", "1")),
        "no_basis",
    ),
    Refused(
        "F20: a product that is not ours", lambda s: filled(s, "utter_products", products="灵丹"), "no_basis"
    ),
    Refused("F20: a source nobody has", lambda s: filled(s, "utter_source", source="《秘方》"), "no_basis"),
    Refused(
        "F20: a colleague nobody knows",
        lambda s: filled(s, "utter_human", rep="加倍服用", due="11月24日（周二）18:00"),
        "no_basis",
    ),
    Refused("compliance refuses the words", bad_response, "refused_text"),
    Refused(
        "compliance refuses a choice",
        lambda s: replace(s.draft(), choices=(Choice("intent:x", "疗效最好的药"),)),
        "refused_text",
    ),
    Refused(
        "one part of two has no basis",
        lambda s: replace(s.draft(), parts=(*s.draft().parts, Part("再加一句", None))),
        "no_basis",
    ),
)


async def is_blocked(stage: Stage, row: int, fault: str) -> None:
    """Blocked, a task for a person, and the doctor told that somebody will answer; nothing of the text."""
    found = await stage.row(row)
    assert (found.state, found.fault) == (OutboxState.BLOCKED, fault)
    assert await stage.tasks() == {"blocked_message"}
    await stage.sender.push()
    assert await stage.reply_texts() == [stage.services.published.dialogue.text("utter_failed")]
    refusals = await stage.rows("SELECT facts ->> 'fault' FROM evidence WHERE kind = 'message.not_sent'")
    assert refusals == [(fault,)]


async def test_an_approved_answer_leaves(verified: Stage) -> None:
    row = await verified.queue(draft=quoted(verified))
    await verified.sender.push()
    assert (await verified.row(row)).state == OutboxState.SENT
    assert "来源" in (await verified.reply_texts())[0]


@pytest.mark.parametrize("refused", REFUSALS, ids=lambda refused: refused.name)
async def test_what_is_not_approved_is_blocked_and_said(verified: Stage, refused: Refused) -> None:
    row = await verified.queue(draft=refused.make(verified))
    await verified.sender.push()
    await is_blocked(verified, row, refused.fault)


@pytest.mark.parametrize("refused", REFUSALS[:2] + REFUSALS[-3:-1], ids=lambda refused: refused.name)
async def test_nor_does_it_ride_on_a_connection(verified: Stage, refused: Refused) -> None:
    stage = verified
    await stage.write("UPDATE inbox SET state = 'done'")
    receipt = asyncio.create_task(stage.phone.send(type="image", wait=True))
    async with asyncio.timeout(5):
        while not (found := await stage.rows("SELECT id, passive_until FROM inbox WHERE state <> 'done'")):
            await asyncio.sleep(0.02)
    row = await stage.queue(draft=refused.make(stage), passive=found[0])
    await stage.gateway.notified(str(found[0][0]))
    assert (await receipt)["outcome"] == "acknowledged"
    await stage.write("UPDATE outbox SET passive_until = NULL")
    await stage.sender.push()
    await is_blocked(stage, row, refused.fault)


async def test_product_text_needs_a_verified_doctor(verified: Stage) -> None:
    await verified.write("UPDATE doctor SET verified_at = NULL")
    row = await verified.queue(draft=quoted(verified))
    await verified.sender.push()
    await is_blocked(verified, row, "no_basis")


async def test_an_expired_document_is_not_quoted(verified: Stage) -> None:
    draft = quoted(verified)
    day = datetime.combine(DOCUMENT.valid_until, datetime.min.time(), CHINA)
    await verified.move(day.replace(hour=23, minute=59))
    await verified.phone.send(type="image", wait=True)
    row = await verified.queue(draft=draft)
    await verified.sender.push()
    assert (await verified.row(row)).state == OutboxState.SENT, "its last day is its last day"
    await verified.move(day.replace(year=day.year + 1, month=1, day=1))
    row = await verified.queue(draft=draft)
    await verified.sender.push()
    assert (await verified.row(row)).state == OutboxState.BLOCKED


async def test_a_doctors_document_is_not_quoted_to_a_patient(verified: Stage) -> None:
    row = await verified.queue(draft=quoted(verified))
    await verified.write("UPDATE contact SET audience = 'patient'")
    await verified.sender.push()
    assert (await verified.row(row)).state == OutboxState.BLOCKED
    await verified.sender.push()
    replies = await verified.reply_texts()
    assert len(replies) == 1 and "来源" not in replies[0]


async def test_what_somebody_unknown_typed_is_blocked_and_a_colleague_told(verified: Stage) -> None:
    """The doctor asked the bot nothing, so nothing is said in its place."""
    draft = with_part(verified.draft(), basis=Basis(BasisKind.PERSON, "somebody", "1"))
    row = await verified.queue(draft=draft)
    await verified.sender.push()
    assert (await verified.row(row)).state == OutboxState.BLOCKED
    assert await verified.sender.push() == 0 and await verified.reply_texts() == []
    assert await verified.tasks() == {"blocked_message"}


async def test_a_blocked_reminder_is_for_a_colleague_only(verified: Stage) -> None:
    draft = replace(with_part(verified.draft(), basis=None), purpose=Purpose.SERVICE)
    row = await verified.queue(draft=draft)
    await verified.sender.push()
    assert (await verified.row(row)).state == OutboxState.BLOCKED
    assert await verified.sender.push() == 0 and await verified.reply_texts() == []
    assert await verified.tasks() == {"blocked_message"}


async def test_a_response_of_a_replaced_dialogue_leaves_and_one_of_none_does_not(verified: Stage) -> None:
    """What was approved when it was queued leaves after the next publication, restarts included."""
    stage = verified
    replaced = stage.draft()
    files = dict(stage.services.published.dialogue.files)
    text = replaced.parts[0].text
    files["domain.yml"] = files["domain.yml"].replace(text, "改过的说法。")
    async with stage.services.db.begin() as tx:
        await publish_dialogue(tx, Dialogue(files), "test", stage.services.clock.now())
    stage.services.published._dialogues.clear()
    await stage.services.published.load()
    assert stage.draft().parts[0].text == "改过的说法。"
    rows = [
        await stage.queue(draft=replaced),
        await stage.queue(draft=stage.draft()),
        await stage.queue(
            draft=with_part(replaced, basis=Basis(BasisKind.RESPONSE, "utter_media", "0" * 12))
        ),
        await stage.queue(draft=with_part(stage.draft(), text=text)),
    ]
    while await stage.sender.push():
        pass
    assert [(await stage.row(row)).state for row in rows] == ["sent", "sent", "blocked", "blocked"]

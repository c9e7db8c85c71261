"""The chart of a key message leaves as a picture: approved, uploaded once, nothing lost where that fails."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.content import FOLDER, key_message_text, picture
from bot.knowledge import Format, load
from bot.model import Attachment, Basis, BasisKind, OutboxState, Purpose, Reply
from bot.outbound.batching import together
from bot.settings import ROOT
from bot.store.outbox import Draft, Part
from tests.outbound.test_release import verified  # noqa: F401 - a fixture
from tests.stage import Stage

CONTENT = load(ROOT / FOLDER)
MESSAGE = CONTENT.key_message["amlodipine-km-edema"]
BASIS = Basis(BasisKind.CONTENT, MESSAGE.id, "1")
CHART = picture(MESSAGE, CONTENT)
PICTURE = Attachment(MESSAGE.id, "1", CHART.digest)


def chart(stage: Stage, attachment: Attachment | None = PICTURE, form: Format = Format.CHART) -> Draft:
    text = key_message_text(MESSAGE, form, CONTENT, stage.services.clock.now())
    return Draft((Part(text, BASIS),), Purpose.REPLY, attachment=attachment)


async def state(stage: Stage, row: int) -> str:
    return str((await stage.row(row)).state)


async def test_a_chart_arrives_as_a_picture_and_is_uploaded_once(verified: Stage) -> None:  # noqa: F811
    stage = verified
    first = await stage.queue(draft=chart(stage))
    await stage.sender.push()
    second = await stage.queue(draft=chart(stage))
    await stage.sender.push()
    assert [await state(stage, row) for row in (first, second)] == [OutboxState.SENT] * 2
    shown = [item for item in await stage.phone.replies() if item["type"] == "image"]
    assert len(shown) == 2
    async with stage.http.get(f"{stage.double}/sandbox/api/media/{shown[0]['card']['media']}") as answer:
        assert answer.content_type == "image/png"
        assert await answer.read() == CHART.png
    assert len(await stage.calls("media/upload")) == 1
    assert await stage.used() == 2  # one platform message each


async def test_key_messages_leave_in_words_too(verified: Stage) -> None:  # noqa: F811
    for form in Format:
        row = await verified.queue(draft=chart(verified, None, form))
        await verified.sender.push()
        assert await state(verified, row) == OutboxState.SENT
    assert any(MESSAGE.brief in text for text in await verified.reply_texts())


@pytest.mark.parametrize("what", ["digest", "revision", "another", "words"])
async def test_a_picture_that_was_not_approved_is_blocked(verified: Stage, what: str) -> None:  # noqa: F811
    attachment = {
        "digest": replace(PICTURE, digest="0" * 64),
        "revision": replace(PICTURE, version="2"),
        "another": replace(PICTURE, ref="amlodipine-km-once-daily"),
        "words": PICTURE,
    }[what]
    draft = chart(verified, attachment)
    if what == "words":
        draft = replace(draft, parts=(replace(draft.parts[0], text=draft.parts[0].text + "。"),))
    row = await verified.queue(draft=draft)
    await verified.sender.push()
    assert await state(verified, row) == OutboxState.BLOCKED
    assert await verified.calls("media/upload") == []


async def test_a_failed_upload_loses_nothing(verified: Stage) -> None:  # noqa: F811
    """Neither an error of the platform nor a cut connection is an uncertain send; the row goes later."""
    stage = verified
    row = await stage.queue(draft=chart(stage))
    for kind in ({"kind": "errcode", "errcode": -1}, {"kind": "reset"}, {"kind": "accept_then_reset"}):
        await stage.fault(kind.pop("kind"), api="media/upload", times=1, **kind)  # type: ignore[arg-type]
        await stage.at_once()
        await stage.sender.push()
        assert await state(stage, row) == OutboxState.WAITING
        assert await stage.used() == 0
    await stage.at_once()
    await stage.sender.push()
    assert await state(stage, row) == OutboxState.SENT
    assert await stage.tasks() == set()


async def test_a_picture_that_the_platform_forgot_is_uploaded_again(verified: Stage) -> None:  # noqa: F811
    """Its three days are over sooner than we think."""
    stage = verified
    await stage.queue(draft=chart(stage))
    await stage.sender.push()
    offset = (stage.services.clock.offset + timedelta(days=4)).total_seconds()
    await stage.control("clock", {"offset_seconds": offset})
    await stage.phone.send(type="image", wait=True)  # the platform's window is open again
    row = await stage.queue(draft=chart(stage))
    await stage.sender.push()
    assert await state(stage, row) == OutboxState.WAITING
    await stage.at_once()
    await stage.sender.push()
    assert await state(stage, row) == OutboxState.SENT
    assert len(await stage.calls("media/upload")) == 2


async def test_an_id_is_not_used_beyond_its_days(verified: Stage) -> None:  # noqa: F811
    await verified.queue(draft=chart(verified))
    await verified.sender.push()
    await verified.write("UPDATE platform_media SET good_until = now() - interval '1 second'")
    await verified.queue(draft=chart(verified))
    await verified.sender.push()
    assert len(await verified.calls("media/upload")) == 2
    assert len(await verified.rows("SELECT * FROM platform_media")) == 1


def test_a_picture_goes_alone() -> None:
    reply = Reply("图", basis=BASIS, attachment=PICTURE)
    words = Reply("字", basis=BASIS)
    assert [draft.attachment for draft in together((words, reply, words, words))] == [None, PICTURE, None]

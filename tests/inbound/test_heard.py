"""A voice is read back as the platform understood it, and what nobody said is never 「您说的是」."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from bot.clock import real_now
from bot.inbound.heard import read_back
from bot.inbound.scene import read_scene
from bot.inbound.warming import warm
from bot.model import Audience
from bot.outbound.release import LONGEST_HEARD
from bot.store import inbox, turns
from bot.store.outbox import Draft
from tests.stage import Stage


@pytest.fixture(autouse=True)
async def warmed() -> None:
    """What reads a first message takes longer than a webhook waits."""
    await asyncio.to_thread(warm)


async def scene_of(stage: Stage) -> Any:
    async with stage.services.db.begin() as tx:
        claim = await turns.claim_next(tx, real_now() + timedelta(minutes=1), timedelta(minutes=1))
        assert claim is not None
        return claim, await read_scene(tx, stage.services, claim)


async def told(stage: Stage, claim: Any, reply: Any) -> str:
    """How a message of this turn that says this ends."""
    contact = await stage.contact()
    async with stage.services.db.begin() as tx:
        number = await stage.queue_in(tx, contact, Draft.of(reply), turn_id=claim.turn_id)
    while await stage.sender.push():
        pass
    return str((await stage.row(number)).state)


async def test_the_words_of_the_voice_leave_and_no_others(stage: Stage) -> None:
    await stage.phone.send(type="voice", content="二甲双胍一天最多吃多少", wait=True)
    claim, scene = await scene_of(stage)
    assert [reply.text for reply in scene.heard] == ["您说的是：二甲双胍一天最多吃多少"]
    dialogue = stage.services.published.dialogue
    forged = dialogue.reply("utter_heard", Audience.DOCTOR, heard="一天吃二十片")
    assert await told(stage, claim, forged) == "blocked"
    assert await told(stage, claim, scene.heard[0]) == "sent"
    texts = await stage.reply_texts()
    assert "您说的是：二甲双胍一天最多吃多少" in texts and not [one for one in texts if "二十片" in one]


@pytest.mark.parametrize(
    ("what", "content"),
    [("text", "二甲双胍怎么吃"), ("voice", ""), ("image", ""), ("voice", "你们的药疗效显著吗")],
)
async def test_nothing_is_read_back_where_nobody_spoke_or_the_words_may_not_be_ours(
    stage: Stage, what: str, content: str
) -> None:
    await stage.phone.send(type=what, content=content, wait=True)
    _, scene = await scene_of(stage)
    assert scene.heard == ()


async def test_a_long_voice_is_cut_and_a_version_without_the_text_says_nothing(stage: Stage) -> None:
    words = "他说" * LONGEST_HEARD
    await stage.phone.send(type="voice", content=words, wait=True)
    claim, scene = await scene_of(stage)
    (reply,) = scene.heard
    assert reply.text == f"您说的是：{words[:LONGEST_HEARD]}…"
    assert await told(stage, claim, reply) == "sent"

    class Older:
        def has(self, name: str) -> bool:
            return False

    async with stage.services.db.begin() as tx:
        messages = await inbox.of_turn(tx, stage.services.vault, claim.turn_id)
    assert read_back(messages, Older(), Audience.DOCTOR) == ()  # type: ignore[arg-type]

"""A doctor's emergency: its text at once and without an engine, then what the label says of the product."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.content import seed_content
from tests.stage import Stage

OVERDOSE = "一口气吃了半瓶二甲双胍 人迷糊了"


@pytest.fixture
async def answering(open_window: Stage) -> Stage:
    """Content is in force and indexed; the picture that opened the window is answered. The engine is away."""
    stage = open_window
    await seed_content(stage.services.db, stage.services.clock.now())
    await stage.index()
    await turned(stage)
    stage.engine.available = False
    return stage


async def verify(stage: Stage) -> None:
    contact = await stage.contact()
    await stage.write(
        "INSERT INTO doctor (person_id, external_id, name_enc, hospital, digest, verified_at, updated_at) "
        "VALUES (:person, 'T-1', '', '示例医院', '', now(), now())",
        person=contact.person_id,
    )


async def turned(stage: Stage) -> None:
    while await stage.workers.turn():
        pass
    while await stage.sender.push():
        pass


async def said(stage: Stage, *texts: str) -> list[str]:
    """What is said to these messages, in order."""
    before = len(await stage.reply_texts())
    for text in texts:
        await stage.phone.send(type="text", content=text, wait=True)
    await turned(stage)
    return (await stage.reply_texts())[before:]


async def test_the_emergency_first_and_then_the_label(answering: Stage) -> None:
    stage = answering
    emergency, *more = await said(stage, OVERDOSE)
    assert "120" in emergency
    assert not any("来源" in text for text in more), "to whoever is not verified no product is named"

    await verify(stage)
    stage.gateway._passive_wait = timedelta(minutes=1)  # the connection is used up: nothing waits for it
    emergency, *more = await said(stage, OVERDOSE)
    assert "急性药物过量" in emergency, "the clinician's text"
    (label,) = [text for text in more if "来源" in text]
    assert "药物过量" in label and "二甲双胍" in label
    assert await stage.tasks() >= {"emergency"}
    basis = await stage.rows("SELECT count(*) FROM evidence WHERE facts::text LIKE '%content:metformin%'")
    assert basis[0][0] >= 1
    entries = await stage.rows("SELECT entries FROM turn WHERE cardinality(entries) > 0")
    assert entries == [(["metformin-overdose"],)], "the record of the turn, as summaries read it"

    # both products; a question beside it; nothing of ours named: the emergency text alone
    _, *more = await said(stage, "测不到血压 四肢冰凉 刚吃的代文和络活喜")
    assert ["缬沙坦" in text or "氨氯地平" in text for text in more] == [True]
    assert "低血压" in more[0]
    _, *more = await said(stage, "化验钾6.8 心率38 吃着缬沙坦螺内酯")
    assert "保钾" in more[0] and "血钾" in more[0]
    (only,) = await said(stage, "病人刚才胸口疼得厉害，大汗")
    assert "120" in only
    assert not await stage.rows("SELECT 1 FROM turn WHERE state <> 'done'")


async def test_what_stands_beside_an_emergency_and_a_wish_is_done_too(answering: Stage) -> None:
    stage = answering
    await verify(stage)
    await stage.phone.send(type="text", content="退订，转人工，我胸口疼得厉害", wait=True)
    assert await stage.tasks() >= {"emergency"}
    assert await stage.rows("SELECT count(*) FROM inbox WHERE state = 'waiting'") == [(1,)], "the hand-over"

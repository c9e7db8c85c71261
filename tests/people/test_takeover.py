"""A colleague takes a conversation over: the bot is silent, safety is not, and only what was typed leaves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot import staff
from bot.clock import real_now
from bot.content import seed_content
from bot.inbound import trigger
from bot.inbound.scene import read_scene
from bot.model import Basis, BasisKind, Fault, MedrepError, Purpose
from bot.people import stop, takeover
from bot.staff import Role
from bot.store import staff as rows
from bot.store import takeovers, turns
from bot.store.outbox import Draft, Part
from bot.store.triggers import Trigger
from tests.stage import Stage

HELLO = "您好，我是负责贵院的李代表，稍后给您回电。"


async def take(stage: Stage, login: str = "li", role: Role = Role.REP) -> takeovers.Takeover:
    """A colleague of this login takes the phone's conversation over."""
    contact, now = await stage.contact(), stage.services.clock.now()
    async with stage.services.db.begin() as tx:
        if not await rows.read(tx, login):
            await staff.add(tx, login, [role], now, by="test")
        return await takeover.start(tx, contact, login, now, stage.services.limits)


async def say(stage: Stage, text: str = HELLO, login: str = "li") -> int:
    contact = await stage.contact()
    async with stage.services.db.begin() as tx:
        services, now = stage.services, stage.services.clock.now()
        return await takeover.say(tx, services.vault, contact, login, text, now, services.limits)


async def refusal(stage: Stage, text: str = HELLO, login: str = "li") -> MedrepError:
    with pytest.raises(MedrepError) as refused:
        await say(stage, text, login)
    return refused.value


async def quiet(stage: Stage) -> None:
    """All that waits is worked off; what the bot queued is pushed."""
    while await stage.workers.turn():
        pass
    await stage.write("UPDATE outbox SET passive_until = NULL")
    while await stage.sender.push():
        pass


async def ended(stage: Stage) -> list[Any]:
    return await stage.rows("SELECT facts ->> 'by' FROM evidence WHERE kind = 'takeover.ended' ORDER BY id")


async def test_the_bot_is_silent_and_the_words_are_kept_for_the_colleague(open_window: Stage) -> None:
    stage = open_window
    takeover = await take(stage)
    await stage.phone.send(type="text", content="你们的人什么时候来", wait=True)
    await quiet(stage)
    assert await stage.reply_texts() == []
    assert await stage.rows("SELECT state, fault FROM turn") == [("done", "takeover")] * 2
    assert {state for (state,) in await stage.rows("SELECT state FROM inbox")} == {"done"}
    contact = await stage.contact()
    await say(stage)
    async with stage.services.db.begin() as tx:
        since = takeover.started_at - timedelta(days=1)
        messages = await takeovers.conversation(tx, stage.services.vault, contact.id, since)
    assert [(one.author, one.text) for one in messages] == [
        ("person", "[image]"),
        ("person", "你们的人什么时候来"),
        ("li", HELLO),
    ]


async def test_red_flags_adverse_events_and_a_stop_are_answered_as_always(open_window: Stage) -> None:
    stage = open_window
    await take(stage)
    for words in ("病人胸痛大汗，喘不上气", "吃了你们的药起皮疹了", "退订"):
        await stage.phone.send(type="text", content=words, wait=True)
    await quiet(stage)
    replies = "\n".join(await stage.reply_texts())
    assert "120" in replies and "药物安全" in replies and "已为您退订" in replies
    assert await stage.tasks() >= {"emergency", "adverse_event"}


async def test_what_was_typed_leaves_to_the_letter_with_its_colleague_as_basis(open_window: Stage) -> None:
    stage = open_window
    takeover = await take(stage)
    row = await say(stage)
    await quiet(stage)
    assert await stage.reply_texts() == [HELLO]
    assert (await stage.row(row)).basis == f"person:li@{takeover.id}"
    assert await stage.rows("SELECT facts ->> 'login' FROM evidence WHERE kind = 'message.typed'") == [
        ("li",)
    ]


async def test_another_colleague_or_nobody_cannot_write_or_take_it_over(open_window: Stage) -> None:
    stage = open_window
    assert (await refusal(stage)).fault == Fault.NOT_FOUND, "no such login"
    await take(stage)
    with pytest.raises(MedrepError) as taken:
        await take(stage, "wang")
    assert taken.value.fault == Fault.CONFLICT
    async with stage.services.db.begin() as tx:
        await staff.add(tx, "wang", [Role.REP], stage.services.clock.now(), by="test")
        await staff.add(tx, "audit", [Role.AUDITOR], stage.services.clock.now(), by="test")
    assert (await refusal(stage, login="wang")).fault == Fault.CONFLICT
    contact, now = await stage.contact(), stage.services.clock.now()
    with pytest.raises(MedrepError) as denied:
        async with stage.services.db.begin() as tx:
            await takeover.end(tx, contact, "audit", now)
    assert denied.value.fault == Fault.CONFLICT


async def test_a_basis_that_nobody_typed_leaves_nothing(open_window: Stage) -> None:
    """The basis names a colleague and a takeover that exist; the words are not theirs, or no longer."""
    stage = open_window
    takeover = await take(stage)
    forged = Draft((Part("另一句话", Basis(BasisKind.PERSON, "li", str(takeover.id))),), Purpose.REPLY)
    row = await stage.queue(draft=forged)
    swapped = await say(stage)
    await stage.write(
        "UPDATE outbox SET body_enc = (SELECT body_enc FROM outbox WHERE id = :forged) WHERE id = :id",
        forged=row,
        id=swapped,
    )
    gone = await say(stage, "这句话发出前账号停用了")
    async with stage.services.db.begin() as tx:
        await staff.disable(tx, "li", stage.services.clock.now(), by="test")
    await quiet(stage)
    for number in (row, swapped, gone):
        found = await stage.row(number)
        assert (found.state, found.fault) == ("blocked", "no_basis")
    assert await stage.reply_texts() == [], "nor is the bot's excuse said for a colleague"
    assert "blocked_message" in await stage.tasks()


async def test_compliance_and_the_state_of_the_contact_bind_a_colleague_too(open_window: Stage) -> None:
    stage = open_window
    await take(stage)
    refused = await refusal(stage, "我们的药疗效显著，最安全")
    assert refused.fault == Fault.REFUSED_TEXT and "efficacy_claim" in refused.detail
    assert (await refusal(stage, " ")).fault == Fault.BAD_INPUT
    assert (await refusal(stage, "好" * 601)).fault == Fault.BAD_INPUT
    contact = await stage.contact()
    async with stage.services.db.begin() as tx:
        await stop.stop(tx, contact, stage.services.clock.now())
    assert (await refusal(stage)).fault == Fault.STOPPED
    await stage.phone.send(type="text", content="还有个事问一下", wait=True)
    assert await say(stage), "an answer to what they wrote after it"
    await stage.move(stage.services.clock.now() + timedelta(days=3))
    await take(stage)
    assert (await refusal(stage)).fault == Fault.WINDOW_CLOSED


async def test_to_a_doctor_who_is_not_verified_no_product_is_named(open_window: Stage) -> None:
    stage = open_window
    await seed_content(stage.services.db, stage.services.clock.now())
    await take(stage)
    about = "二甲双胍的说明书我下午带过去"
    assert (await refusal(stage, about)).fault == Fault.NO_BASIS
    contact = await stage.contact()
    await stage.write(
        "INSERT INTO doctor (person_id, external_id, name_enc, hospital, digest, verified_at, updated_at) "
        "VALUES (:person, 'T-1', '', '示例医院', '', now(), now())",
        person=contact.person_id,
    )
    row = await say(stage, about)
    await quiet(stage)
    assert (await stage.row(row)).state == "sent"


async def test_what_we_begin_waits_until_the_takeover_ends(open_window: Stage) -> None:
    stage = open_window
    held = await take(stage)
    await quiet(stage)
    row = await stage.queue(purpose=Purpose.MEDICATION)
    contact, now = await stage.contact(), stage.services.clock.now()
    async with stage.services.db.begin() as tx:
        wanted = Trigger(contact, "ask_help", {}, Purpose.MEDICATION, "x:1", "1", now + timedelta(days=1))
        await trigger.trigger(tx, stage.services.vault, wanted, now)
    await quiet(stage)
    assert ((await stage.row(row)).state, (await stage.row(row)).fault) == ("waiting", "not_now")
    assert await stage.rows("SELECT state, fault FROM inbox WHERE kind = 'trigger'") == [
        ("deferred", "takeover")
    ]
    async with stage.services.db.begin() as tx:
        assert await takeover.end(tx, contact, "li", now)
        assert not await takeover.end(tx, contact, "li", now)
    await stage.move(now + timedelta(minutes=11))
    await quiet(stage)
    assert (await stage.row(row)).state == "sent"
    assert await ended(stage) == [("li",)] and held.login == "li"


async def test_it_ends_by_itself_when_the_colleague_falls_silent(open_window: Stage) -> None:
    stage = open_window
    await take(stage)
    begun = stage.services.clock.now()
    await stage.move(begun + timedelta(minutes=50))
    await takeover.tidy(stage.services)
    assert await ended(stage) == [], "not yet"
    await say(stage)
    await stage.move(begun + timedelta(minutes=100))
    await takeover.tidy(stage.services)
    assert await ended(stage) == [], "what they wrote counts from when it was written"
    await stage.move(begun + timedelta(minutes=111))
    await stage.phone.send(type="image", wait=True)
    while await stage.workers.turn():
        pass
    states = await stage.rows("SELECT fault FROM turn ORDER BY started_at")
    assert states[-1] == (None,), "the bot answers at once, whoever has noted the end"
    await takeover.tidy(stage.services)
    assert await ended(stage) == [("silence",)]
    assert (await refusal(stage)).fault == Fault.CONFLICT


async def test_a_turn_under_way_when_it_is_taken_over_says_nothing(open_window: Stage) -> None:
    stage = open_window
    async with stage.services.db.begin() as tx:
        claim = await turns.claim_next(tx, real_now(), timedelta(minutes=1))
    assert claim is not None
    async with stage.services.db.begin() as tx:
        scene = await read_scene(tx, stage.services, claim)
    assert scene is not None and not scene.taken_over
    await take(stage)
    await stage.workers._endings.commit(claim, scene, None)
    assert await stage.rows("SELECT state, fault FROM turn") == [("done", "takeover")]
    assert await stage.rows("SELECT 1 FROM outbox") == []

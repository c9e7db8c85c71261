"""Accepting: durable, once by key, whatever comes at the same time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from bot.clock import real_now
from bot.inbound.scene import SESSION, read_scene
from bot.knowledge import Content, load
from bot.model import Choice, Fault, Inbound, InboundKind, InboxState, MedrepError
from bot.privacy.erasure import erase
from bot.settings import ROOT
from bot.store import contacts, conversations, scenes, turns
from tests.approved import in_force
from tests.stage import DOCTORS, ENCODER, Stage


def text_of(openid: str, key: str, content: str) -> Inbound:
    return Inbound(DOCTORS, openid, key, InboundKind.TEXT, datetime.now(UTC), content)


async def count(stage: Stage, table: str) -> int:
    return int((await stage.rows(f"SELECT count(*) FROM {table}"))[0][0])  # noqa: S608


@pytest.mark.parametrize("content", ["二甲双胍怎么吃", "我现在胸口疼得厉害，喘不上气", "退订"])
async def test_the_same_key_at_once_is_stored_and_acted_on_once(stage: Stage, content: str) -> None:
    same = text_of("oNew1", "m:1", content)
    accepted = await asyncio.gather(*(stage.gateway.accept(same, passive=True) for _ in range(12)))
    assert len({one.inbox_id for one in accepted}) == 1
    assert sum(not one.duplicate for one in accepted) == 1
    assert await count(stage, "inbox") == await count(stage, "contact") == await count(stage, "person") == 1
    assert await count(stage, "evidence WHERE kind = 'message.received'") == 1
    assert await count(stage, "outbox") == (content != "二甲双胍怎么吃")
    assert await count(stage, "task") == ("胸口" in content)


async def test_a_red_flag_is_answered_however_wrong_our_clock_is(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F12: with a clock 11 minutes off it was acknowledged and dropped."""
    monkeypatch.setattr(stage.wechat._webhook, "_now", lambda: real_now() - timedelta(minutes=11))
    await stage.phone.send(type="text", content="我现在胸口疼得厉害，喘不上气", wait=True)
    (reply,) = await stage.phone.replies()
    assert "120" in reply["text"]
    assert await stage.tasks() == {"emergency"}


async def test_a_replay_brings_back_nobody_who_was_erased(stage: Stage) -> None:
    """F12: old posts are accepted again, so their keys alone must hold; a contact was made for each."""
    message = text_of("oGone", "m:1", "二甲双胍怎么吃")
    await stage.gateway.accept(message, passive=False)
    async with stage.services.db.begin() as tx:
        contact = await contacts.by_address(tx, stage.services.vault, DOCTORS, "oGone")
        assert contact is not None
        await erase(tx, stage.services, contact.person_id, "asked")
    before = [await count(stage, table) for table in ("contact", "person", "inbox", "evidence", "outbox")]
    assert (await stage.gateway.accept(message, passive=False)).duplicate
    assert before == [
        await count(stage, table) for table in ("contact", "person", "inbox", "evidence", "outbox")
    ]


async def test_two_people_with_one_message_id_are_two_messages(stage: Stage) -> None:
    """F1: the second got the first one's answer, and no emergency text."""
    first = await stage.gateway.accept(text_of("oOne", "m:7", "二甲双胍怎么吃"), passive=False)
    second = await stage.gateway.accept(text_of("oTwo", "m:7", "我现在胸口疼得厉害，喘不上气"), passive=False)
    again = await stage.gateway.accept(text_of("oTwo", "m:7", "我现在胸口疼得厉害，喘不上气"), passive=False)
    assert not second.duplicate and second.answered
    assert again.duplicate and again.inbox_id == second.inbox_id != first.inbox_id
    assert await count(stage, "outbox WHERE purpose = 'emergency'") == 1


async def test_a_message_being_stored_is_not_overtaken_by_a_later_one(stage: Stage) -> None:
    """F30: a turn took the messages before and after one whose commit was still under way."""
    await stage.gateway.accept(text_of("oOne", "m:1", "你好"), passive=False)
    async with stage.services.db.begin() as tx:
        contact = await contacts.by_address(tx, stage.services.vault, DOCTORS, "oOne")
        assert contact is not None
        later = asyncio.create_task(stage.gateway.accept(text_of("oOne", "m:2", "在吗"), passive=False))
        done, _ = await asyncio.wait({later}, timeout=0.5)
        assert not done, "it waits for the one before it"
    assert (await later).inbox_id == 2
    async with stage.services.db.begin() as tx:
        claim = await turns.claim_next(tx, real_now(), timedelta(minutes=1))
    assert claim is not None, "nothing keeps a turn from beginning now"


async def waits(stage: Stage, openid: str, content: str) -> float:
    """Say it; seconds until all that this contact said may be taken up."""
    await stage.gateway.accept(text_of(openid, f"{openid}:{content[:9]}", content), passive=False)
    async with stage.services.db.begin() as tx:
        contact = await contacts.by_address(tx, stage.services.vault, DOCTORS, openid)
    assert contact is not None
    ((until,),) = await stage.rows(
        "SELECT max(ready_at) FROM inbox WHERE contact_id = :contact", contact=contact.id
    )
    return float((until - real_now()).total_seconds())


async def test_a_bare_product_name_waits_for_its_question(stage: Stage) -> None:
    services = stage.services
    assert await waits(stage, "oName0", "二甲双胍") < 0.1, "nothing is published yet"
    products = load(ROOT / "data/content").products
    await in_force(
        services.db, Content(products=products), services.clock.now(), ENCODER, services.home / "index"
    )
    await services.published.load()
    for number, name in enumerate(["二甲双胍", " 格华止。", "缬沙坦胶囊", "Norvasc", "立普妥，", "那个"]):
        openid = f"oName1{number}"
        assert 1.0 < await waits(stage, openid, name) <= 1.5, name
        assert await waits(stage, openid, "肾功能不全能用吗") < 0.1, "a whole question hurries it"
    for number, whole in enumerate(["二甲双胍怎么吃", "阿莫西林", "那二甲双胍呢", "二甲双胍" * 20]):
        assert await waits(stage, f"oWhole{number}", whole) < 0.1, whole


async def test_a_newcomers_first_messages_at_once_are_one_persons(stage: Stage) -> None:
    await asyncio.gather(
        *(stage.gateway.accept(text_of("oNew2", f"m:{n}", "你好"), passive=False) for n in range(12))
    )
    assert await count(stage, "inbox") == 12
    assert await count(stage, "contact") == await count(stage, "person") == 1


async def test_the_same_id_on_two_accounts_is_two_messages(stage: Stage) -> None:
    from dataclasses import replace

    from bot.model import Account, Audience, Channel

    stage.gateway._audiences[Account(Channel.WECHAT, "other")] = Audience.DOCTOR  # type: ignore[index]
    first = text_of("oNew3", "m:1", "你好")
    other = replace(first, account=Account(Channel.WECHAT, "other"))
    ids = {(await stage.gateway.accept(one, passive=False)).inbox_id for one in (first, other)}
    assert len(ids) == 2 and await count(stage, "person") == 2


async def test_a_repeat_changes_nothing_of_what_the_first_one_set_off(stage: Stage) -> None:
    await stage.gateway.accept(text_of("oNew4", "m:1", "退订"), passive=False)
    await stage.gateway.accept(text_of("oNew4", "m:2", "恢复接收"), passive=False)
    await stage.gateway.accept(text_of("oNew4", "m:1", "退订"), passive=False)
    assert (await stage.contact("oNew4")).stopped_at is None, "a replayed stop stops nobody again"
    await stage.write("UPDATE send_window SET used = 3")
    await stage.gateway.accept(text_of("oNew4", "m:2", "恢复接收"), passive=False)
    assert await stage.used() == 3, "nor does a replay open the window anew"


async def test_a_receipt_settles_what_it_is_about_and_nothing_else(open_window: Stage) -> None:
    stage = open_window
    one, other = await stage.queue(), await stage.queue()
    await stage.write("UPDATE outbox SET state = 'sent', platform_id = id::text")

    def receipt(row: int, status: str) -> Inbound:
        detail = {"platform_id": str(row), "status": status, "delivered": status == "success"}
        return Inbound(
            DOCTORS,
            stage.phone.openid,
            f"e:{row}",
            InboundKind.RECEIPT,
            datetime.now(UTC),
            event="templatesendjobfinish",
            detail=detail,
        )

    await stage.gateway.accept(receipt(one, "success"), passive=False)
    await stage.gateway.accept(receipt(other, "failed:user block"), passive=False)
    await stage.gateway.accept(receipt(999, "success"), passive=False)
    assert [(await stage.row(row)).state for row in (one, other)] == ["delivered", "failed"]
    assert not await stage.workers.turn() or await count(stage, "turn") == 1, "a receipt is no turn"


async def test_unfollowing_erases_what_may_be_erased(open_window: Stage) -> None:
    stage = open_window
    while await stage.workers.turn():
        pass
    await stage.sender.push()
    contact = await stage.contact()
    await stage.write("UPDATE person SET kind = 'doctor' WHERE id = :id", id=contact.person_id)
    await stage.phone.send(type="event", event="unsubscribe", wait=True)
    assert await count(stage, "inbox WHERE body_enc <> ''") == 0
    assert await count(stage, "outbox WHERE state = 'sent' AND body_enc <> ''") == 0
    ((facts,),) = await stage.rows("SELECT facts FROM evidence WHERE kind = 'contact.unfollowed'")
    assert facts["erased"] and "imported profile" in facts["kept"]
    gone = "data_key WHERE wrapped IS NULL AND id = person_id"
    assert await count(stage, gone) == 0, "the company's own entry stays"


async def test_a_newcomer_who_unfollows_is_erased_and_comes_back_as_somebody_new(open_window: Stage) -> None:
    stage = open_window
    before = await stage.contact()
    await stage.phone.send(type="event", event="unsubscribe", wait=True)
    assert await count(stage, "data_key WHERE wrapped IS NOT NULL") == 0
    assert await count(stage, "evidence WHERE kind = 'person.erased'") == 1
    await stage.phone.send(type="event", event="subscribe", wait=True)
    after = await stage.contact()
    assert (after.id, after.person_id) != (before.id, before.person_id)
    assert after.unreachable_at is None


async def test_a_turn_under_way_commits_nothing_after_they_unfollowed(open_window: Stage) -> None:
    stage = open_window
    async with stage.services.db.begin() as tx:
        claim = await turns.claim_next(tx, real_now(), timedelta(seconds=30))
    assert claim is not None
    await stage.phone.send(type="event", event="unsubscribe", wait=True)
    with pytest.raises(MedrepError) as error:
        async with stage.services.db.begin() as tx:
            await turns.finish(tx, claim, InboxState.DONE, real_now())
    assert error.value.fault == Fault.LEASE_LOST
    assert not await stage.workers.turn(), "nothing of theirs waits any more"


async def test_yesterdays_offer_and_conversation_are_over(open_window: Stage) -> None:
    stage = open_window
    contact, now = await stage.contact(), stage.services.clock.now()
    offered = (Choice("human", "找同事"),)
    async with stage.services.db.begin() as tx:
        await conversations.write_conversation(tx, stage.services.vault, contact, b"{}", offered, now)

    async def left(later: timedelta) -> tuple[object, object]:
        since = now + later - SESSION
        async with stage.services.db.begin() as tx:
            found = await scenes.background(tx, stage.services.vault, contact.id, since, since)
        return found.offered, found.conversation

    assert await left(timedelta(hours=7)) == (offered, b"{}")
    assert await left(timedelta(hours=9)) == ((), None)
    await stage.move(now + timedelta(hours=9))
    await stage.phone.send(type="text", content="1", wait=True)
    while await stage.workers.turn():  # without an engine: a choice would have been its input all the same
        pass
    await stage.write("UPDATE turn SET lease_until = now()")
    async with stage.services.db.begin() as tx:
        claim = await turns.claim_next(tx, real_now(), timedelta(seconds=30))
        assert claim is not None
        scene = await read_scene(tx, stage.services, claim)
    assert scene is not None and scene.conversation is None

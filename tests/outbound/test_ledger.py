"""What may be pushed: windows, allowances, expiry, stop; and what was held leaves in order."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from bot.model import Channel, Choice, OutboxState, Purpose, Receipt
from bot.schedule.timers import Timers
from bot.store import arriving_contacts, contacts, outbox, scenes
from tests.locks import begun
from tests.schedule.setting import remind
from tests.stage import DOCTORS, Stage

EMERGENCY = Purpose.EMERGENCY


async def push_all(stage: Stage) -> None:
    while await stage.sender.push():
        pass


async def states(stage: Stage) -> list[str]:
    return [state for (state,) in await stage.rows("SELECT state FROM outbox ORDER BY id")]


async def test_five_in_48_hours_and_one_is_kept_for_safety(open_window: Stage) -> None:
    stage = open_window
    for _ in range(5):
        await stage.queue()
    await push_all(stage)
    assert await states(stage) == ["sent"] * 4 + ["held"]
    await stage.queue("utter_emergency", EMERGENCY)
    await push_all(stage)
    assert await states(stage) == ["sent"] * 4 + ["held", "sent"]
    await stage.queue("utter_emergency", EMERGENCY)
    await push_all(stage)
    assert (await states(stage))[-1] == "held"
    assert len(await stage.reply_texts()) == 5, "and the platform never had to refuse one"
    assert all(call["errcode"] == 0 for call in await stage.calls("message/custom/send"))


async def test_what_was_held_leaves_in_order_when_they_write(open_window: Stage) -> None:
    stage = open_window
    responses = [
        "utter_media",
        "utter_thanks",
        "utter_source_none",
        "utter_failed",
        "utter_emergency",
        "utter_media",
    ]
    for response in responses:
        await stage.queue(response)
    await push_all(stage)
    assert (await states(stage)).count("held") == 2
    # Without the inbox loop, what they write now is answered by nobody; this one stands for the answer.
    await stage.phone.send(type="image", wait=True)
    await stage.queue("utter_thanks")
    await push_all(stage)
    assert set(await states(stage)) == {"sent"}
    texts = [stage.services.published.dialogue.text(response) for response in [*responses, "utter_thanks"]]
    assert await stage.reply_texts() == texts


async def test_the_window_closes_after_48_hours(open_window: Stage) -> None:
    stage = open_window
    await stage.move(stage.services.clock.now() + timedelta(hours=48, seconds=1))
    row = await stage.queue()
    await push_all(stage)
    found = await stage.row(row)
    assert (found.state, found.fault) == (OutboxState.HELD, "window_closed")
    assert not await stage.calls("message/custom/send"), "the platform need not be asked"
    await stage.phone.send(type="image", wait=True)
    await push_all(stage)
    assert (await stage.row(row)).state == OutboxState.SENT


async def test_a_click_opens_a_minute_for_three(open_window: Stage) -> None:
    stage = open_window
    await stage.move(stage.services.clock.now() + timedelta(hours=49))
    await stage.phone.send(type="event", event="CLICK", event_key="menu", wait=True)
    for _ in range(3):
        await stage.queue()
    await push_all(stage)
    assert await states(stage) == ["sent", "sent", "held"]
    await stage.queue(purpose=EMERGENCY)
    await push_all(stage)
    assert len(await stage.reply_texts()) == 3
    # Another button: the same one within the same second would be the same event, delivered twice.
    await stage.phone.send(type="event", event="CLICK", event_key="other", wait=True)
    await push_all(stage)
    assert set(await states(stage)) == {"sent"}, "each click opens it anew"
    await stage.move(stage.services.clock.now() + timedelta(seconds=61))
    row = await stage.queue()
    await push_all(stage)
    assert (await stage.row(row)).state == OutboxState.HELD
    assert all(call["errcode"] == 0 for call in await stage.calls("message/custom/send"))


async def test_a_click_adds_to_an_open_window(open_window: Stage) -> None:
    stage = open_window
    for _ in range(4):
        await stage.queue()
    await push_all(stage)
    await stage.phone.send(type="event", event="CLICK", event_key="menu", wait=True)
    for _ in range(4):
        await stage.queue()
    await push_all(stage)
    assert await states(stage) == ["sent"] * 7 + ["held"], "3 of the click, 1 of 5 is kept"
    await stage.queue(purpose=EMERGENCY)
    await push_all(stage)
    assert len(await stage.reply_texts()) == 8
    assert all(call["errcode"] == 0 for call in await stage.calls("message/custom/send"))


async def test_what_expires_never_leaves(open_window: Stage) -> None:
    stage = open_window
    now = stage.services.clock.now()
    waiting = await stage.queue(purpose=Purpose.SERVICE, expires_at=now + timedelta(hours=1))
    await stage.write("UPDATE send_window SET used = allowance")
    await push_all(stage)
    assert (await stage.row(waiting)).state == OutboxState.HELD
    late = await stage.queue(purpose=Purpose.SERVICE, expires_at=now + timedelta(hours=1))
    await stage.move(now + timedelta(hours=2))
    assert await stage.sender.push() == 0, "not even before it is tidied up"
    await stage.sender.tidy()
    assert {(await stage.row(row)).state for row in (waiting, late)} == {OutboxState.EXPIRED}
    await stage.phone.send(type="image", wait=True)
    await push_all(stage)
    assert await stage.reply_texts() == []
    assert await stage.rows("SELECT facts FROM evidence WHERE kind = 'messages.expired'") == [
        ({"count": 2, "reminders": 0},)
    ]


async def test_stop_cancels_everything_proactive_and_lets_answers_through(open_window: Stage) -> None:
    stage = open_window
    proactive = [
        await stage.queue(purpose=purpose)
        for purpose in (Purpose.MEDICATION, Purpose.SERVICE, Purpose.PROMOTION)
    ]
    await stage.write("UPDATE outbox SET state = 'held' WHERE id = :id", id=proactive[0])
    await stage.phone.send(type="text", content="退订", wait=True)
    assert {(await stage.row(row)).state for row in proactive} == {OutboxState.CANCELLED}
    later = await stage.queue(purpose=Purpose.SERVICE)
    answer = await stage.queue()
    await push_all(stage)
    assert (await stage.row(later)).state == OutboxState.CANCELLED
    assert (await stage.row(answer)).state == OutboxState.SENT
    replies = await stage.reply_texts()
    assert len(replies) == 2 and "退订" in replies[0]


async def test_unfollowing_cancels_everything(open_window: Stage) -> None:
    stage = open_window
    contact = await stage.contact()
    await stage.write("UPDATE person SET kind = 'doctor' WHERE id = :id", id=contact.person_id)
    held, waiting = await stage.queue(), await stage.queue()
    await stage.write("UPDATE outbox SET state = 'held' WHERE id = :id", id=held)
    await stage.phone.send(type="event", event="unsubscribe", wait=True)
    assert {(await stage.row(row)).state for row in (held, waiting)} == {OutboxState.CANCELLED}
    after = await stage.queue()
    await push_all(stage)
    assert (await stage.row(after)).state == OutboxState.CANCELLED
    assert not await stage.calls("message/custom/send")


async def test_a_contact_that_never_wrote_is_never_pushed_to(stage: Stage) -> None:
    from bot.model import Account, Audience

    async with stage.services.db.begin() as tx:
        account = Account(Channel.WECHAT, "sandbox")
        await arriving_contacts.find_or_add(
            tx, stage.services.vault, account, Audience.DOCTOR, stage.phone.openid, stage.services.clock.now()
        )
    await stage.agree()
    row = await stage.queue(purpose=Purpose.SERVICE)
    await push_all(stage)
    assert (await stage.row(row)).state == OutboxState.HELD
    assert not await stage.calls("message/custom/send")


async def test_a_slow_send_holds_up_only_its_own_contact(open_window: Stage) -> None:
    stage = open_window
    await stage.fault("slow", seconds=0.9)
    slow, behind = await stage.queue(), await stage.queue()
    other = await stage.phone.newcomer(stage.http, stage.double, "别人")
    await other.send(type="image", wait=True)
    async with stage.running():
        contact = await stage.contact(other.openid)
        async with stage.services.db.begin() as tx:
            await stage.queue_in(tx, contact, stage.draft("utter_emergency"))
        await other.next(1, 3)
        await stage.phone.next(2, 5)
    first, second = await stage.row(slow), await stage.row(behind)
    assert first.sent_at < second.sent_at


@pytest.mark.parametrize("errcode", [0, 45047, 45015, 43004])
async def test_who_writes_while_a_send_is_refused_gets_it_after_all(
    open_window: Stage, errcode: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the refusal (ours for 0, else the platform's) and our record of it they open a new window."""
    stage = open_window
    refused = stage.sender._refused

    async def and_they_write(*given: Any, **more: Any) -> None:
        monkeypatch.setattr(stage.sender, "_refused", refused)
        await stage.phone.send(type="image", wait=True)
        await refused(*given, **more)

    row = await stage.queue()
    if errcode:
        await stage.fault("errcode", errcode=errcode)
    else:
        await stage.write("UPDATE send_window SET used = allowance")
    monkeypatch.setattr(stage.sender, "_refused", and_they_write)
    await stage.sender.push()
    assert (await stage.row(row)).state == OutboxState.WAITING, "nobody would come to release it"
    assert await stage.used() == 0, "the new window is untouched"
    assert (await stage.contact()).unreachable_at is None
    await push_all(stage)
    assert (await stage.row(row)).state == OutboxState.SENT


async def test_what_did_not_leave_goes_back_to_the_windows_it_was_taken_from(open_window: Stage) -> None:
    """It went to one window as a whole, or nowhere."""
    stage, now = open_window, open_window.services.clock.now()
    contact = await stage.contact()
    await stage.write(
        "INSERT INTO send_window (contact_id, act, closes_at, allowance, used)"
        " VALUES (:id, 'click', :at, 3, 2)",
        id=contact.id,
        at=now + timedelta(minutes=1),
    )
    row = await stage.queue("utter_introduce")
    await stage.write("UPDATE outbox SET halved = 3 WHERE id = :id", id=row)
    await stage.fault("errcode", errcode=40008)
    await stage.sender.push()
    assert (await stage.row(row)).fault == "rejected"
    used = await stage.rows("SELECT act, used FROM send_window ORDER BY act")
    assert used == [("click", 2), ("message", 0)]


async def test_what_cannot_be_sealed_takes_nothing(open_window: Stage) -> None:
    """The push was taken before the text of a reminder was sealed."""
    stage = open_window
    contact = await stage.contact()
    await remind(stage.services, contact, stage.services.clock.now(), None)
    await Timers(stage.services).tick()
    await stage.write("UPDATE data_key SET wrapped = NULL WHERE id = :id", id=contact.key_id)
    stage.services.vault.forget_all()
    await stage.sender.push()
    ((state, fault),) = await stage.rows("SELECT state, fault FROM outbox")
    assert (state, fault) == (OutboxState.CANCELLED, "erased")
    assert await stage.used() == 0


async def test_a_send_is_recorded_once_however_often_it_is_tried(
    open_window: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer to a COMMIT that took place is lost, and a receipt comes before the second try."""
    stage = open_window
    write = stage.sender._settling._write

    async def twice(batch: Any) -> None:
        await write(batch)
        await stage.write("UPDATE outbox SET state = 'delivered'")
        await write(batch)

    monkeypatch.setattr(stage.sender._settling, "_write", twice)
    row = await stage.queue()
    await stage.sender.push()
    assert (await stage.row(row)).state == OutboxState.DELIVERED
    assert await stage.rows("SELECT count(*) FROM evidence WHERE kind = 'message.sent'") == [(1,)]


async def test_holding_and_writing_wait_for_each_other(open_window: Stage) -> None:
    stage = open_window
    row = await stage.queue()
    await stage.write("UPDATE send_window SET used = allowance")
    async with stage.services.db.begin() as tx:
        # As accepting a message does, first of all.
        assert await contacts.by_address(tx, stage.services.vault, DOCTORS, stage.phone.openid)
        push = await begun(stage.services.db, stage.sender.push())
        assert (await stage.row(row)).state == OutboxState.SENDING
        await tx.execute(text("UPDATE send_window SET used = 0, opening = opening + 1"))
    await push
    assert (await stage.row(row)).state == OutboxState.WAITING


async def test_a_send_without_an_end_is_uncertain_before_its_lease_ends(
    open_window: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = open_window

    async def never(*_: Any, **__: Any) -> Receipt:
        await asyncio.sleep(60)
        raise AssertionError

    monkeypatch.setattr(stage.wechat, "send", never)
    row = await stage.queue()
    async with asyncio.timeout(3):  # the lease of this stage
        await stage.sender.push()
    assert (await stage.row(row)).state == OutboxState.UNKNOWN


async def test_the_choices_of_what_we_begin_are_remembered(open_window: Stage) -> None:
    """A "1" after a reminder means what the reminder offered, typed or clicked."""
    stage = open_window
    reply = stage.draft("utter_media", Purpose.MEDICATION)
    choices = (Choice("human", "找同事"), Choice("intent:thank", "知道了"))
    row = await stage.queue(draft=replace(reply, choices=choices))
    contact = await stage.contact()
    earlier = stage.services.clock.now() - timedelta(minutes=1)

    async def offered() -> tuple[Choice, ...]:
        async with stage.services.db.begin() as tx:
            found = await scenes.background(tx, stage.services.vault, contact.id, earlier, earlier)
        return found.offered

    assert await offered() == ()
    await push_all(stage)
    assert await offered() == choices
    async with stage.services.db.begin() as tx:
        assert await outbox.choices(tx, stage.services.vault, contact.id, row) == choices

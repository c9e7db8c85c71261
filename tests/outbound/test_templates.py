"""Outside the window: a reminder that the account has a template for leaves as that, all else is held."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.clock import real_now
from bot.model import OutboxState
from bot.settings import Template
from tests.stage import Stage

# utter_human says 已转给{rep}，预计{due}前联系您; the rest of what the card needs is in its own words.
REFS = '{"rep": "值班同事", "due": "11月24日（周二）18:00", "what": "同事都能看到"}'


@pytest.fixture
async def outside(open_window: Stage) -> Stage:
    """49 hours after their last word, on an account with a template for `service`."""
    stage = open_window
    known = stage.wechat._settings
    service = Template(
        id=known.templates["service"].id, fields={"rep": "thing1", "due": "time2", "what": "thing3"}
    )
    stage.wechat._settings = known.model_copy(update={"templates": {"service": service}})
    await stage.move(stage.services.clock.now() + timedelta(hours=49))
    return stage


async def remind(stage: Stage, purpose: str = "service", refs: str = REFS) -> int:
    """A row as the ticker writes it."""
    contact = await stage.contact()
    await stage.write(
        "INSERT INTO outbox (contact_id, person_id, account, template, refs, basis, purpose, state,"
        " created_at, retry_at)"
        " VALUES (:contact, :person, 'wechat:sandbox', 'utter_human', CAST(:refs AS jsonb),"
        " 'response:utter_human@1', :purpose,"
        " 'waiting', :now, :real)",
        contact=contact.id,
        person=contact.person_id,
        refs=refs,
        purpose=purpose,
        now=stage.services.clock.now(),
        real=real_now(),
    )
    return int((await stage.rows("SELECT max(id) FROM outbox"))[0][0])


async def cards(stage: Stage) -> list[dict[str, Any]]:
    return [item for item in await stage.phone.replies() if item["via"] == "template"]


@pytest.mark.parametrize("who_says", ["ledger", "platform"])
async def test_a_reminder_leaves_as_its_template(outside: Stage, who_says: str) -> None:
    stage = outside
    if who_says == "platform":  # our ledger thinks that the window is open
        await stage.write("UPDATE send_window SET closes_at = closes_at + interval '9 days'")
    row = await remind(stage)
    await stage.sender.push()
    if who_says == "platform":
        await stage.sender.push()
    found = await stage.row(row)
    assert (found.state, found.fault) == (OutboxState.SENT, None) and found.platform_id
    assert len(await stage.calls("message/template/send")) == 1
    (card,) = await cards(stage)
    assert "值班同事" in str(card) and "11月24日" in str(card)
    sent = await stage.rows("SELECT facts ->> 'via' FROM evidence WHERE kind = 'message.sent'")
    assert sent == [("template",)]
    assert len(await stage.calls("message/custom/send")) == (who_says == "platform")


async def test_what_has_no_template_is_held(outside: Stage) -> None:
    stage = outside
    held = [
        await remind(stage, purpose="medication"),
        await remind(
            stage, refs='{"rep": "值班同事", "due": "11月24日（周二）18:00"}'
        ),  # it cannot fill the template
        # nor with words that the approved response does not say: nobody has looked at them
        await remind(stage, refs=REFS.replace("同事都能看到", "本品疗效最好")),
        await stage.queue("utter_media"),
    ]
    for _ in held:
        await stage.sender.push()
    assert {(await stage.row(row)).state for row in held} == {OutboxState.HELD}
    assert await cards(stage) == []


async def test_a_template_that_breaks_the_rules_is_for_a_person(outside: Stage) -> None:
    stage = outside
    row = await remind(
        stage, refs=REFS.replace("同事都能看到", "18:00前联系您。这期间您发的消息同事都能看到")
    )
    await stage.sender.push()
    found = await stage.row(row)
    assert (found.state, found.fault) == (OutboxState.FAILED, "bad_input")
    assert await cards(stage) == [] and "failed_turn" in await stage.tasks()


async def test_after_a_stop_no_template_leaves_either(outside: Stage) -> None:
    stage = outside
    row = await remind(stage)
    await stage.write("UPDATE person SET stopped_at = now()")
    await stage.sender.push()
    assert (await stage.row(row)).state == OutboxState.CANCELLED
    assert await cards(stage) == []

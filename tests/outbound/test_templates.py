"""Outside the window: a reminder that the account has a template for leaves as that, all else is held."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.model import OutboxState, Purpose
from bot.outbound import wording
from bot.outbound.wording import Wording
from bot.runtime.services import Services
from bot.schedule.timers import Timers
from bot.settings import Template
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.occurrences import Origin
from tests.schedule.setting import remind
from tests.stage import Stage

REP, DUE = "值班同事", "11月24日（周二）18:00"
# What the card needs beside {rep} and {due} of utter_human is in its own words.
WORDS = {"rep": REP, "due": DUE, "what": "同事都能看到"}


@pytest.fixture
async def outside(open_window: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """49 hours after their last word, on an account with a template for `service`."""
    stage = open_window
    account_settings = stage.wechat._settings
    service = Template(
        id=account_settings.templates["service"].id,
        fields={"rep": "thing1", "due": "time2", "what": "thing3"},
    )
    stage.wechat._settings = account_settings.model_copy(update={"templates": {"service": service}})
    says(monkeypatch, WORDS)
    await stage.move(stage.services.clock.now() + timedelta(hours=49))
    return stage


def says(monkeypatch: pytest.MonkeyPatch, words: dict[str, str]) -> None:
    """A room that makes its text from what the timer refers to, with these words for the template."""

    async def hand_over(_: Tx, services: Services, contact: Contact, origin: Origin) -> Wording:
        assert origin.refs == {"task": 7}
        reply = services.published.dialogue.reply("utter_human", contact.audience, rep=REP, due=DUE)
        return Wording(reply, words)

    monkeypatch.setitem(wording.ROOMS, "hand_over", hand_over)


async def due(stage: Stage, purpose: Purpose = Purpose.SERVICE) -> int:
    """The outbox row of a reminder that is due now."""
    now = stage.services.clock.now()
    refs = {"task": 7}
    await remind(
        stage.services, await stage.contact(), now, None, wording="hand_over", refs=refs, purpose=purpose
    )
    assert await Timers(stage.services).tick() == 1
    return int((await stage.rows("SELECT max(id) FROM outbox"))[0][0])


async def cards(stage: Stage) -> list[dict[str, Any]]:
    return [item for item in await stage.phone.replies() if item["via"] == "template"]


@pytest.mark.parametrize("who_says", ["ledger", "platform"])
async def test_a_reminder_leaves_as_its_template(outside: Stage, who_says: str) -> None:
    stage = outside
    if who_says == "platform":  # our ledger thinks that the window is open
        await stage.write("UPDATE send_window SET closes_at = closes_at + interval '9 days'")
    row = await due(stage)
    await stage.sender.push()
    if who_says == "platform":
        await stage.sender.push()
    found = await stage.row(row)
    assert (found.state, found.fault) == (OutboxState.SENT, None) and found.platform_id
    assert len(await stage.calls("message/template/send")) == 1
    (card,) = await cards(stage)
    assert REP in str(card) and "11月24日" in str(card)
    sent = await stage.rows("SELECT facts ->> 'via' FROM evidence WHERE kind = 'message.sent'")
    assert sent == [("template",)]
    assert len(await stage.calls("message/custom/send")) == (who_says == "platform")


async def test_what_has_no_template_is_held(outside: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = outside
    held = [await due(stage, Purpose.MEDICATION), await stage.queue("utter_media")]
    for _ in held:
        await stage.sender.push()
    assert {(await stage.row(row)).state for row in held} == {OutboxState.HELD}
    assert await cards(stage) == []


@pytest.mark.parametrize(
    "words",
    [
        {"rep": REP, "due": DUE},  # it cannot fill the template
        {**WORDS, "what": "本品疗效最好"},  # the approved response does not say this: nobody has looked at it
    ],
)
async def test_a_template_is_filled_by_the_words_of_the_text_alone(
    outside: Stage, monkeypatch: pytest.MonkeyPatch, words: dict[str, str]
) -> None:
    stage = outside
    says(monkeypatch, words)
    row = await due(stage)
    await stage.sender.push()
    assert (await stage.row(row)).state == OutboxState.HELD
    assert await cards(stage) == []


async def test_a_template_that_breaks_the_rules_is_for_a_person(
    outside: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = outside
    says(monkeypatch, {**WORDS, "what": "18:00前联系您。同事接手之前，问题可以接着问我"})
    row = await due(stage)
    await stage.sender.push()
    found = await stage.row(row)
    assert (found.state, found.fault) == (OutboxState.FAILED, "bad_input")
    assert await cards(stage) == [] and "failed_turn" in await stage.tasks()


async def test_after_a_stop_no_template_leaves_either(outside: Stage) -> None:
    stage = outside
    row = await due(stage)
    await stage.write("UPDATE person SET stopped_at = now()")
    await stage.sender.push()
    assert (await stage.row(row)).state == OutboxState.CANCELLED
    assert await cards(stage) == []

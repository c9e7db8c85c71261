"""May a message that we begin leave now: every cell of the table, and the exit that asks it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from bot.clock import CHINA
from bot.model import PROACTIVE, Fault, Purpose
from bot.outbound.policy import PAUSE, WEEK, Decision, Defer, Person, Refuse, Send, decide
from bot.people import consent
from bot.settings import Limits
from tests.stage import Stage

EMERGENCY, REPLY, MEDICATION, SERVICE, PROMOTION, _ = Purpose
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=CHINA)  # a Wednesday
NIGHT, EARLY = NOON.replace(hour=22), NOON.replace(hour=6)
MORNING = NOON.replace(hour=8)
TOMORROW = MORNING + timedelta(days=1)
TWO = (NOON - timedelta(days=2), NOON - timedelta(days=1))  # the week's cap is used up
FREE_AGAIN = TWO[0] + WEEK


def ask(purpose: Purpose, now: datetime = NOON, **changes: Any) -> Decision:
    """A person who agreed to everything, in the middle of a quiet day, but for the changes."""
    facts: dict[str, Any] = {
        "person": Person(),
        "consents": PROACTIVE,
        "limits": Limits(),
        "sent": (),
        "takeover": False,
        "live_conversation": False,
        "window": True,
        **changes,
    }
    return decide(purpose, now=now, **facts)


def kind(decision: Decision) -> str | datetime | Fault:
    match decision:
        case Send():
            return "send"
        case Defer(until, _):
            return until
        case Refuse(fault, _):
            return fault


S, LATER = "send", NOON + PAUSE
UNREACHABLE, STOPPED, NO_CONSENT = Fault.UNREACHABLE, Fault.STOPPED, Fault.NO_CONSENT
# (what is the case, now, changes) -> emergency, reply, medication, service, promotion
TABLE: dict[str, tuple[datetime, dict[str, Any], tuple[Any, ...]]] = {
    "nothing in the way": (NOON, {}, (S, S, S, S, S)),
    "unreachable": (NOON, {"person": Person(unreachable=True)}, (UNREACHABLE,) * 5),
    "stopped": (NOON, {"person": Person(stopped=True)}, (S, S, STOPPED, STOPPED, STOPPED)),
    "no consent": (NOON, {"consents": frozenset()}, (S, S, NO_CONSENT, NO_CONSENT, NO_CONSENT)),
    "consent to medication only": (
        NOON,
        {"consents": frozenset({MEDICATION})},
        (S, S, S, NO_CONSENT, NO_CONSENT),
    ),
    "consent to service only": (NOON, {"consents": frozenset({SERVICE})}, (S, S, NO_CONSENT, S, NO_CONSENT)),
    "consent to promotion only": (
        NOON,
        {"consents": frozenset({PROMOTION})},
        (S, S, NO_CONSENT, NO_CONSENT, S),
    ),
    "late evening": (NIGHT, {}, (S, S, S, TOMORROW, TOMORROW)),
    "early morning": (EARLY, {}, (S, S, S, MORNING, MORNING)),
    "the cap is reached": (NOON, {"sent": TWO}, (S, S, S, FREE_AGAIN, FREE_AGAIN)),
    "one below the cap": (NOON, {"sent": TWO[:1]}, (S, S, S, S, S)),
    "a takeover": (NOON, {"takeover": True}, (S, S, LATER, LATER, LATER)),
    "a conversation": (NOON, {"live_conversation": True}, (S, S, S, LATER, LATER)),
    "the window is closed": (NOON, {"window": False}, (S, S, S, S, LATER)),
    "a turn begins while it is closed": (NOON, {"window": False, "begins": True}, (S, S, S, LATER, LATER)),
    # of several, a refusal goes before a wait, and the longest wait counts
    "stopped at night": (NIGHT, {"person": Person(stopped=True)}, (S, S, STOPPED, STOPPED, STOPPED)),
    "no consent at night": (NIGHT, {"consents": frozenset()}, (S, S, NO_CONSENT, NO_CONSENT, NO_CONSENT)),
    "a conversation at night": (NIGHT, {"live_conversation": True}, (S, S, S, TOMORROW, TOMORROW)),
    "the cap at night": (NIGHT, {"sent": TWO}, (S, S, S, FREE_AGAIN, FREE_AGAIN)),
}


@pytest.mark.parametrize("case", TABLE)
def test_every_cell(case: str) -> None:
    now, changes, expected = TABLE[case]
    messages = [purpose for purpose in Purpose if purpose != Purpose.ANALYSIS]
    assert tuple(kind(ask(purpose, now, **changes)) for purpose in messages) == expected


def test_nothing_is_sent_for_analysis() -> None:
    assert kind(ask(Purpose.ANALYSIS, NOON, consents=frozenset(Purpose))) == NO_CONSENT


@pytest.mark.parametrize(
    ("clock", "until"),
    [("20:59", None), ("21:00", 1), ("23:59", 1), ("00:00", 0), ("07:59", 0), ("08:00", None)],
)
def test_the_edges_of_quiet_hours(clock: str, until: int | None) -> None:
    hour, minute = (int(part) for part in clock.split(":"))
    expected = "send" if until is None else MORNING + timedelta(days=until)
    assert kind(ask(SERVICE, NOON.replace(hour=hour, minute=minute))) == expected


def test_quiet_hours_within_a_day_and_none_at_all() -> None:
    siesta = Limits.model_validate({"quiet_from": "12:00", "quiet_until": "14:00"})
    assert kind(ask(SERVICE, limits=siesta)) == NOON.replace(hour=14)
    never = Limits.model_validate({"quiet_from": "00:00", "quiet_until": "00:00"})
    assert kind(ask(SERVICE, NIGHT, limits=never)) == "send"


def test_what_left_a_week_ago_does_not_count_and_more_than_the_cap_waits_longer() -> None:
    assert kind(ask(SERVICE, sent=(NOON - WEEK, NOON - timedelta(days=1)))) == "send"
    three = (NOON - timedelta(days=3), *TWO)
    assert kind(ask(SERVICE, sent=three)) == TWO[0] + WEEK


# ---------------------------------------------------------------- the exit asks it


async def push(stage: Stage, row: int) -> Any:
    await stage.at_once()
    await stage.sender.push()
    return await stage.row(row)


async def test_without_consent_nothing_that_we_begin_leaves(open_window: Stage) -> None:
    """Policy, section 2: consent bound nothing at the exit."""
    stage = open_window
    contact, now = await stage.contact(), stage.services.clock.now()
    for purpose in sorted(PROACTIVE):
        async with stage.services.db.begin() as tx:
            await consent.withdraw(tx, contact, purpose, now, source="test")
        found = await push(stage, await stage.queue(purpose=purpose))
        assert (found.state, found.fault) == ("cancelled", "no_consent")
    assert (await push(stage, await stage.queue())).state == "sent", "an answer needs none"


async def test_at_night_it_waits_until_eight_without_counting_as_a_try(open_window: Stage) -> None:
    stage = open_window
    await stage.move(stage.services.clock.now().astimezone(CHINA).replace(hour=22))
    row = await stage.queue(purpose=Purpose.SERVICE)
    found = await push(stage, row)
    assert (found.state, found.fault, found.attempts) == ("waiting", "not_now", 0)
    until = stage.services.clock.now() + timedelta(hours=10)
    assert abs(found.not_before - until) <= timedelta(hours=1), "eight in the morning"
    assert found.not_before.astimezone(CHINA).hour == 8
    assert await stage.reply_texts() == []
    await stage.move(stage.services.clock.now() + timedelta(hours=10))
    assert (await push(stage, row)).state == "sent"


async def test_a_third_in_a_week_waits_whatever_contact_and_purpose(open_window: Stage) -> None:
    stage = open_window
    for purpose in (Purpose.SERVICE, Purpose.PROMOTION):
        assert (await push(stage, await stage.queue(purpose=purpose))).state == "sent"
    assert (await push(stage, await stage.queue(purpose=Purpose.MEDICATION))).state == "sent"
    found = await push(stage, await stage.queue(purpose=Purpose.PROMOTION))
    assert (found.state, found.fault) == ("waiting", "not_now")
    assert found.not_before - stage.services.clock.now() > timedelta(days=6, hours=23)


async def test_in_a_conversation_it_waits_until_it_is_over(open_window: Stage) -> None:
    stage = open_window
    contact = await stage.contact()
    await stage.write(
        "INSERT INTO turn (id, contact_id, state, fence, lease_until, started_at) "
        "VALUES (gen_random_uuid(), :contact, 'done', 1, now(), now())",
        contact=contact.id,
    )
    row = await stage.queue(purpose=Purpose.PROMOTION)
    assert (await push(stage, row)).fault == "not_now"
    await stage.write("UPDATE turn SET started_at = now() - interval '11 minutes'")
    await stage.move(stage.services.clock.now() + timedelta(minutes=11))
    assert (await push(stage, row)).state == "sent"


async def test_what_waits_for_the_morning_delays_no_answer(open_window: Stage) -> None:
    stage = open_window
    await stage.move(stage.services.clock.now().astimezone(CHINA).replace(hour=22))
    row = await stage.queue(purpose=Purpose.SERVICE)
    assert (await push(stage, row)).state == "waiting"
    answer = await stage.queue()
    await stage.sender.push()
    assert ((await stage.row(row)).state, (await stage.row(answer)).state) == ("waiting", "sent")


def test_what_a_colleague_has_begin_now_knows_no_hour_cap_or_conversation_but_all_else() -> None:
    busy: dict[str, Any] = {"now": NIGHT, "sent": TWO, "live_conversation": True, "forced": True}
    assert ask(PROMOTION, **busy) == Send()
    assert ask(PROMOTION, **busy, window=False) == Defer(NIGHT + PAUSE, "window")
    assert ask(PROMOTION, **busy, takeover=True) == Defer(NIGHT + PAUSE, "takeover")
    assert isinstance(ask(PROMOTION, **busy, person=Person(stopped=True)), Refuse)
    assert isinstance(ask(PROMOTION, **busy, consents=frozenset()), Refuse)

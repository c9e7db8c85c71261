"""Speaking first: a trigger's turn is bound by its purpose, gives way to the person, and fails in silence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from bot.clock import CHINA, real_now
from bot.evidence import Evidence
from bot.inbound import trigger
from bot.model import Fault, MedrepError, Purpose
from bot.people import stop
from bot.service.postgres import free_port
from bot.store import contact_view, turns
from bot.store.triggers import Ended, Trigger
from tests.stage import Stage

HOURS = timedelta(hours=1)


class Engine:
    """Speaks the engine's protocol; what it answers is set by the test (the journeys ask the real one)."""

    def __init__(self, stage: Stage) -> None:
        self.asked: list[dict[str, Any]] = []
        self.refusal: tuple[int, str] | None = None
        self.silent = False
        self._model = stage.services.published.dialogue.fingerprint
        self._reply = stage.services.published.dialogue.text("utter_ok")

    async def ready(self, _: web.Request) -> web.Response:
        return web.json_response({"model": "m"})

    async def turn(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.asked.append(body["input"])
        if self.refusal is not None:
            status, code = self.refusal
            return web.json_response({"error": code}, status=status)
        reply = {"text": self._reply, "choices": [], "response": "utter_ok", "custom": None}
        return web.json_response(
            {
                "turn_id": body["turn_id"],
                "model": self._model,
                "intent": {"name": body["input"]["intent"], "confidence": 1.0},
                "entities": [],
                "actions": [],
                "replies": [] if self.silent else [reply, {**reply, "custom": {"purpose": "emergency"}}],
                "conversation": {"events": []},
            }
        )


@pytest.fixture
async def engine(open_window: Stage) -> AsyncIterator[Engine]:
    """An engine; the phone's owner agreed to all, was answered, and has been silent since."""
    stage = open_window
    engine, app, port = Engine(stage), web.Application(), free_port()
    app.add_routes([web.get("/ready", engine.ready), web.post("/turn", engine.turn)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    stage.engine._url = f"http://127.0.0.1:{port}"
    await answered(stage)
    yield engine
    await runner.cleanup()


async def answered(stage: Stage) -> None:
    """What waits is answered, and that was a while ago."""
    while await stage.workers.turn():
        pass
    await stage.write("UPDATE outbox SET passive_until = NULL")
    await stage.sender.push()
    await stage.write("UPDATE turn SET started_at = now() - interval '1 hour'")


async def begin(
    stage: Stage, purpose: Purpose = Purpose.SERVICE, *, key: str = "1", lasts: timedelta = 12 * HOURS
) -> int | None:
    contact, now = await stage.contact(), stage.services.clock.now()
    async with stage.services.db.begin() as tx:
        wanted = Trigger(contact, "ask_help", {"visit": 12}, purpose, "visit:12", key, now + lasts)
        return await trigger.trigger(tx, stage.services.vault, wanted, now)


async def state(stage: Stage) -> list[Any]:
    return await stage.rows("SELECT state, fault FROM inbox WHERE kind = 'trigger' ORDER BY id")


async def ended(stage: Stage) -> list[Any]:
    return await stage.rows(
        "SELECT facts ->> 'state', facts ->> 'fault' FROM evidence WHERE kind = 'trigger.ended' ORDER BY id"
    )


async def test_all_that_its_turn_says_carries_its_purpose_and_subject(stage: Stage, engine: Engine) -> None:
    before = len(await stage.reply_texts())
    assert await begin(stage) is not None
    assert await begin(stage) is None, "the same key is the same trigger"
    assert await stage.workers.turn()
    assert engine.asked == [
        {"text": "", "intent": "ask_help", "entities": {}, "trigger": True, "metadata": {"visit": 12}}
    ]
    rows = await stage.rows(
        "SELECT purpose, subject, lane, expires_at IS NOT NULL, state FROM outbox WHERE subject IS NOT NULL"
    )
    assert rows == [("service", "visit:12", "proactive", True, "waiting")], "its texts as one message"
    assert await stage.rows("SELECT purpose, subject, state FROM turn WHERE purpose IS NOT NULL") == [
        ("service", "visit:12", "done")
    ]
    await stage.sender.push()
    assert len(await stage.reply_texts()) == before + 1, "its own turn is no conversation that it waits for"
    assert await state(stage) == [("done", None)]


async def test_nobody_begins_an_answer(stage: Stage, engine: Engine) -> None:
    for purpose in (Purpose.REPLY, Purpose.EMERGENCY):
        with pytest.raises(MedrepError) as refused:
            await begin(stage, purpose)
        assert refused.value.fault == Fault.BAD_INPUT


async def test_what_the_person_wrote_comes_first_and_what_they_write_meanwhile_is_next(
    stage: Stage, engine: Engine
) -> None:
    await begin(stage, Purpose.MEDICATION)
    await stage.phone.send(type="text", content="二甲双胍怎么吃", wait=True)
    await begin(stage, Purpose.MEDICATION, key="2")
    assert await stage.workers.turn()
    assert engine.asked[0]["text"] == "二甲双胍怎么吃", "though the trigger was there before"
    assert await stage.workers.turn()
    assert engine.asked[1]["trigger"]
    await stage.phone.send(type="text", content="肾不好呢", wait=True)
    assert await stage.workers.turn() and await stage.workers.turn()
    assert [asked["trigger"] for asked in engine.asked] == [False, True, False, True]


async def test_a_fragment_keeps_a_trigger_waiting(stage: Stage, engine: Engine) -> None:
    await begin(stage, Purpose.MEDICATION)
    await stage.phone.send(type="text", content="请问", wait=True)
    async with stage.services.db.begin() as tx:
        assert await turns.claim_next(tx, real_now(), HOURS) is None


async def test_triggers_of_others_hold_up_nobody_who_wrote(stage: Stage, engine: Engine) -> None:
    await begin(stage, Purpose.MEDICATION)
    other = await type(stage.phone).newcomer(stage.http, stage.double, "另一位")
    await other.send(type="text", content="你好啊", wait=True)
    assert await stage.workers.turn()
    assert not engine.asked[0]["trigger"]


async def test_a_form_in_progress_defers_it_in_silence(stage: Stage, engine: Engine) -> None:
    before = len(await stage.reply_texts())
    await begin(stage)
    engine.refusal = (409, "form_active")
    assert await stage.workers.turn()
    assert await state(stage) == [("deferred", "form in progress")]
    assert not await stage.workers.turn(), "not before its time"
    await trigger.tidy(stage.services)
    assert not await stage.workers.turn()
    await stage.move(stage.services.clock.now() + timedelta(minutes=11))
    engine.refusal = None
    await trigger.tidy(stage.services)
    assert await stage.workers.turn()
    await stage.sender.push()
    assert len(await stage.reply_texts()) == before + 1
    assert await stage.tasks() == set()


async def test_what_the_engine_fails_is_given_up_in_silence_and_a_person_is_told(
    stage: Stage, engine: Engine
) -> None:
    before = await stage.reply_texts()
    await begin(stage)
    engine.refusal = (500, "action_failed")
    for _ in range(trigger.TRIES):
        await trigger.tidy(stage.services)
        assert await stage.workers.turn()
        await stage.move(stage.services.clock.now() + timedelta(minutes=2))
    await trigger.tidy(stage.services)
    assert not await stage.workers.turn()
    assert await state(stage) == [("failed", "engine_failed")]
    assert await ended(stage) == [("failed", "engine_failed")]
    assert await stage.tasks() == {"failed_turn"}
    await stage.sender.push()
    assert await stage.reply_texts() == before, "nobody asked for anything, so nobody is told"


async def test_an_engine_that_is_away_counts_against_no_trigger(stage: Stage, engine: Engine) -> None:
    await begin(stage)
    engine.refusal = (503, "not_ready")
    for _ in range(trigger.TRIES + 2):
        await trigger.tidy(stage.services)
        stage.engine.available = True
        assert await stage.workers.turn()
        await stage.move(stage.services.clock.now() + timedelta(minutes=2))
    assert await state(stage) == [("deferred", "engine_down")]
    await stage.phone.send(type="text", content="二甲双胍怎么吃", wait=True)
    engine.refusal, stage.engine.available = None, True
    assert await stage.workers.turn()
    assert engine.asked[-1]["text"] == "二甲双胍怎么吃", "it stands in the way of no answer"


async def test_a_trigger_whose_worker_died_gives_way_to_what_was_written_meanwhile(
    stage: Stage, engine: Engine
) -> None:
    await begin(stage, Purpose.MEDICATION)
    async with stage.services.db.begin() as tx:
        assert await turns.claim_next(tx, real_now(), HOURS) is not None
    await stage.phone.send(type="text", content="二甲双胍怎么吃", wait=True)
    await stage.write("UPDATE turn SET lease_until = now() - interval '1 s' WHERE state = 'running'")
    assert await stage.workers.turn()
    assert engine.asked == [], "given back"
    assert await stage.workers.turn()
    assert engine.asked[-1]["text"] == "二甲双胍怎么吃"
    await trigger.tidy(stage.services)
    assert await stage.workers.turn()
    assert engine.asked[-1]["trigger"]


async def test_expired_is_its_end_with_the_reason_why_it_waited(stage: Stage, engine: Engine) -> None:
    await begin(stage, lasts=HOURS)
    await stage.phone.send(type="text", content="二甲双胍怎么吃", wait=True)
    assert await stage.workers.turn() and await stage.workers.turn()
    assert await state(stage) == [("deferred", "conversation")]
    await begin(stage, key="2", lasts=HOURS)  # nobody tries it in time
    await stage.move(stage.services.clock.now() + 2 * HOURS)
    await trigger.tidy(stage.services)
    assert await state(stage) == [("expired", "conversation"), ("expired", "expired")]
    assert sorted(await ended(stage)) == [("expired", "conversation"), ("expired", "expired")]
    assert not await stage.workers.turn()
    contact = await stage.contact()
    async with stage.services.db.begin() as tx:
        lines = await contact_view.messages(tx, contact.id)
    assert [(line.purpose, line.state, line.reason) for line in lines[-2:]] == [
        ("service", "expired", "conversation"),
        ("service", "expired", "expired"),
    ]


async def test_a_turn_whose_words_no_template_carries_waits_for_the_window(
    stage: Stage, engine: Engine
) -> None:
    await stage.write("UPDATE send_window SET closes_at = :past", past=stage.services.clock.now() - HOURS)
    await begin(stage)
    await begin(stage, Purpose.MEDICATION, key="2")
    while await stage.workers.turn():
        pass
    assert await state(stage) == [("deferred", "window"), ("done", None)]


async def test_one_that_cannot_be_ended_keeps_no_other_from_its_end(
    stage: Stage, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = await begin(stage, lasts=HOURS)
    await begin(stage, key="2", lasts=HOURS)
    ending = trigger._end_of

    def faulty(ended: Ended, *more: Any) -> Evidence:
        if ended.id == bad:
            raise KeyError(ended.purpose)
        return ending(ended, *more)

    monkeypatch.setattr(trigger, "_end_of", faulty)
    await stage.move(stage.services.clock.now() + 2 * HOURS)
    await trigger.tidy(stage.services)
    assert await state(stage) == [("waiting", None), ("expired", "expired")]


async def test_one_that_is_claimed_too_late_ends(stage: Stage, engine: Engine) -> None:
    await begin(stage, lasts=HOURS)
    await stage.move(stage.services.clock.now() + 2 * HOURS)
    assert await stage.workers.turn()
    assert engine.asked == []
    assert await state(stage) == [("expired", "expired")]


async def test_quiet_hours_and_consent_are_asked_before_the_engine(stage: Stage, engine: Engine) -> None:
    now = stage.services.clock.now()
    await stage.move(now.astimezone(CHINA).replace(hour=22))
    await begin(stage, lasts=24 * HOURS)
    assert await stage.workers.turn()
    ((why, until),) = await stage.rows("SELECT fault, not_before FROM inbox WHERE state = 'deferred'")
    assert why == "quiet hours" and until.astimezone(CHINA).hour == 8
    await stage.write("UPDATE consent SET withdrawn_at = now() WHERE purpose = 'service'")
    await stage.move(until)
    await trigger.tidy(stage.services)
    assert await stage.workers.turn()
    assert await state(stage) == [("cancelled", "no_consent")]
    assert await ended(stage) == [("cancelled", "no_consent")]
    assert engine.asked == []


async def test_a_stop_ends_what_waits_to_begin(stage: Stage, engine: Engine) -> None:
    await begin(stage, Purpose.MEDICATION)
    contact = await stage.contact()
    async with stage.services.db.begin() as tx:
        await stop.stop(tx, contact, stage.services.clock.now())
    assert await state(stage) == [("cancelled", "stopped")]
    assert not await stage.workers.turn()


async def test_a_stop_after_its_turn_keeps_its_words_back(stage: Stage, engine: Engine) -> None:
    before = await stage.reply_texts()
    await begin(stage, Purpose.MEDICATION)
    assert await stage.workers.turn()
    contact = await stage.contact()
    async with stage.services.db.begin() as tx:
        await stop.stop(tx, contact, stage.services.clock.now())
    await stage.sender.push()
    assert await stage.reply_texts() == before
    assert await stage.rows("SELECT state FROM outbox WHERE subject = 'visit:12'") == [("cancelled",)]


async def test_the_messages_of_one_turn_use_the_weekly_cap_once(stage: Stage, engine: Engine) -> None:
    await begin(stage)
    assert await stage.workers.turn()
    ((turn_id,),) = await stage.rows("SELECT id FROM turn WHERE purpose IS NOT NULL")
    for _ in range(2):
        row = await stage.queue("utter_ok", Purpose.SERVICE)
        await stage.write("UPDATE outbox SET turn_id = :turn WHERE id = :id", turn=turn_id, id=row)
    for _ in range(3):
        await stage.sender.push()
    states = await stage.rows("SELECT state FROM outbox WHERE turn_id = :turn ORDER BY id", turn=turn_id)
    assert states == [("sent",)] * 3

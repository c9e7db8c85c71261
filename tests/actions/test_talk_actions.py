"""Talk about the talk, action by action: what is overdue, more of an answer, what was said before."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions import status, talk
from actions.around_answers import More
from actions.call import calling
from bot import medical_information
from bot.content import seed_content
from bot.dialogue import said
from bot.dialogue.action_calls import ActionCall
from bot.model import Basis, BasisKind, Purpose
from bot.staff import Role
from bot.store.outbox import Draft, Part
from bot.store.scenes import Standing
from bot.tasks import Kind, open_task
from tests.medical import approved, asked, colleague
from tests.stage import Stage


def tracker(words: str, **slots: Any) -> Tracker:
    return Tracker("c", slots, {"text": words, "entities": []}, [], False, None, {}, "action_listen")


async def run(stage: Stage, action: Any, words: str, **slots: Any) -> list[str]:
    """The responses of one action."""
    services, contact = stage.services, await stage.contact()
    dispatcher = CollectingDispatcher()
    async with services.db.begin() as tx:
        standing, now = Standing(verified=True, waiting=False, rep=None), services.clock.now()
        with calling(ActionCall(services, tx, uuid4(), contact, standing, now)):
            await action.run(dispatcher, tracker(words, **slots), {})
    return [message["response"] for message in dispatcher.messages]


async def kinds(stage: Stage) -> list[str]:
    return [kind for (kind,) in await stage.rows("SELECT kind FROM task ORDER BY id")]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Kind.HAND_OVER, "utter_status_late"),
        (Kind.MEDICAL_INFORMATION, "utter_status_late_answer"),
        (Kind.MATERIAL, "utter_status_late_answer"),
    ],
)
async def test_what_is_overdue_is_urged_where_it_lies(open_window: Stage, kind: Kind, said: str) -> None:
    stage = open_window
    contact, now = await stage.contact(), stage.services.clock.now()
    if kind == Kind.MEDICAL_INFORMATION:
        task_id = await asked(stage.services, contact)
        await stage.write("UPDATE task SET due_at = :due WHERE id = :id", due=now, id=task_id)
    async with stage.services.db.begin() as tx:
        if kind != Kind.MEDICAL_INFORMATION:
            await open_task(
                tx, stage.services.vault, kind, now=now - timedelta(days=30), contact=contact, detail="缬沙坦"
            )
    told = await run(stage, status.Status(), "怎么还没人答复我")
    assert [one for one in told if one != "utter_closed"] == [said], "it may be said on a Sunday"
    # A question to medical information stays one request, which says what was promised since.
    assert await kinds(stage) == [kind.value] * (1 if kind == Kind.MEDICAL_INFORMATION else 2)


async def test_more_of_an_answer_is_no_wish_for_long_texts(open_window: Stage) -> None:
    known = {"brief": True, "last_entry": "metformin-renal"}
    for words in ("还有吗", "为什么呢", "没了吗"):
        assert await run(open_window, More(), words, **known) == ["utter_more"], words
    for words in ("说详细点", "展开讲讲", "多说点"):
        assert await run(open_window, More(), words, **known) == ["utter_brief_no_more"], words


async def test_what_was_withdrawn_since_is_not_repeated(
    open_window: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    withdrawn = Draft((Part("…", Basis(BasisKind.CONTENT, "gone", "1")),), Purpose.REPLY)

    async def last_said(*_: Any) -> Draft:
        return withdrawn

    monkeypatch.setattr(said, "last_said", last_said)
    monkeypatch.setattr(talk, "entry_of", lambda call, entry_id: None)
    assert await run(open_window, talk.Repeat(), "再发一遍") == ["utter_repeat_none"]


async def test_the_status_of_a_question_says_how_far_it_is(open_window: Stage) -> None:
    """「我问的那个问题有结果了吗」 from the request to the answer."""
    stage, words = open_window, "我问的那个问题有结果了吗"
    services, contact = stage.services, await stage.contact()
    await seed_content(services.db, services.clock.now())
    for login in ("wen", "shu"):
        await colleague(services, login, Role.MEDICAL)
    task_id = await asked(services, contact)
    assert await run(stage, status.Status(), words) == ["utter_status_medical_information"]
    async with services.db.begin() as tx:
        now = services.clock.now()
        await medical_information.assign(tx, services.vault, task_id, 0, "wen", "wen", now)
    assert await run(stage, status.Status(), words) == ["utter_request_writing"]
    await stage.write("UPDATE medical_request SET steps = 0")
    await stage.write("DELETE FROM medical_step")
    row = await approved(services, task_id, "wen", "shu")
    assert await run(stage, status.Status(), words) == ["utter_request_ready"]
    await stage.write("UPDATE outbox SET state = 'sent', sent_at = :now WHERE id = :id", now=now, id=row)
    await medical_information.settle(services)
    assert await run(stage, status.Status(), words) == ["utter_request_answered"]

"""What a patient writes that the NLU takes for an adverse event: a case, or a plan and no more."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest
from rasa_sdk.executor import CollectingDispatcher

from actions.call import calling
from actions.care import AdverseEvent
from bot.dialogue.action_calls import ActionCall
from bot.model import Audience
from bot.store.scenes import Standing
from tests.actions.test_talk_actions import kinds, tracker
from tests.outbound.test_release import verified  # noqa: F401 - a fixture
from tests.stage import Stage


async def heard(stage: Stage, words: str) -> list[tuple[str, str]]:
    """The responses, with what they ask for."""
    services = stage.services
    await services.published.load()
    contact = replace(await stage.contact(), audience=Audience.PATIENT)
    dispatcher = CollectingDispatcher()
    async with services.db.begin() as tx:
        standing, now = Standing(verified=False, waiting=False, rep=None), services.clock.now()
        with calling(ActionCall(services, tx, uuid4(), contact, standing, now)):
            await AdverseEvent().run(dispatcher, tracker(words), {})
    return [(one["response"], str(one.get("missing", ""))) for one in dispatcher.messages]


@pytest.mark.parametrize("words", ["降压药早饭后一片，晚饭后半片", "二甲双胍一天三次，一次一片"])
async def test_a_plan_alone_opens_no_case(verified: Stage, words: str) -> None:  # noqa: F811
    assert await heard(verified, words) == [("utter_dose_noted", "")]
    assert await kinds(verified) == []


async def test_what_came_of_it_does(verified: Stage) -> None:  # noqa: F811
    await heard(verified, "降压药早晚各一片，吃完人飘飘忽忽的")
    assert await kinds(verified) == ["adverse_event"]


async def test_where_it_hurts_is_not_asked_again(verified: Stage) -> None:  # noqa: F811
    said = await heard(verified, "吃了药胃不舒服")
    assert await kinds(verified) == ["adverse_event"]
    asked = "".join(missing for _, missing in said)
    assert "年龄" in asked and "发生了什么" not in asked

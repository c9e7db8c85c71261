"""A visit that was put off is put off again, in words that stand alone: 「还是周五上午吧」."""

from __future__ import annotations

from datetime import datetime

from rasa_sdk.executor import CollectingDispatcher

from actions.call import say, spoken_time
from bot import visits
from bot.clock import CHINA
from bot.dialogue.action_calls import ActionCall
from bot.model import Audience
from bot.schedule import SaidTime, read_postponement


async def moved_again(dispatcher: CollectingDispatcher, call: ActionCall, words: str) -> bool:
    """Whether these words name another time for the doctor's visit, which then is the one that counts."""
    if call.contact.audience != Audience.DOCTOR or call.standing.visit not in ("moved", "under_way"):
        return False
    answer = read_postponement(words, call.now)
    if answer is None or not isinstance(answer.time, SaidTime):
        return False
    visit = await visits.open_visit(call.tx, call.contact, call.now)
    if visit is None:
        return False
    to = visits.time_for(answer.time, call.now, call.services.limits)
    await visits.move(call.tx, visit, call.contact, to, call.turn_id, call.now)
    await tell_moved(dispatcher, call, to)
    return True


async def tell_moved(dispatcher: CollectingDispatcher, call: ActionCall, to: datetime) -> None:
    """When it goes on; and what they have to do, where the platform will not let us write by then."""
    reached = await visits.may_write(call.tx, call.contact, to, call.now)
    response = "utter_visit_moved" if reached else "utter_visit_moved_far"
    say(dispatcher, response, due=spoken_time(to.astimezone(CHINA)))

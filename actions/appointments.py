"""A visit that was put off is put off again, in words that stand alone: 「还是周五上午吧」."""

from __future__ import annotations

from rasa_sdk.executor import CollectingDispatcher

from actions.call import say, spoken_time
from bot import visits
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
    say(dispatcher, "utter_visit_moved", due=spoken_time(to))
    return True

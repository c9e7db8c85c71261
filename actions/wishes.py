"""The question whether somebody wishes to hear no more of us, or of us again, and its answer."""

from __future__ import annotations

from rasa_sdk.executor import CollectingDispatcher

from actions.call import say
from bot.dialogue.action_calls import ActionCall
from bot.people import stop

STOP, RESUME, KEEP = "stop", "resume", "keep"  # ids of its choices
ANSWERS = frozenset({STOP, RESUME, KEEP})


async def settle(dispatcher: CollectingDispatcher, call: ActionCall, picked: str) -> None:
    """They answered: only a plain yes changes anything."""
    if picked == STOP:
        await stop.stop(call.tx, call.contact, call.now)
        say(dispatcher, "utter_stop")
    elif picked == RESUME:
        await stop.resume(call.tx, call.contact, call.now)
        say(dispatcher, "utter_resume")
    else:
        say(dispatcher, "utter_ok")

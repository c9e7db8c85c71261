"""What is passed on to a person: a task with its due time, which the person is told."""

from __future__ import annotations

from typing import Any

from rasa_sdk.executor import CollectingDispatcher

from actions.call import ask, say, spoken_time, words_of
from bot.dialogue.action_calls import ActionCall
from bot.dialogue.version import ON_DUTY
from bot.tasks import LONGEST, Kind, add_to_open


async def hand_over(
    dispatcher: CollectingDispatcher, call: ActionCall, question: str, response: str, *, product: str = ""
) -> None:
    """A medical-information request. `product` is the id of what it is about, if the words do not name it."""
    generic = call.services.published.content.product[product].generic if product else ""
    mark = "[超说明书] " if response == "utter_off_label" else ""
    about = f"[{generic}] " if generic and generic not in question else ""
    due = await ask(call, Kind.MEDICAL_INFORMATION, question, mark=mark + about)
    say(dispatcher, response, due=spoken_time(due))


async def find_colleague(
    dispatcher: CollectingDispatcher, call: ActionCall, detail: str, response: str = "utter_human"
) -> None:
    """A task for the person's rep, or whoever is on duty. Asked again, it is the same colleague's."""
    existing = await add_to_open(
        call.tx,
        call.services.vault,
        Kind.HAND_OVER,
        now=call.now,
        contact=call.contact,
        detail=detail[:LONGEST],
    )
    due = existing[1] if existing else await ask(call, Kind.HAND_OVER, detail)
    say(dispatcher, response, rep=call.standing.rep or ON_DUTY, due=spoken_time(due))


async def look_into(dispatcher: CollectingDispatcher, call: ActionCall, tracker: Any) -> None:
    """An answer was of no use: a task for whoever looks after the answers."""
    about = tracker.get_slot("last_entry") or ""
    await ask(call, Kind.FEEDBACK, words_of(tracker), mark=f"[{about}] ")
    say(dispatcher, "utter_feedback_sorry")

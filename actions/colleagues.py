"""What is passed on to a person: a task with its due time, which the person is told."""

from __future__ import annotations

from typing import Any

from rasa_sdk.executor import CollectingDispatcher

from actions.call import ask, say, spoken_time, words_of
from bot import medical_information
from bot.dialogue.action_calls import ActionCall
from bot.dialogue.version import ON_DUTY
from bot.tasks import LONGEST, Kind, add_to_open


async def hand_over(
    dispatcher: CollectingDispatcher, call: ActionCall, question: str, response: str, *, product: str = ""
) -> None:
    """A medical-information request, and once how it is to be answered, unless the words say so. `product` is
    the id of what it is about, if the words do not name it."""
    generic = call.services.published.content.product[product].generic if product else ""
    off_label = response == "utter_off_label"
    mark = "[超说明书] " if off_label else ""
    about = f"[{generic}] " if generic and generic not in question else ""
    call.route = "medical_information"
    opened = await medical_information.open_request(
        call.tx,
        call.services.vault,
        call.contact,
        call.now,
        call.turn_id,
        question,
        product=product,
        off_label=off_label,
        mark=mark + about,
    )
    say(dispatcher, response, due=spoken_time(opened.due))
    if opened.wish:
        say(dispatcher, f"utter_answer_{opened.wish}")
    elif opened.ask:
        say(dispatcher, "utter_answer_how")


async def answer_how(dispatcher: CollectingDispatcher, call: ActionCall, wish: str) -> None:
    """They said how they want the answer that they wait for."""
    if await medical_information.set_wish(call.tx, call.contact, wish, call.now):
        say(dispatcher, f"utter_answer_{wish}")
    else:
        say(dispatcher, "utter_ok")


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

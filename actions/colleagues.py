"""What is passed on to a person: a task with its due time, which the person is told."""

from __future__ import annotations

from typing import Any

from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions.call import PERSON, ask, say, spoken_time, words_of
from bot import medical_information
from bot.dialogue.action_calls import ActionCall
from bot.people import hand_over as hand_over_room
from bot.schedule import Closed
from bot.tasks import Kind


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
    dispatcher: CollectingDispatcher,
    call: ActionCall,
    detail: str,
    response: str = "utter_human",
    *,
    soon: bool = True,
) -> None:
    """A request for the person's rep, or whoever is on duty: who has it, by when they are in touch, and out
    of hours when somebody will be there. Asked again, it is the same colleague's."""
    promise = await hand_over_room.request(
        call.tx, call.services, call.contact, detail, call.now, key=call.turn_id, soon=soon
    )
    call.route = "human"
    say(dispatcher, response, rep=promise.owner, due=spoken_time(promise.due))
    say_closed(dispatcher, promise.closed)


def say_closed(dispatcher: CollectingDispatcher, closed: Closed | None) -> None:
    """Nothing, in working hours."""
    if closed is None:
        return
    unknown = f"（{closed.unknown}年的放假和调休安排尚未公布，暂按法定节假日推算）" if closed.unknown else ""
    say(dispatcher, "utter_closed", closed=closed.why, opens=f"{spoken_time(closed.opens)}{unknown}")


async def look_into(dispatcher: CollectingDispatcher, call: ActionCall, tracker: Any) -> None:
    """An answer was of no use: a task for whoever looks after the answers."""
    about = tracker.get_slot("last_entry") or ""
    await ask(call, Kind.FEEDBACK, words_of(tracker), mark=f"[{about}] ")
    say(dispatcher, "utter_feedback_sorry")


async def miss(
    dispatcher: CollectingDispatcher, call: ActionCall, tracker: Any, response: str = "utter_fallback"
) -> list[EventType]:
    """Words that were not understood. The second time in a row a colleague is offered, the third told."""
    just_said = set(tracker.get_slot("just_said") or ())
    if response != "utter_fallback" or not just_said & {"utter_fallback", "utter_offer_person"}:
        say(dispatcher, response)
        return [SlotSet("pending", None)]
    if "utter_offer_person" not in just_said:
        say(dispatcher, "utter_offer_person")
        return [SlotSet("pending", PERSON)]
    await find_colleague(dispatcher, call, words_of(tracker), "utter_missed")
    return [SlotSet("pending", None)]

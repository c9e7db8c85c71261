"""「有结果了吗」: what they wait for, how far it is, and when they will hear."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from rasa_sdk import Action
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions.call import PERSON, ask, current, say, spoken_time, words_of
from actions.colleagues import find_colleague, say_closed
from bot import medical_information
from bot.dialogue.action_calls import ActionCall
from bot.medical_information import RequestState
from bot.people import hand_over
from bot.tasks import LONGEST, Kind, add_to_open, waiting_of

# What somebody may wait for, and how they are told of it. Nothing of compliance's is named here.
WAITED_FOR = {
    Kind.HAND_OVER: "utter_status_human",
    Kind.MEDICAL_INFORMATION: "utter_status_medical_information",
    Kind.MATERIAL: "utter_status_material",
    Kind.DATA_REQUEST: "utter_status_data",
    Kind.ADVERSE_EVENT: "utter_status_case",
}
# How far the answer of medical information is.
_REQUEST = {
    RequestState.DRAFT: "utter_request_writing",
    RequestState.IN_REVIEW: "utter_request_review",
    RequestState.APPROVED: "utter_request_ready",
    RequestState.UNSENT: "utter_request_ready",
    RequestState.ANSWERED: "utter_request_answered",
}
_ABOUT_A_QUESTION = re.compile(r"问|医学|医信|信息部|结果|答复|回复|回音")
# Words that mean one of them; without such words all are told.
_MEANT = {
    Kind.MEDICAL_INFORMATION: re.compile(r"医学|医信|信息部|msl|文献|问的|[我个次回]的?问题", re.I),
    Kind.MATERIAL: re.compile(r"文件|资料|pdf|ppt|文献|说明书", re.I),
    Kind.DATA_REQUEST: re.compile(r"数据|删除|导出|注销|更正"),
    Kind.ADVERSE_EVENT: re.compile(r"不良反应|专员|药物安全|上报"),
    Kind.HAND_OVER: re.compile(r"人工|真人|代表|同事|客服|联系我|电话|来人|投诉"),
}
_IMPATIENT = re.compile(r"没人|没有人|还没|还不|等了|拖了|这么久|几天|说好|催")
_URGED = "[催办] "
_LATE_KINDS = frozenset({Kind.HAND_OVER, Kind.MEDICAL_INFORMATION, Kind.MATERIAL})


class Status(Action):  # type: ignore[misc]
    """How long, who, how far: what the open requests say. Nothing is requested a second time."""

    def name(self) -> str:
        return "action_status"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        return await tell_status(dispatcher, current(), words_of(tracker))


async def tell_status(dispatcher: CollectingDispatcher, call: ActionCall, words: str) -> list[EventType]:
    waiting = await waiting_of(call.tx, call.contact, list(WAITED_FOR))
    meant = [one for one in waiting if one[0] in _MEANT and _MEANT[one[0]].search(words)]
    told = meant or waiting
    if not told and _ABOUT_A_QUESTION.search(words):
        answered = await medical_information.standing_of(call.tx, call.contact, call.now)
        if answered:
            say(dispatcher, "utter_request_answered", due=spoken_time(answered.due))
            return [SlotSet("pending", None)]
    if not told:
        if _IMPATIENT.search(words):
            await find_colleague(dispatcher, call, words, "utter_complain")
            return [SlotSet("pending", None)]
        say(dispatcher, "utter_status_none")
        return [SlotSet("pending", PERSON)]
    late = [kind for kind, due in told if await _is_late(call, kind, due)]
    for kind in late:
        await _urge(dispatcher, call, kind, f"{_URGED}{words}")
    if not late:
        for kind, due in told[:3]:
            await _tell(dispatcher, call, kind, due)
    return [SlotSet("pending", None)]


async def _is_late(call: ActionCall, kind: Kind, due: datetime) -> bool:
    if kind == Kind.MEDICAL_INFORMATION:
        standing = await medical_information.standing_of(call.tx, call.contact, call.now)
        return standing.late if standing else due <= call.now
    return kind in _LATE_KINDS and due <= call.now


async def _urge(dispatcher: CollectingDispatcher, call: ActionCall, kind: Kind, words: str) -> None:
    """Who has not kept the time is asked once more, and nobody else."""
    if kind == Kind.HAND_OVER:
        await find_colleague(dispatcher, call, words, "utter_status_late")
        return
    if kind == Kind.MEDICAL_INFORMATION:
        promised = await medical_information.urge(call.tx, call.services.vault, call.contact, words, call.now)
        if promised is not None:
            say(dispatcher, "utter_status_late_answer", due=spoken_time(promised))
            return
    found = await add_to_open(
        call.tx, call.services.vault, kind, now=call.now, contact=call.contact, detail=words[:LONGEST]
    )
    due = found[1] if found else await ask(call, kind, words)
    say(dispatcher, "utter_status_late_answer", due=spoken_time(due))


async def _tell(dispatcher: CollectingDispatcher, call: ActionCall, kind: Kind, due: datetime) -> None:
    if kind == Kind.HAND_OVER:
        owner = await hand_over.waiting(call.tx, call.contact)
        say(dispatcher, WAITED_FOR[kind], rep=owner, due=spoken_time(due))
        say_closed(dispatcher, hand_over.out_of_hours(call.now, call.services.limits))
    elif kind == Kind.ADVERSE_EVENT:
        say(dispatcher, WAITED_FOR[kind])
    elif kind == Kind.MEDICAL_INFORMATION:
        standing = await medical_information.standing_of(call.tx, call.contact, call.now)
        said = _REQUEST.get(standing.state, WAITED_FOR[kind]) if standing else WAITED_FOR[kind]
        if standing and standing.taken and said == WAITED_FOR[kind]:
            said = _REQUEST[RequestState.DRAFT]
        say(dispatcher, said, due=spoken_time(standing.due if standing else due))
    else:
        say(dispatcher, WAITED_FOR[kind], due=spoken_time(due))

"""Meetings: an invitation is asked once and answered in any words; what they say of meetings otherwise is
answered from the rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from rasa_sdk import Action
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions.call import current, hears_first, intent, offered, say, words_of
from actions.proposals import GONE, LATE, OWN
from bot import meetings, visits
from bot.content import fitting_meetings
from bot.dialogue.action_calls import ActionCall
from bot.knowledge import Meeting
from bot.meetings import Answer, Invited
from bot.model import Audience

CHOICE = "meeting:"  # and yes | no | unsure | join, and which invitation, or meeting, is meant
_ANSWERS = {"yes": Answer.ACCEPTED, "no": Answer.DECLINED, "unsure": Answer.UNSURE}
_MEANT = {
    "affirm": Answer.ACCEPTED,
    "join_meeting": Answer.ACCEPTED,
    "deny": Answer.DECLINED,
    "decline_meeting": Answer.DECLINED,
}
_TWICE = 2
LISTED = 3
_DETAIL = re.compile(
    r"几点|时间|什么时候|啥时候|哪天|几号|在哪|哪里|哪儿|地点|地址|链接|入口|怎么进|谁|专家|讲者|主讲|会议号|线上|线下"
    r"|现场|报名的|报的|登记的|那个会|那场"
)
_CREDIT = re.compile(r"学分|继教|继续教育")
_REST = re.compile(
    r"回放|录播|课件|资料|海报|证书|日程|议程|签到|要钱|收费|交费|费用|同事|几个人|名额|取消|推迟|改时间|患教"
)


class ValidateMeeting(Action):  # type: ignore[misc]
    """Whether the words answer the invitation; words that do not are left to their own rule."""

    def name(self) -> str:
        return "validate_meeting_form"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call, words, meant = current(), words_of(tracker), intent(tracker)
        asked = tracker.get_slot("requested_slot") == "meeting" and meant != meetings.ASK
        invited = await meetings.to_ask(call.tx, call.contact, call.now, _named(tracker))
        chosen = str(next(tracker.get_latest_entity_values("choice"), None) or "")
        if invited is None:
            if not asked or call.ordinal:
                return [SlotSet("meeting", GONE)]
            late = chosen.startswith(CHOICE) or meant in _MEANT or meetings.read_answer(words)
            return [SlotSet("meeting", LATE)] if late else []
        if not asked or tracker.get_slot("adverse_event"):
            return []  # the form has just been opened, or somebody is heard first
        if chosen.startswith(CHOICE):
            kind, _, which = chosen.removeprefix(CHOICE).partition(":")
            if which == str(invited.row.id) and kind in _ANSWERS:
                return await _settled(call, invited, _ANSWERS[kind])
        if chosen or meant in OWN or (offered(call, tracker) and meant in ("affirm", "deny")):
            return []  # it is about something else
        answered = meetings.read_answer(words)
        if answered is None and not visits.asks(words):
            answered = _MEANT.get(meant)
        return [] if answered is None else await _settled(call, invited, answered)


async def _settled(call: ActionCall, invited: Invited, answered: Answer) -> list[EventType]:
    row = await meetings.answer(call.tx, invited.row, call.contact, answered, call.turn_id, call.now)
    return [SlotSet("meeting", f"{answered.value}:{row.id}"), SlotSet("requested_slot", None)]


class AskMeeting(Action):  # type: ignore[misc]
    """The invitation: whole the first time, short after something in between, then no more."""

    def name(self) -> str:
        return "action_ask_meeting_form_meeting"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call = current()
        invited = await meetings.to_ask(call.tx, call.contact, call.now, _named(tracker))
        if invited is None or (invited.row.asked and (intent(tracker) in OWN or hears_first(call, tracker))):
            return []
        before = await meetings.ask(call.tx, invited.row, call.now)
        if before < _TWICE:
            number = invited.row.id
            buttons = [
                {"title": "参加", "payload": f"{CHOICE}yes:{number}"},
                {"title": "不参加", "payload": f"{CHOICE}no:{number}"},
                {"title": "到时候看", "payload": f"{CHOICE}unsure:{number}"},
            ]
            response = "utter_meeting_back" if before else "utter_meeting_invite"
            _say(dispatcher, response, invited.meeting, buttons=buttons)
        return []


def _named(tracker: Any) -> int | None:
    """The invitation that the turn is about, where we began it."""
    if intent(tracker) != meetings.ASK:
        return None
    return int((tracker.latest_message.get("metadata") or {}).get("invitation") or 0)


class CloseMeeting(Action):  # type: ignore[misc]
    """They are told what became of their answer."""

    def name(self) -> str:
        return "action_meeting_close"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call, told = current(), str(tracker.get_slot("meeting") or "")
        if told == LATE:
            await _too_late(dispatcher, call)
        elif told and told != GONE:
            await _confirm(dispatcher, call, int(told.partition(":")[2]))
        return [SlotSet("meeting", None)]


class Meetings(Action):  # type: ignore[misc]
    """Which meetings there are, and when and where theirs is."""

    def name(self) -> str:
        return "action_meetings"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call, words = current(), words_of(tracker)
        if call.contact.audience == Audience.PATIENT:
            say(dispatcher, "utter_meeting_none")
            return []
        theirs = await meetings.spoken_of(call.tx, call.contact, call.now)
        accepted = [one.meeting for one in theirs if one.row.state == "accepted"]
        asked = [one.meeting for one in theirs if one.row.state == "asked"][:1]
        said: list[Meeting] = []
        if _DETAIL.search(words) or _CREDIT.search(words) or _REST.search(words):
            said = asked if tracker.get_slot("requested_slot") == "meeting" and asked else accepted
        for one in said[:LISTED]:
            _say(dispatcher, "utter_meeting_yours" if one in accepted else "utter_meeting_one", one)
        if not said:
            said = await _listed(dispatcher, call, accepted)
        if _CREDIT.search(words):
            for one in said[:LISTED]:
                if one.credit:
                    _say(dispatcher, "utter_meeting_credit", one)
        if said and _REST.search(words):
            say(dispatcher, "utter_meeting_rest")
        return []


async def _listed(
    dispatcher: CollectingDispatcher, call: ActionCall, accepted: Sequence[Meeting]
) -> list[Meeting]:
    """What they come to, and what they may come to besides."""
    for one in accepted[:LISTED]:
        _say(dispatcher, "utter_meeting_yours", one)
    others = [one for one in await _fitting(call) if one not in accepted][:LISTED]
    if others:
        _choose(dispatcher, "utter_meeting_join", others)
    elif not accepted:
        say(dispatcher, "utter_meeting_none")
    return [*accepted, *others]


def _choose(dispatcher: CollectingDispatcher, response: str, listed: Sequence[Meeting]) -> None:
    """The meetings, and which of them they want."""
    for one in listed:
        _say(dispatcher, "utter_meeting_one", one)
    titles = ["参加"] if len(listed) == 1 else [f"参加第{place}场" for place in range(1, len(listed) + 1)]
    buttons = [
        {"title": title, "payload": f"{CHOICE}join:{one.id}"}
        for title, one in zip(titles, listed, strict=True)
    ]
    say(dispatcher, response, buttons=buttons)


async def _fitting(call: ActionCall) -> list[Meeting]:
    """Those ahead that fit them, what they share an interest with first."""
    person_id = call.contact.person_id
    known = (await visits.known_of(call.tx, [person_id], call.now)).get(person_id)
    ahead = await meetings.upcoming(call.tx, call.now)
    return list(fitting_meetings(ahead, known.department, known.interests)) if known else []


class JoinMeeting(Action):  # type: ignore[misc]
    """They want to come: to what they were asked about, else to the only one there is."""

    def name(self) -> str:
        return "action_join_meeting"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call, words = current(), words_of(tracker)
        if call.contact.audience == Audience.PATIENT:
            say(dispatcher, "utter_meeting_none")
            return []
        theirs = await meetings.spoken_of(call.tx, call.contact, call.now)
        accepted = [one.meeting for one in theirs if one.row.state == "accepted"]
        asked = [one.meeting for one in theirs if one.row.asked_at and one.meeting not in accepted]
        wanted = (asked or ([] if accepted else await _fitting(call)))[:LISTED]
        if len(wanted) == 1 and not visits.asks(words):
            await _join(dispatcher, call, wanted[0])
        elif len(wanted) > 1:
            _choose(dispatcher, "utter_meeting_which", wanted)
        elif wanted or accepted or not await _too_late(dispatcher, call):
            await _listed(dispatcher, call, accepted)
        return []


class LeaveMeeting(Action):  # type: ignore[misc]
    """They do not come: to what they said they would, else to what they were asked about."""

    def name(self) -> str:
        return "action_leave_meeting"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call = current()
        theirs = await meetings.spoken_of(call.tx, call.contact, call.now)
        accepted = [one for one in theirs if one.row.state == "accepted"]
        open_ones = accepted or [one for one in theirs if one.row.state in ("asked", "unsure")]
        if len(open_ones) == 1:
            await _answer(dispatcher, call, open_ones[0], Answer.DECLINED)
        elif open_ones:
            for one in open_ones[:LISTED]:
                _say(dispatcher, "utter_meeting_one", one.meeting)
            buttons = [
                {"title": f"不去第{place}场", "payload": f"{CHOICE}no:{one.row.id}"}
                for place, one in enumerate(open_ones[:LISTED], 1)
            ]
            say(dispatcher, "utter_meeting_which", buttons=buttons)
        else:
            say(dispatcher, "utter_meeting_declined")
        return []


async def picked_meeting(dispatcher: CollectingDispatcher, call: ActionCall, chosen: str) -> None:
    """A button of an invitation or a list, clicked whenever it may be."""
    kind, _, which = chosen.removeprefix(CHOICE).partition(":")
    if kind == "join":
        found = [one for one in await meetings.upcoming(call.tx, call.now) if one.id == which]
        if found:
            await _join(dispatcher, call, found[0])
            return
    theirs = await meetings.spoken_of(call.tx, call.contact, call.now)
    meant = [one for one in theirs if str(one.row.id) == which]
    if meant and kind in _ANSWERS:
        await _answer(dispatcher, call, meant[0], _ANSWERS[kind])
    elif not await _too_late(dispatcher, call):
        say(dispatcher, "utter_meeting_none")


async def _join(dispatcher: CollectingDispatcher, call: ActionCall, meeting: Meeting) -> None:
    row = await meetings.join(call.tx, call.contact, meeting, call.turn_id, call.now)
    _told(dispatcher, Invited(row, meeting), "")


async def _answer(
    dispatcher: CollectingDispatcher, call: ActionCall, invited: Invited, answered: Answer
) -> None:
    before = invited.row.state
    row = await meetings.answer(call.tx, invited.row, call.contact, answered, call.turn_id, call.now)
    _told(dispatcher, Invited(row, invited.meeting), before)


async def _confirm(dispatcher: CollectingDispatcher, call: ActionCall, invitation_id: int) -> None:
    for one in await meetings.spoken_of(call.tx, call.contact, call.now):
        if one.row.id == invitation_id:
            _told(dispatcher, one, "asked")


def _told(dispatcher: CollectingDispatcher, invited: Invited, before: str) -> None:
    state, meeting = invited.row.state, invited.meeting
    if state == Answer.ACCEPTED:
        response = "accepted" if invited.row.timers else "accepted_soon"
    elif state == Answer.UNSURE:
        response = "unsure"
    else:
        response = "left" if before == Answer.ACCEPTED else "not_coming"
    _say(dispatcher, f"utter_meeting_{response}", meeting)


async def _too_late(dispatcher: CollectingDispatcher, call: ActionCall) -> bool:
    """Whether what they were asked about last is over or called off, which they are told."""
    last = await meetings.too_late(call.tx, call.contact.person_id)
    if last is None:
        return False
    if not last.in_force:
        say(dispatcher, "utter_meeting_gone", called_off=last.meeting.topic)
        return True
    if last.meeting.ends_at <= call.now:
        _say(dispatcher, "utter_meeting_over", last.meeting)
        return True
    return False


def _say(dispatcher: CollectingDispatcher, response: str, meeting: Meeting, **more: Any) -> None:
    """With the facts of the meeting, which the exit compares."""
    say(dispatcher, response, **meetings.facts(meeting), **more)

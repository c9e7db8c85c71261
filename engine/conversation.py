"""The conversation as it travels: a list of Rasa events in JSON, only this session's, and bounded."""

from __future__ import annotations

from typing import Any

from rasa.shared.core.constants import ACTION_LISTEN_NAME
from rasa.shared.core.domain import Domain, State
from rasa.shared.core.events import (
    ActionExecuted,
    ActiveLoop,
    BotUttered,
    Event,
    SessionStarted,
    SlotSet,
    UserUttered,
)
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.utils.common import all_subclasses

from engine.errors import Code, EngineError

MOST_EVENTS = 36  # beyond it the oldest turns are folded into the slots and the form they left behind
KEPT_TURNS = 3  # the policies look no further back, and every prediction replays all that is kept
MOST_CHARACTERS = 1000  # of one message or reply that is remembered

# By name, once: Rasa looks through all subclasses for every event it reads.
EVENTS: dict[str, type[Event]] = {event.type_name: event for event in all_subclasses(Event)}


class Tracker(DialogueStateTracker):  # type: ignore[misc]
    """Remembers its past states: the policies ask for the same ones several times per prediction, and each
    time Rasa replays the whole conversation for them."""

    ruled_at: int | None = None  # how many events there were when a rule was certain of the next action

    def past_states(
        self,
        domain: Domain,
        omit_unset_slots: bool = False,
        ignore_rule_only_turns: bool = False,
        rule_only_data: dict[str, Any] | None = None,
    ) -> list[State]:
        computed: dict[Any, list[State]] = self.__dict__.setdefault("_past_states", {})
        # Events are only ever appended; a follow-up action alone changes what is hidden, without an event.
        key = len(self.events), self.followup_action, omit_unset_slots, ignore_rule_only_turns
        if key not in computed:
            computed[key] = super().past_states(
                domain, omit_unset_slots, ignore_rule_only_turns, rule_only_data
            )
        # Featurizers take things out of the states they are given.
        return [{name: dict(sub) for name, sub in state.items()} for state in computed[key]]


def restore(domain: Domain, contact: str, events: list[dict[str, Any]]) -> DialogueStateTracker:
    """The tracker these events lead to. Raises EngineError(BAD_REQUEST)."""
    try:
        parsed = [EVENTS[event["event"]]._from_parameters(event) for event in events]
    except Exception:
        raise EngineError(Code.BAD_REQUEST, "conversation: unreadable events") from None
    return Tracker.from_events(contact, parsed, slots=domain.slots, domain=domain)


def store(domain: Domain, tracker: DialogueStateTracker) -> list[dict[str, Any]]:
    """What `restore` needs next time."""
    events = _bounded(domain, tracker, _this_session(list(tracker.events)))
    return [_slim(event) for event in events]


def _this_session(events: list[Event]) -> list[Event]:
    starts = [place for place, event in enumerate(events) if isinstance(event, SessionStarted)]
    return events[starts[-1] :] if starts else events


def _bounded(domain: Domain, tracker: DialogueStateTracker, events: list[Event]) -> list[Event]:
    if len(events) <= MOST_EVENTS:
        return events
    turns = [place for place, event in enumerate(events) if isinstance(event, UserUttered)]
    if len(turns) <= KEPT_TURNS:
        return events
    cut = turns[-KEPT_TURNS]
    sender = tracker.sender_id
    before = DialogueStateTracker.from_events(sender, events[:cut], slots=domain.slots, domain=domain)
    return [*_summary(domain, before), *events[cut:]]


def _summary(domain: Domain, tracker: DialogueStateTracker) -> list[Event]:
    """Events that lead a new conversation to the same slots and the same active form."""
    summary: list[Event] = [SessionStarted()]
    form = tracker.active_loop_name
    if form:
        summary += [ActionExecuted(form), ActiveLoop(form)]
    summary += [
        SlotSet(slot.name, tracker.get_slot(slot.name))
        for slot in domain.slots
        if tracker.get_slot(slot.name) != slot.initial_value
    ]
    return [*summary, ActionExecuted(ACTION_LISTEN_NAME)]


def _slim(event: Event) -> dict[str, Any]:
    """The event without what only the turn itself needed: NLU's details, empty fields, long texts."""
    plain: dict[str, Any] = event.as_dict()
    if isinstance(event, UserUttered):
        plain["text"] = (event.text or "")[:MOST_CHARACTERS]
        plain["parse_data"] = {"intent": event.intent, "entities": event.entities}
        plain.pop("message_id", None)
    elif isinstance(event, BotUttered):
        plain["text"] = (event.text or "")[:MOST_CHARACTERS] or None
        plain["data"] = {key: value for key, value in event.data.items() if value is not None}
    elif isinstance(event, ActionExecuted):
        plain = {key: value for key, value in plain.items() if value is not None}
    return plain

"""Responses of the domain. One that is missing, or lacks a value, is a failed turn and not a silent one.

Of the variations that fit, the first is said that this conversation has not had; when it has had all, the one
whose turn is longest ago. The engine keeps no conversation, so what was said is a slot.
"""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

from rasa.core.nlg.generator import ResponseVariationFilter
from rasa.core.nlg.response import TemplatedNaturalLanguageGenerator
from rasa.shared.core.events import BotUttered, SlotSet
from rasa.shared.core.trackers import DialogueStateTracker

from engine.errors import Code, EngineError

# Rasa's own actions utter these only if the domain has them.
OPTIONAL = frozenset({"utter_default", "utter_restart", "utter_ask_rephrase", "utter_back"})
PLACEHOLDER = re.compile(r"{([^\n{}]+?)}")
SAID = "said"  # slot: the variations this conversation has had, the last at the end
JUST_SAID = "just_said"  # slot: the responses of the turn before
MOST_SAID = 40
VARIATION = "variation"  # in the metadata of what was uttered


class Responses(TemplatedNaturalLanguageGenerator):  # type: ignore[misc]
    async def generate(
        self, utter_action: str, tracker: DialogueStateTracker, output_channel: str, **kwargs: Any
    ) -> dict[str, Any] | None:
        """The filled response. Raises EngineError(ACTION_FAILED) where the domain has none that fits."""
        slots = tracker.current_slot_values()
        fitting = self._fitting(utter_action, output_channel, slots)
        if not fitting:
            if utter_action in OPTIONAL:
                return None
            raise EngineError(Code.ACTION_FAILED, f"no response {utter_action}")
        had = [*(slots.get(SAID) or ()), *said(tracker.events)]
        ages = {name: place for place, name in enumerate(had)}
        name = min(fitting, key=lambda one: ages.get(one, -1))  # of equals the first
        response = self._fill_response(deepcopy(fitting[name]), slots, **kwargs)
        return {**response, VARIATION: name} if len(fitting) > 1 else response

    def _fitting(self, name: str, channel: str, slots: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """The variations that fit, by name: those for this audience before those for all, and of these the
        ones with the most conditions."""
        if name not in self.responses:
            return {}
        every = self.responses[name]
        suitable = ResponseVariationFilter(self.responses).responses_for_utter_action(name, channel, slots)
        ranked = [(_rank(one), one) for one in suitable]
        best = max((rank for rank, _ in ranked), default=None)
        chosen = [id(one) for rank, one in ranked if rank == best]
        return {f"{name}#{place}": one for place, one in enumerate(every) if id(one) in chosen}

    def _fill_response(
        self, response: dict[str, Any], filled_slots: dict[str, Any] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        # Rasa would send the bare placeholder, or the word "None".
        values = {**(filled_slots or {}), **kwargs}
        for name in PLACEHOLDER.findall(response.get("text") or ""):
            if values.get(name) is None:
                raise EngineError(Code.ACTION_FAILED, f"a response lacks its {name}")
        filled: dict[str, Any] = super()._fill_response(response, filled_slots, **kwargs)
        return filled


def said(events: Any) -> list[str]:
    """The variations uttered in these events."""
    uttered = (event.metadata for event in events if isinstance(event, BotUttered))
    return [metadata[VARIATION] for metadata in uttered if VARIATION in metadata]


def remembered(tracker: DialogueStateTracker, new: list[Any]) -> list[SlotSet]:
    """What later turns need to know of the events of this one, as far as the domain has slots for it."""
    events = []
    if (variations := said(new)) and SAID in tracker.slots:
        had = [name for name in tracker.get_slot(SAID) or () if name not in variations]
        events.append(SlotSet(SAID, [*had, *variations][-MOST_SAID:]))
    if JUST_SAID in tracker.slots:
        names = [event.metadata.get("utter_action") for event in new if isinstance(event, BotUttered)]
        just = [name for name in names if name] or None
        if just != tracker.get_slot(JUST_SAID):
            events.append(SlotSet(JUST_SAID, just))
    return events


def _rank(variation: dict[str, Any]) -> tuple[bool, int]:
    conditions = variation.get("condition") or []
    return any(one["name"] == "audience" for one in conditions), len(conditions)

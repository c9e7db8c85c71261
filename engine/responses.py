"""Responses of the domain. One that is missing, or lacks a value, is a failed turn and not a silent one."""

from __future__ import annotations

import re
from typing import Any

from rasa.core.nlg.response import TemplatedNaturalLanguageGenerator
from rasa.shared.core.trackers import DialogueStateTracker

from engine.errors import Code, EngineError

# Rasa's own actions utter these only if the domain has them.
OPTIONAL = frozenset({"utter_default", "utter_restart", "utter_ask_rephrase", "utter_back"})
PLACEHOLDER = re.compile(r"{([^\n{}]+?)}")


class Responses(TemplatedNaturalLanguageGenerator):  # type: ignore[misc]
    async def generate(
        self, utter_action: str, tracker: DialogueStateTracker, output_channel: str, **kwargs: Any
    ) -> dict[str, Any] | None:
        """The filled response. Raises EngineError(ACTION_FAILED) where the domain has none that fits."""
        response: dict[str, Any] | None = await super().generate(
            utter_action, tracker, output_channel, **kwargs
        )
        if response is None and utter_action not in OPTIONAL:
            raise EngineError(Code.ACTION_FAILED, f"no response {utter_action}")
        return response

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

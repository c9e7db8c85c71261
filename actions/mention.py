"""The product spoken of is remembered whatever a message leads to: a case, a hand-over, a fallback."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.dialogue.action_calls import ActionCall
from bot.model import Audience


def spoken_of(call: ActionCall, payload: Mapping[str, Any], done: dict[str, Any]) -> dict[str, Any]:
    """What an action did, and the product that a doctor's words name in its slot, unless the action put one.

    A form's validation is left alone: what it sets are answers to the form."""
    events = done["events"]
    form = str(payload["next_action"]).startswith("validate_")
    if (
        form
        or call.contact.audience != Audience.DOCTOR
        or any(one.get("name") == "product" for one in events)
    ):
        return done
    words = str((payload["tracker"].get("latest_message") or {}).get("text") or "")
    named = call.services.published.index.products_in(words)
    if not named:
        return done
    event = {"event": "slot", "timestamp": None, "name": "product", "value": named[0]}
    return {**done, "events": [*events, event]}

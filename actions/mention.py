"""The product spoken of is remembered whatever a message leads to: a case, a hand-over, a fallback."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.dialogue.action_calls import ActionCall
from bot.knowledge import not_meant
from bot.model import Audience


def spoken_of(call: ActionCall, payload: Mapping[str, Any], done: dict[str, Any]) -> dict[str, Any]:
    """What an action did, and the product that a doctor's words name and mean in its slot, unless the action
    put one.

    A form's validation is left alone: what it sets are answers to the form."""
    events = done["events"]
    form = str(payload["next_action"]).startswith("validate_")
    put = any(one.get("name") == "product" for one in events)
    if form or put or call.contact.audience != Audience.DOCTOR:
        return done
    words = str((payload["tracker"].get("latest_message") or {}).get("text") or "")
    index = call.services.published.index
    unwanted = index.products_in(not_meant(words))
    named = [product for product in index.products_in(words) if product not in unwanted]
    if not named:
        return done
    event = {"event": "slot", "timestamp": None, "name": "product", "value": named[0]}
    return {**done, "events": [*events, event]}

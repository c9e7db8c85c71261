"""The wire format of a turn (docs/contracts.md): reading the request, writing the answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from rasa.shared.core.constants import ACTION_LISTEN_NAME, ACTION_SESSION_START_NAME
from rasa.shared.core.events import ActionExecuted, BotUttered, Event

from engine.errors import Code, EngineError

BETWEEN_ACTIONS = frozenset({ACTION_LISTEN_NAME, ACTION_SESSION_START_NAME})


@dataclass(frozen=True)
class TurnRequest:
    turn_id: str
    attempt: int
    actions_url: str  # where the actions of this turn run; empty: at the engine's own address
    contact: str
    events: list[dict[str, Any]]
    text: str
    intent: str
    entities: dict[str, str]
    trigger: bool
    metadata: dict[str, Any]
    slots: dict[str, Any]


def read_object(body: bytes) -> dict[str, Any]:
    """A JSON object. Raises EngineError(BAD_REQUEST)."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise EngineError(Code.BAD_REQUEST, "not JSON") from None
    if not isinstance(value, dict):
        raise EngineError(Code.BAD_REQUEST, "not an object")
    return value


def read_turn(body: bytes) -> TurnRequest:
    """One turn. Raises EngineError(BAD_REQUEST) naming the field."""
    turn = read_object(body)
    given = _field(turn, "input", dict, {})
    conversation = _field(turn, "conversation", dict, {})
    request = TurnRequest(
        turn_id=_field(turn, "turn_id", str, ""),
        attempt=_field(turn, "attempt", int, 1),
        actions_url=_field(turn, "actions", str, ""),
        contact=_field(turn, "contact", str, ""),
        events=_field(conversation, "events", list, []),
        text=_field(given, "text", str, ""),
        intent=_field(given, "intent", str, ""),
        entities=_field(given, "entities", dict, {}),
        trigger=_field(given, "trigger", bool, False),
        metadata=_field(given, "metadata", dict, {}),
        slots=_field(turn, "slots", dict, {}),
    )
    if not request.turn_id or not request.contact:
        raise EngineError(Code.BAD_REQUEST, "turn_id and contact are required")
    if request.trigger and not request.intent:
        raise EngineError(Code.BAD_REQUEST, "a trigger needs an intent")
    if not all(isinstance(event, dict) for event in request.events):
        raise EngineError(Code.BAD_REQUEST, "conversation.events")
    return request


def _field(source: dict[str, Any], name: str, kind: type, default: Any) -> Any:
    value = source.get(name)
    if value is None:
        return default
    if not isinstance(value, kind):
        raise EngineError(Code.BAD_REQUEST, f"{name} is not of type {kind.__name__}")
    return value


def answer(
    request: TurnRequest, model: str, parsed: dict[str, Any], new: list[Event], events: list[dict[str, Any]]
) -> bytes:
    """The answer of a turn: `new` are the events it added, `events` is the conversation to keep."""
    understanding = understood(parsed)
    return dump(
        {
            "turn_id": request.turn_id,
            "model": model,
            "intent": {"name": understanding["intent"], "confidence": understanding["confidence"]},
            "entities": understanding["entities"],
            "actions": [
                event.action_name
                for event in new
                if isinstance(event, ActionExecuted) and event.action_name not in BETWEEN_ACTIONS
            ],
            "replies": [_reply(event) for event in new if isinstance(event, BotUttered)],
            "conversation": {"events": events},
        }
    )


def understood(parsed: dict[str, Any]) -> dict[str, Any]:
    """What `/understand` says of one text."""
    return {
        "intent": parsed["intent"]["name"],
        "confidence": round(float(parsed["intent"]["confidence"]), 4),
        "entities": [
            {key: entity[key] for key in ("entity", "value", "start", "end") if key in entity}
            for entity in parsed["entities"]
        ],
    }


def _reply(event: BotUttered) -> dict[str, Any]:
    buttons = event.data.get("buttons") or []
    return {
        "text": event.text or "",
        "choices": [{"id": button["payload"], "label": button["title"]} for button in buttons],
        "response": event.metadata.get("utter_action"),
        "custom": event.data.get("custom"),
    }


def dump(value: Any) -> bytes:
    """JSON in UTF-8; half a surrogate, which JSON can carry and UTF-8 cannot, becomes a question mark."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")

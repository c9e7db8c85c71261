"""What one text amounts to, all parts together: what `medrep understand` prints."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot.dialogue import Engine
from bot.knowledge import Index
from bot.model import Audience
from bot.patients import parse_dosage, parse_measurements
from bot.safety import screen

# Intents whose text is looked up in the approved material.
PRODUCT_QUESTIONS = frozenset(
    {"ask_product", "patient_ask_product", "ask_comparison", "ask_dose_change_advice", "nlu_fallback"}
)
WANTS_A_PERSON = frozenset({"ask_human", "ask_rep", "complain"})
SHOWN = 5  # nearest entries
UNHEARD: Mapping[str, Any] = {"intent": "nlu_fallback", "confidence": 0.0, "entities": []}


async def understand(
    engine: Engine, index: Index, text: str, audience: Audience, now: datetime
) -> dict[str, Any]:
    """The object of DESIGN section 5. Raises MedrepError(ENGINE_DOWN | ENGINE_FAILED)."""
    # Silence is nothing to classify; the engine would only guess.
    heard = (await engine.understand([text]))[0] if text.strip() else UNHEARD
    screening = screen(text, audience)
    decision = index.decide(text, audience, now)
    if screening.red_flag:
        route = "emergency"
    elif heard["intent"] in PRODUCT_QUESTIONS and text.strip():
        route = str(decision.route)
    else:
        route = "human" if heard["intent"] in WANTS_A_PERSON else "dialogue"
    return {
        "text": text,
        "intent": heard["intent"],
        "confidence": heard["confidence"],
        "entities": [
            {"type": e["entity"], "value": e["value"], "start": e["start"], "end": e["end"]}
            for e in heard["entities"]
        ],
        "red_flag": bool(screening.red_flag),
        "adverse_event": screening.adverse_event,
        "stop": screening.stop,
        "off_label": decision.off_label,
        "dosage": parse_dosage(text),
        "measurements": list(parse_measurements(text)),
        "knowledge": [
            {"id": match.entry_id, "score": round(float(match.score), 4)}
            for match in index.search(text, audience, now)[:SHOWN]
        ],
        "route": route,
    }

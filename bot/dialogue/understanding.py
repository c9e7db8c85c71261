"""What one text amounts to, all parts together: what `medrep understand` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from bot.dialogue.engine_client import EngineClient
from bot.knowledge import Decision, Index, Match, Route, consider, weighs
from bot.model import Audience
from bot.patients import parse_dosage, parse_measurements
from bot.safety import screen, tells

# Intents after which a doctor's words are looked up in the approved material, as the actions do.
LOOKED_UP = frozenset(
    {"ask_product", "patient_ask_product", "ask_comparison", "ask_dose_change_advice", "nlu_fallback"}
    | {"out_of_scope", "took_dose", "missed_dose_report", "report_measurement"}
)
# Those of them after which medical information is at least offered when nothing approved answers.
QUESTIONS = frozenset({"ask_product", "ask_comparison", "ask_dose_change_advice"})
# After them nobody is shown choices who named no product.
NOT_PLACED = frozenset({"nlu_fallback", "out_of_scope"})
WANTS_A_PERSON = frozenset({"ask_human", "ask_rep", "complain"})
SHOWN = 5  # nearest entries
UNHEARD: Mapping[str, Any] = {"intent": "nlu_fallback", "confidence": 0.0, "entities": []}


async def understand(
    engine: EngineClient, index: Index, text: str, audience: Audience, now: datetime
) -> dict[str, Any]:
    """The object of DESIGN section 5. Raises MedrepError(ENGINE_DOWN | ENGINE_LOST | ENGINE_FAILED)."""
    # Silence is nothing to classify; the engine would only guess.
    answer = (await engine.understand([text]))[0] if text.strip() else UNHEARD
    screening = screen(text, audience)
    found = [one.decision for one in consider(index, text, audience, now)]
    decision = next((one for one in found if one.entry is not None), found[0])
    return {
        "text": text,
        "intent": answer["intent"],
        "confidence": answer["confidence"],
        "entities": [
            {"type": e["entity"], "value": e["value"], "start": e["start"], "end": e["end"]}
            for e in answer["entities"]
        ],
        "red_flag": bool(screening.red_flag),
        # What the screening does not find, the dialogue acts on: it opens the case.
        "adverse_event": screening.adverse_event or _opens_case(text, answer["intent"], decision, audience),
        "stop": screening.stop,
        "off_label": any(one.off_label for one in found),
        "dosage": parse_dosage(text),
        "measurements": list(parse_measurements(text)),
        "knowledge": [
            {"id": match.entry_id, "score": round(float(match.score), 4)} for match in nearest(found)
        ],
        "route": "emergency"
        if screening.red_flag
        else "dialogue"
        if screening.money
        else _route(text, answer["intent"], decision, audience),
    }


def nearest(found: Sequence[Decision]) -> list[Match]:
    """The nearest entries of all questions, each with its best score."""
    best: dict[str, Match] = {}
    for match in sorted((match for one in found for match in one.matches), key=lambda match: -match.score):
        best.setdefault(match.entry_id, match)
    return list(best.values())[:SHOWN]


def _opens_case(text: str, intent: str, decision: Decision, audience: Audience) -> bool:
    """Whether the dialogue opens a case. A doctor's off-label question names a complaint, too."""
    off_label = audience == Audience.DOCTOR and decision.off_label
    return intent == "report_adverse_event" and not off_label and tells(text, audience)


def _route(text: str, intent: str, decision: Decision, audience: Audience) -> str:
    """Where the text goes, as the actions would send it."""
    if intent in WANTS_A_PERSON:
        return "human"
    if audience == Audience.PATIENT:
        return "dialogue"  # patients get no product text, and their questions go to their doctor
    if intent == "ask_medical_information":
        return str(Route.MEDICAL_INFORMATION)
    asked = intent == "report_adverse_event" and not _opens_case(text, intent, decision, audience)
    if intent not in LOOKED_UP and not asked:
        return "dialogue"
    if intent == "ask_comparison" and weighs(text):
        return str(Route.MEDICAL_INFORMATION)
    if decision.route == Route.CLARIFY and not decision.named and intent in NOT_PLACED:
        return "dialogue"
    if decision.route != Route.NONE:
        return str(decision.route)
    offered = intent in QUESTIONS or bool(decision.drugs)
    return str(Route.MEDICAL_INFORMATION) if offered else "dialogue"

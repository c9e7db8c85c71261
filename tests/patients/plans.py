"""A Dosage in one short line, for tables of plans: `2/1d mon,wed PC +30 1-2片 <=4片/1d prn for 7d told`."""

from __future__ import annotations

from typing import Any


def short(dosage: dict[str, Any] | None) -> str | None:
    """Rate, days, times, occasions, offset, dose, limit, as needed, course, left to words; None for none.

    `also 饭后` is an additional instruction, `also` alone one that is the whole text; `via` is the route,
    which is not named when it is the mouth.
    """
    if dosage is None:
        return None
    repeat = dosage.get("timing", {}).get("repeat", {})
    limit = dosage.get("maxDosePerPeriod")
    offset = repeat.get("offset")
    parts = [
        _rate(repeat),
        ",".join(repeat.get("dayOfWeek", [])),
        ",".join(time[:5] for time in repeat.get("timeOfDay", [])),
        ",".join(repeat.get("when", [])),
        f"+{offset}" if offset is not None else "",
        _dose(dosage),
        f"<={_of(limit['numerator'])}/1{limit['denominator']['code']}" if limit else "",
        "prn" if dosage.get("asNeededBoolean") else "",
        _course(repeat),
        "told" if dosage.get("patientInstruction") else "",
        _also(dosage),
        f"via {route}" if (route := dosage.get("route", {}).get("text", "口服")) != "口服" else "",
    ]
    return " ".join(part for part in parts if part)


def _also(dosage: dict[str, Any]) -> str:
    if not (stated := dosage.get("additionalInstruction")):
        return ""
    said = stated[0]["text"]
    return "also" if said == dosage["text"] else f"also {said}"


def _rate(repeat: dict[str, Any]) -> str:
    if "period" not in repeat:
        return ""
    times = _span(repeat["frequency"], repeat.get("frequencyMax"))
    return f"{times}/{_span(repeat['period'], repeat.get('periodMax'))}{repeat['periodUnit']}"


def _span(low: Any, high: Any) -> str:
    return f"{low}" if high is None else f"{low}-{high}"


def _of(quantity: dict[str, Any]) -> str:
    return f"{quantity['value']}{quantity['unit']}"


def _dose(dosage: dict[str, Any]) -> str:
    for stated in dosage.get("doseAndRate", []):
        if "doseQuantity" in stated:
            return _of(stated["doseQuantity"])
        return f"{stated['doseRange']['low']['value']}-{_of(stated['doseRange']['high'])}"
    return ""


def _course(repeat: dict[str, Any]) -> str:
    if bounds := repeat.get("boundsDuration"):
        return f"for {bounds['value']}{bounds['code']}"
    if bounds := repeat.get("boundsRange"):
        return f"for {bounds['low']['value']}-{bounds['high']['value']}{bounds['high']['code']}"
    return ""

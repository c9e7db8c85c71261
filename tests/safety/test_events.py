"""What is a case of pharmacovigilance and what only sounds like one, on sentences of others' kinds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.model import Audience
from bot.safety import asked_for, read_case, screen, tells

AUDIENCES = {"p": Audience.PATIENT, "d": Audience.DOCTOR}
# What was measured: of cases those found without the NLU; of the rest those quiet even if the NLU takes them
# for a report.
FLOORS = {"events": (1.0, 1.0), "events_held_out": (0.89, 0.92)}


@pytest.mark.parametrize("name", FLOORS)
def test_cases_are_found_and_others_left_alone(name: str) -> None:
    rows = yaml.safe_load((Path(__file__).parent / f"{name}.yml").read_text(encoding="utf-8"))
    right: dict[str, list[bool]] = {"case": [], "-": []}
    wrong = []
    for audience, expected, text in rows:
        screened = screen(text, AUDIENCES[audience]).adverse_event
        heard = screened or (expected != "case" and tells(text, AUDIENCES[audience]))
        right[expected].append(heard == (expected == "case"))
        if not right[expected][-1]:
            wrong.append((audience, expected, text))
    found, quiet = (sum(some) / len(some) for some in (right["case"], right["-"]))
    assert min(map(len, right.values())) > 40
    least_found, least_quiet = FLOORS[name]
    assert found >= least_found and quiet >= least_quiet, (found, quiet, wrong)


@pytest.mark.parametrize(
    ("text", "spoken_of", "case"),
    [
        ("我有个病人脚肿了", False, False),
        ("我有个病人脚肿了", True, True),  # of the medicine that was spoken of before
        ("今天累得头晕", True, False),
        ("患者说一点劲都没有", False, False),
        ("病人吃了人蔫蔫的，眼皮都抬不动", False, True),
    ],
)
def test_what_the_nlu_hears_needs_a_medicine_in_sight(text: str, spoken_of: bool, case: bool) -> None:
    assert tells(text, Audience.DOCTOR, about_product=spoken_of) == case


@pytest.mark.parametrize(
    "case",
    yaml.safe_load((Path(__file__).parent / "case_reports.yml").read_text(encoding="utf-8")),
    ids=lambda case: case["text"],
)
def test_what_a_report_tells(case: dict[str, Any]) -> None:
    found = read_case(case["text"], Audience.DOCTOR)
    read = {"missing": asked_for(found.missing)}
    read |= {name: getattr(found, name) for name in ("kind", "past", "death", "patients")}
    assert {name: read[name] for name in case if name != "text"} == {
        name: value for name, value in case.items() if name != "text"
    }

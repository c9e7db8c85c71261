"""`medrep understand` over a labelled table, through the running engine and the published content.

What protects people (red flags, adverse events, stops, off-label uses, no product text for patients)
must be right on every line; what only helps them has a threshold a little below what was measured when it was
written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.settings import ROOT
from tests.running import Service

TABLE = yaml.safe_load(Path(__file__).with_name("understood.yml").read_text(encoding="utf-8"))
Line = tuple[str, Mapping[str, Any], Mapping[str, Any]]  # audience, what is expected, what is said


@pytest.fixture(scope="module")
def understood(service: Service) -> list[Line]:
    """Every line of the table with its answer; one run of the command an audience."""
    found: list[Line] = []
    for audience, lines in TABLE.items():
        texts = "".join(f"{line['text']}\n" for line in lines)
        printed = service.prints("understand", "--audience", audience, stdin=texts).splitlines()
        answers = [json.loads(answer) for answer in printed]
        assert [answer["text"] for answer in answers] == [line["text"] for line in lines]
        found += [(audience, line, answer) for line, answer in zip(lines, answers, strict=True)]
    return found


def wrong(understood: list[Line], field: str, key: str) -> tuple[list[tuple[Any, ...]], int]:
    """(text, expected, said) where a flag is not as expected, false where the line does not name it; how many
    lines were judged."""
    judged = [(line, answer) for _, line, answer in understood if line.get(field) != "any"]
    missed = [
        (line["text"], line.get(field, False), answer[key])
        for line, answer in judged
        if bool(line.get(field, False)) != answer[key]
    ]
    return missed, len(judged)


def test_the_table_is_broad_and_none_of_it_is_training_data() -> None:
    texts = [line["text"] for lines in TABLE.values() for line in lines]
    assert len(texts) >= 120
    assert len(set(texts)) == len(texts)
    examples = {
        example.strip()[2:]
        for path in (ROOT / "data/nlu").glob("*.yml")
        for example in path.read_text(encoding="utf-8").splitlines()
        if example.strip().startswith("- ")
    }
    assert not examples & set(texts)


@pytest.mark.parametrize(
    ("field", "key"),
    [("red", "red_flag"), ("stop", "stop"), ("ae", "adverse_event"), ("off_label", "off_label")],
)
def test_what_protects_people(understood: list[Line], field: str, key: str) -> None:
    missed, judged = wrong(understood, field, key)
    assert judged >= 120
    assert not missed


def test_intents(understood: list[Line]) -> None:
    judged = [(line, answer) for _, line, answer in understood if "intent" in line]
    missed = [
        (line["text"], line["intent"], answer["intent"])
        for line, answer in judged
        if line["intent"] != answer["intent"]
    ]
    assert len(judged) >= 90
    assert len(missed) <= 0.06 * len(judged), missed


def test_routes(understood: list[Line]) -> None:
    judged = [(line, answer) for _, line, answer in understood if "route" in line]
    missed = [
        (line["text"], line["route"], answer["route"])
        for line, answer in judged
        if answer["route"] not in line["route"]
    ]
    assert len(judged) >= 100
    assert len(missed) <= 0.05 * len(judged), missed


def test_the_first_entry(understood: list[Line]) -> None:
    judged = [(line, answer) for _, line, answer in understood if "first" in line]
    missed = [
        (line["text"], line["first"], answer["knowledge"][:1])
        for line, answer in judged
        if not answer["knowledge"] or answer["knowledge"][0]["id"] != line["first"]
    ]
    assert len(judged) >= 50
    assert len(missed) <= 0.06 * len(judged), missed


def test_scores_come_best_first_and_at_most_five(understood: list[Line]) -> None:
    for _, _, answer in understood:
        scores = [found["score"] for found in answer["knowledge"]]
        assert scores == sorted(scores, reverse=True)
        assert len(scores) <= 5


def test_patients_get_no_product_text(understood: list[Line]) -> None:
    patients = [answer for audience, _, answer in understood if audience == "patient"]
    assert patients
    assert all(answer["knowledge"] == [] for answer in patients)
    assert {answer["route"] for answer in patients} <= {"dialogue", "human", "emergency"}


def test_measurements_and_doses(understood: list[Line]) -> None:
    for _, line, answer in understood:
        if "codes" in line:
            assert {one["code"]: one["value"] for one in answer["measurements"]} == line["codes"], line[
                "text"
            ]
        if line.get("dose") == "none":
            assert answer["dosage"] is None
        elif "dose" in line:
            repeat = answer["dosage"]["timing"]["repeat"]
            amount = answer["dosage"]["doseAndRate"][0]["doseQuantity"]["value"]
            assert (repeat["frequency"], repeat["period"], repeat["periodUnit"]) == (
                line["dose"]["frequency"],
                1,
                "d",
            )
            assert amount == line["dose"]["value"], line["text"]


def test_entities_stand_where_they_say(understood: list[Line]) -> None:
    named = 0
    for _, line, answer in understood:
        for entity in answer["entities"]:
            assert set(entity) == {"type", "value", "start", "end"}
            assert 0 <= entity["start"] < entity["end"] <= len(line["text"])
            named += entity["type"] == "drug"
    assert named >= 60

"""Dosages and measurements out of what people write."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.patients import parse_dosage, parse_measurements
from bot.text.numerals import read

HERE = Path(__file__).parent


def cases(name: str) -> list[dict[str, Any]]:
    return yaml.safe_load((HERE / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", cases("measurements.yml"), ids=lambda case: case["text"])
def test_measurements(case: dict[str, Any]) -> None:
    found = [[m["code"], m["value"]] for m in parse_measurements(case["text"])]
    assert found == case["found"]


def test_measurements_carry_ucum_units() -> None:
    text = "血压145/92，心率70，空腹6.8，体重70公斤，体温38.5度，糖化7.2%，eGFR 52"
    units = {m["code"]: m["unit"] for m in parse_measurements(text)}
    assert units == {
        "8480-6": "mm[Hg]",
        "8462-4": "mm[Hg]",
        "8867-4": "/min",
        "76629-5": "mmol/L",
        "29463-7": "kg",
        "8310-5": "Cel",
        "4548-4": "%",
        "62238-1": "mL/min/{1.73_m2}",
    }


def at(tree: Any, path: str) -> Any:
    for key in path.split("."):
        tree = tree[int(key)] if isinstance(tree, list) else tree.get(key) if tree is not None else None
    return tree


@pytest.mark.parametrize("case", cases("dosages.yml"), ids=lambda case: case["text"] or "empty")
def test_dosages(case: dict[str, Any]) -> None:
    dosage = parse_dosage(case["text"])
    if not case["holds"]:
        assert dosage is None
        return
    assert dosage is not None
    assert dosage["text"] == case["text"]
    assert {path: at(dosage, path) for path in case["holds"]} == case["holds"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("一百四十五", 145),
        ("一百四", 140),
        ("一百零五", 105),
        ("百八", 180),
        ("十一点二", 11.2),
        ("一四五", 145),
        ("半", 0.5),
        ("两", 2),
        ("二十", 20),
        ("1/2", 0.5),
        ("6.8", 6.8),
        ("8点5", 8.5),
        ("血", None),
        ("1/0", None),
    ],
)
def test_numerals(text: str, value: float | None) -> None:
    assert read(text) == value


def test_nothing_makes_the_parsers_fail() -> None:
    chance = random.Random(7)
    letters = "一两半十百点三每天次日早晚饭后前片粒空腹血压糖/.-~ 0123456789qdbitmgl，。？\u200b😀"
    for _ in range(3000):
        text = "".join(chance.choices(letters, k=chance.randint(0, 25)))
        parse_dosage(text)
        parse_measurements(text)

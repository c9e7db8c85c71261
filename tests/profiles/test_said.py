"""What is heard of what doctors say of themselves: a set the patterns were made with, and one seen once."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.profiles.said import Heard, read_said

SETS: dict[str, list[dict[str, Any]]] = yaml.safe_load(
    Path(__file__).with_name("said.yml").read_text(encoding="utf-8")
)


def told(heard: Heard) -> list[str]:
    return [f"{one.name}:{one.value}" for one in heard.statements]


@pytest.mark.parametrize(("name", "floor"), [("tuned", 1.0), ("once", 0.96), ("again", 0.82)])
def test_what_is_said_is_heard(name: str, floor: float) -> None:
    """`floor`: of the statements, those heard whole. Nothing is heard that is not said."""
    stating = [one for one in SETS[name] if one["says"]]
    lost = [one["text"] for one in stating if told(read_said(one["text"])) != one["says"]]
    wrong = [one["text"] for one in SETS[name] if set(told(read_said(one["text"]))) - set(one["says"])]
    assert not wrong
    assert 1 - len(lost) / len(stating) >= floor, lost


@pytest.mark.parametrize("one", [one for one in SETS["tuned"] if "rest" in one], ids=lambda one: one["text"])
def test_what_is_asked_beside_it_is_left_as_written(one: dict[str, Any]) -> None:
    assert read_said(one["text"]).rest == one["rest"]


def test_what_states_nothing_stays_whole() -> None:
    text = "  二甲双胍  肾功能不全能用吗？\n另外问下漏服"
    assert read_said(text) == Heard((), text)


def test_of_one_name_the_last_word_counts() -> None:
    assert told(read_said("别给我发长文，发个表就行")) == ["format:chart"]


@pytest.mark.parametrize("piece", ["我", "以后请麻烦你们最好尽量都就", "我主要看糖尿病，", "别别别给我"])
def test_it_is_linear(piece: str) -> None:
    began = time.process_time()
    read_said(piece * (100_000 // len(piece)))
    assert time.process_time() - began < 0.5

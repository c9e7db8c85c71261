"""What is answered when a visit asks for a moment."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
import yaml

from bot.clock import CHINA
from bot.schedule import VisitAnswer, read_postponement

NOW = datetime(2026, 12, 2, 10, tzinfo=CHINA)  # a Wednesday
SETS: dict[str, dict[str, list[str]]] = yaml.safe_load(
    Path(__file__).with_name("postponement.yml").read_text(encoding="utf-8")
)


def answered(text: str) -> str:
    found = read_postponement(text, NOW)
    if found is None:
        return "neither"
    return f"{found.answer}_with_time" if found.time else found.answer.value


@pytest.mark.parametrize("name", ["tuned", "once"])
def test_answers_are_read(name: str) -> None:
    wrong = [
        (text, answered(text))
        for meant, texts in SETS[name].items()
        for text in texts
        if answered(text) != meant
    ]
    assert wrong == []


def test_only_putting_off_has_a_time() -> None:
    for text in ("可以，明天下午", "今天别来了，周五吧", "忙，半小时后"):
        found = read_postponement(text, NOW)
        assert found is not None and found.answer is VisitAnswer.PUT_OFF and found.time is not None


@pytest.mark.parametrize("text", ["忙" * 100_000, "好的，" * 30, "不用了" * 15 + "吗", ""])
def test_a_long_text_is_none(text: str) -> None:
    assert read_postponement(text, NOW) is None or len(text) <= 60

"""What the console calls things: nothing of the code is shown by its own name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum

import pytest

from bot.desk import Flag
from bot.model import InboxState, OutboxState, Purpose
from bot.staff import Role
from bot.tasks import Kind
from bot.text.patterns import read_rules
from console.words import marked, moment, span, word

NOW = datetime(2026, 11, 29, 2, 0, tzinfo=UTC)  # ten in the morning in China


@pytest.mark.parametrize(
    ("group", "values"),
    [("role", Role), ("work", Role), ("task", Kind), ("outbox", OutboxState), ("purpose", Purpose)],
)
def test_every_value_has_a_word(group: str, values: type[StrEnum]) -> None:
    assert [value for value in values if word(value, group) == value] == []
    assert InboxState.WAITING  # the states of what came in are not shown


def test_every_rule_has_a_name() -> None:
    rules = [rule["id"] for name in ("rules", "watching") for rule in read_rules("compliance", name)["rules"]]
    assert [rule for rule in rules if word(rule, "rule") == rule] == []


@pytest.mark.parametrize(
    ("ahead", "shown"),
    [
        (timedelta(0), "今天 10:00"),
        (timedelta(hours=-11), "昨天 23:00"),
        (timedelta(hours=14), "明天 00:00"),
        (timedelta(days=-10), "11月19日 10:00"),
        (timedelta(days=-400), "2025年10月25日 10:00"),
    ],
)
def test_times_are_those_of_china(ahead: timedelta, shown: str) -> None:
    assert moment(NOW + ahead, NOW) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (timedelta(seconds=-5), "0分钟"),
        (timedelta(minutes=59), "59分钟"),
        (timedelta(minutes=61), "1小时1分"),
        (timedelta(hours=24), "1天"),
        (timedelta(hours=50), "2天2小时"),
    ],
)
def test_spans(value: timedelta, shown: str) -> None:
    assert span(value) == shown


def test_what_is_marked_is_escaped() -> None:
    flags = [Flag("a", (3, 6), "", True), Flag("b", (4, 5), "", False), Flag("c", (0, 0), "", False)]
    assert str(marked("<b><i>&", flags)) == '&lt;b&gt;<mark class="hard">&lt;i&gt;</mark>&amp;'

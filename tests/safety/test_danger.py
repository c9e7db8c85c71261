"""Danger: how much of it is found in people's own words, and the table that says what counts."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
import yaml

from bot.dialogue.version import Dialogue, read_dialogue
from bot.model import Audience
from bot.safety import categories, emergency, screen
from bot.settings import ROOT
from bot.text.patterns import read_rules

HERE = Path(__file__).parent
AUDIENCES = {"p": Audience.PATIENT, "d": Audience.DOCTOR}


def cases(name: str) -> list[tuple[Audience, str, str]]:
    rows = yaml.safe_load((HERE / name).read_text(encoding="utf-8"))
    return [(AUDIENCES[audience], flag, str(text)) for audience, flag, text in rows]


# Found of the dangers, and harmless texts left alone: of five parts tuned on, of two that were not, and of
# another author's.
@pytest.mark.parametrize(
    ("name", "recall", "specificity"),
    [
        ("danger.yml", 0.99, 0.99),
        ("danger_third.yml", 0.99, 0.99),
        ("danger_fourth.yml", 0.98, 0.99),
        ("danger_sixth.yml", 0.98, 0.99),
        ("danger_seventh.yml", 0.93, 0.99),
        ("danger_unseen.yml", 0.95, 0.97),
        ("danger_fifth.yml", 0.85, 0.97),
        ("danger_others.yml", 0.97, 0.96),
        ("danger_eighth.yml", 1.0, 0.97),
        ("danger_ninth.yml", 1.0, 1.0),
        ("danger_tenth.yml", 1.0, 0.95),
        ("danger_eleventh.yml", 1.0, 0.83),
    ],
)
def test_danger_is_found_and_little_else(name: str, recall: float, specificity: float) -> None:
    count: Counter[str] = Counter()
    wrong = []
    for audience, flag, text in cases(name):
        found = screen(text, audience).red_flag
        kind = "harmless" if flag == "-" else "danger"
        right = (not found) if flag == "-" else (bool(found) if flag == "!" else found in flag.split("|"))
        count[kind] += 1
        count[f"{kind} right"] += right
        if not right:
            wrong.append((text, flag, found))
    assert count["danger right"] >= recall * count["danger"], wrong
    assert count["harmless right"] >= specificity * count["harmless"], wrong
    assert min(count["danger"], count["harmless"]) >= 14


def test_the_sets_share_no_text() -> None:
    texts = [text for path in HERE.glob("danger*.yml") for *_, text in cases(path.name)]
    assert len(texts) > 600
    assert len(set(texts)) > 0.98 * len(texts), [text for text, n in Counter(texts).items() if n > 1]


@pytest.mark.parametrize("category", categories())
@pytest.mark.parametrize("audience", Audience)
def test_every_sign_has_a_text_for_each_audience(category: str, audience: Audience) -> None:
    dialogue = _dialogue()
    text = dialogue.text(emergency(category).response, audience)
    assert "120" in text
    other = Audience.DOCTOR if audience is Audience.PATIENT else Audience.PATIENT
    assert text != dialogue.text(emergency(category).response, other)


@cache
def _dialogue() -> Dialogue:
    return read_dialogue(ROOT)


def test_the_table_names_sign_source_and_text_of_whatever_words_there_are() -> None:
    rules = read_rules("safety", "signs")
    assert set(read_rules("safety", "red_flags")["categories"]) == set(categories())
    for row in rules["signs"]:
        assert row["sign"] and row["source"] and row["text"].startswith("utter_emergency"), row
        assert ("below" in row or "from" in row) == ("measure" in row), row
        assert row.get("with", "unwell") in rules["symptoms"], row


@pytest.mark.parametrize(
    ("just", "not_yet", "category"),
    [
        ("血钾6.0", "血钾5.9", "potassium"),
        ("血钾2.4", "血钾2.5", "potassium"),
        ("血压89/50", "血压90/50", "shock"),
        ("血压180/100", "血压179/100", "hypertensive_crisis"),
        ("血压150/120", "血压150/119", "hypertensive_crisis"),
        ("血压150/110，头痛", "血压150/109，头痛", "hypertensive_crisis"),
        ("血糖2.9", "血糖3.0", "hypoglycaemia"),
        ("血糖3.8手抖", "血糖3.9手抖", "hypoglycaemia"),
        ("血糖20.0", "血糖19.9", "hyperglycaemia"),
        ("血糖16.7，呕吐", "血糖16.6，呕吐", "hyperglycaemia"),
        ("心率40", "心率41", "heart_rate"),
        ("心率131", "心率130", "heart_rate"),
        ("心率49头晕", "心率50头晕", "heart_rate"),
        ("血氧91", "血氧92", "breathing"),
        ("吃了10片药", "吃了9片药", "overdose"),
        ("一次吃了5片药", "一次吃了4片药", "overdose"),
    ],
)
def test_a_limit_is_where_the_table_puts_it(just: str, not_yet: str, category: str) -> None:
    assert screen(just, Audience.PATIENT).red_flag == category
    assert screen(not_yet, Audience.PATIENT).red_flag == ""


def test_what_people_say_otherwise_is_no_danger() -> None:
    """Of the examples of all intents but those about adverse events and product questions."""
    texts = [
        _PLAIN.sub(r"\1", line.removeprefix("- ").strip())
        for path in sorted((ROOT / "data" / "nlu").glob("*.yml"))
        for block in yaml.safe_load(path.read_text(encoding="utf-8"))["nlu"]
        if block.get("intent") not in {"report_adverse_event", "ask_product", None}
        for line in str(block.get("examples", "")).splitlines()
    ]
    assert len(texts) > 1000
    found = [text for text in texts if screen(text, Audience.PATIENT).red_flag]
    assert len(found) <= 0.003 * len(texts), found


_PLAIN = re.compile(r"\[([^\]]+)\](?:\([^)]*\)|\{[^}]*\})")

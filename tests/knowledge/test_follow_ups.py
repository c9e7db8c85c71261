"""Questions that lean on what was said before: the product talked about, another one, a class, a kind."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bot.knowledge import Content, Index, Route, weighs
from bot.model import Audience

from .conftest import NOW
from .test_heldout import outcome

DOCTOR = Audience.DOCTOR


@pytest.mark.parametrize(
    ("last", "text", "products"),
    [
        ("metformin", "那肝功能不好呢", {"metformin"}),
        ("metformin", "跟达格列净呢", {"metformin"}),
        ("valsartan", "布洛芬行吗", {"valsartan"}),
        ("metformin", "打造影剂要停吗", {"metformin"}),
        ("atorvastatin", "西柚", {"atorvastatin"}),
        ("amlodipine", "和沙坦类能合用吗", {"amlodipine"}),
        ("atorvastatin", "他汀肌痛怎么办", {"atorvastatin"}),
        # another medicine is the subject now
        ("atorvastatin", "沙坦类孕妇能用吗", {"valsartan"}),
        ("metformin", "他汀", {"atorvastatin"}),
        ("metformin", "哺乳期降压药能用吗", {"amlodipine", "valsartan"}),
        ("", "血压药忘吃了咋整", {"amlodipine", "valsartan"}),
        ("metformin", "科素亚肾功能不全能用吗", set()),
        ("metformin", "拜新同能掰开吗", set()),
        ("metformin", "瑞舒伐他汀起始剂量", set()),
    ],
)
def test_what_a_question_is_about(index: Index, last: str, text: str, products: set[str]) -> None:
    decision = index.decide(text, DOCTOR, NOW, last_product=last)
    assert set(decision.products) == products
    shown = [decision.entry] if decision.entry else list(decision.options)
    assert {entry.product for entry in shown} <= products
    assert bool(products) == (decision.route in (Route.ANSWER, Route.CLARIFY))


@pytest.mark.parametrize("text", ["他汀", "沙坦类", "沙坦类孕妇能用吗", "降糖药肾不好能用吗"])
def test_a_class_is_asked_back_about_not_answered(index: Index, text: str) -> None:
    decision = index.decide(text, DOCTOR, NOW)
    assert decision.route is Route.CLARIFY
    assert decision.options


@pytest.mark.parametrize(
    ("before", "text", "question"),
    [
        ("二甲双胍和华法林", "那氨氯地平呢", "氨氯地平和华法林"),
        ("孕妇能用二甲双胍吗", "络活喜呢？", "氨氯地平孕妇能用吗"),
        ("二甲双胍和华法林", "氨氯地平孕妇呢", "氨氯地平孕妇呢"),  # it asks for itself
        ("二甲双胍和华法林", "氨氯地平", "氨氯地平"),
        ("", "那氨氯地平呢", "那氨氯地平呢"),
        ("二甲双胍", "那氨氯地平呢", "那氨氯地平呢"),
        ("二甲双胍和华法林", "那孕妇呢", "那孕妇呢"),
    ],
)
def test_the_same_question_of_another_product(index: Index, before: str, text: str, question: str) -> None:
    assert index.resumed(text, before) == question


@pytest.mark.parametrize(
    ("last", "text"),
    [
        ("metformin", "高血压分几级"),
        ("metformin", "血压多少算高"),
        ("valsartan", "糖尿病怎么诊断"),
        ("", "五"),
        ("metformin", "五"),
    ],
)
def test_general_medicine_is_not_taken_for_a_question_on_a_product(
    index: Index, last: str, text: str
) -> None:
    decision = index.decide(text, DOCTOR, NOW, last_product=last)
    assert (decision.route, decision.off_label) == (Route.NONE, False)


@pytest.mark.parametrize(
    ("text", "off_label"),
    [
        ("二甲双胍 肥胖的糖尿病", False),
        ("二甲双胍 肥胖", True),
        ("没糖尿病 肥胖 二甲双胍", True),
        ("二甲双胍指南推荐一线吗", False),
        ("二甲双胍能和司库奇尤单抗一起用吗", False),
        ("二甲双胍抗癌吗", True),
        ("二甲双胍会失眠吗", False),
        ("缬沙坦会头痛吗", False),
    ],
)
def test_a_use_is_told_from_what_merely_sounds_like_one(index: Index, text: str, off_label: bool) -> None:
    decision = index.decide(text, DOCTOR, NOW)
    assert decision.off_label is off_label
    assert decision.entry is None or not off_label


def test_weighing() -> None:
    assert all(map(weighs, ["络活喜和拜新同哪个好", "代文和科素亚比呢", "国产的和原研的有区别吗"]))
    assert not any(map(weighs, ["依从性差怎么办", "还有别的副作用吗", "比例是多少"]))


def test_the_blind_hundred(index: Index, content: Content) -> None:
    """The figures of docs/benchmarks.md, "Answers", a little slack below."""
    blind = yaml.safe_load(Path(__file__).with_name("blind.yml").read_text(encoding="utf-8"))
    entry = [(text, key) for key, texts in blind["entry"].items() for text in texts]
    assert {key for _, key in entry} <= set(content.entry)
    off_label = [text for texts in blind["off_label"].values() for text in texts]
    assert len(entry) + len(off_label) + len(blind["unanswered"]) >= 100
    got = [outcome(index.decide(text, DOCTOR, NOW), key) for text, key in entry]
    assert got.count("right") >= 0.68 * len(entry)
    assert got.count("right") + got.count("choice") >= 0.95 * len(entry)
    assert got.count("wrong") + got.count("off_label") <= 0.025 * len(entry)
    assert all(index.decide(text, DOCTOR, NOW).off_label for text in off_label)
    assert not any(index.decide(text, DOCTOR, NOW).entry for text in blind["unanswered"])

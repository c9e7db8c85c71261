"""Whole messages: several questions, what leans on the question before, greetings, denials, corrections.

The rules were written against `dialogues.yml` and `colleagues.yml`; `dialogues_once.yml` and `once.yml`
were made with them and looked at once, so their floors are the honest figures.
"""

from __future__ import annotations

import re
from pathlib import Path
from time import process_time
from typing import Any

import pytest
import yaml

from bot.knowledge import Content, Index, Route, consider, message, not_meant, puts_a_question
from bot.knowledge.message import correction, questions, without_denied
from bot.knowledge.text import plain
from bot.knowledge.uses import evidence
from bot.model import Audience

from .conftest import NOW

HERE = Path(__file__).parent
DOCTOR = Audience.DOCTOR


def read(name: str) -> Any:
    return yaml.safe_load((HERE / name).read_text(encoding="utf-8"))


def last_of(index: Index, turns: str) -> list[Any]:
    """What the last turn brings, product and question remembered as the actions do."""
    product = before = ""
    found: tuple[Any, ...] = ()
    for text in turns.split(" | "):
        found = consider(index, text, DOCTOR, NOW, last_product=product, before=before)
        for one in found:
            entry, named = one.decision.entry, one.decision.products
            product = entry.product if entry else next(iter(named), product)
            if one.decision.route is not Route.NONE:
                before = one.question
    return [one.decision for one in found]


def fits(decisions: list[Any], expect: Any, *, either: bool = False) -> bool:
    entries = [one.entry.id for one in decisions if one.entry]
    if expect == "open":
        return not entries and not any(one.off_label for one in decisions)
    if expect == "off_label":
        return any(one.off_label for one in decisions)
    return bool(entries) and set(entries) <= set(expect) if either else entries == expect


@pytest.mark.parametrize(("name", "floor"), [("dialogues.yml", 1.0), ("dialogues_once.yml", 0.92)])
def test_dialogues(index: Index, name: str, floor: float) -> None:
    cases = read(name)
    missed = [
        case["turns"]
        for case in cases
        if not fits(found := last_of(index, case["turns"]), case["expect"], either=case.get("any", False))
        or sum(not one.entry for one in found) != case.get("more", sum(not one.entry for one in found))
    ]
    assert len(missed) <= (1 - floor) * len(cases), missed


@pytest.mark.parametrize(
    ("name", "right", "near", "wrong", "answered"),
    [
        ("colleagues.yml", 0.97, 1.0, 0, 2),
        ("once.yml", 0.92, 0.98, 1, 2),
        ("others.yml", 0.97, 1.0, 0, 1),
    ],
)
def test_questions_of_colleagues(
    index: Index, content: Content, name: str, right: float, near: float, wrong: int, answered: int
) -> None:
    """Least share right, least share right or right among the choices, most wrong, most answered that no
    entry answers."""
    cases = read(name)
    got = {"right": 0, "choice": 0, "wrong": 0, "none": 0}
    for keys, texts in cases["entry"].items():
        wanted = set(keys.split("/"))
        assert wanted <= set(content.entry)
        for text in texts:
            found = [one.decision for one in consider(index, text, DOCTOR, NOW)]
            entries = {one.entry.id for one in found if one.entry}
            options = {option.id for one in found for option in one.options}
            kind = (
                "right"
                if entries & wanted
                else "wrong"
                if entries
                else "choice"
                if options & wanted
                else "none"
            )
            got[kind] += 1
    total = sum(got.values())
    assert total >= 80
    assert got["right"] >= right * total, got
    assert got["right"] + got["choice"] >= near * total, got
    assert got["wrong"] <= wrong, got
    found = {text: consider(index, text, DOCTOR, NOW) for text in cases["unanswered"]}
    told = [text for text, some in found.items() if any(one.decision.entry for one in some)]
    assert len(found) >= 20
    assert len(told) <= answered, told
    uses = {text: consider(index, text, DOCTOR, NOW) for text in cases.get("off_label", [])}
    assert len(uses) >= (12 if name == "colleagues.yml" else 0)
    assert all(any(one.decision.off_label for one in some) for some in uses.values())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("阿托伐他汀肝病能用吗 缬沙坦孕妇能用吗", ("阿托伐他汀肝病能用吗", "缬沙坦孕妇能用吗")),
        ("患者70岁，肌酐180，二甲双胍能用吗", ("患者70岁 肌酐180 二甲双胍能用吗",)),
        ("老师你好 我问一下缬沙坦起始剂量", ("缬沙坦起始剂量",)),
        ("二甲双胍孕妇能用吗？谢谢", ("二甲双胍孕妇能用吗",)),
        ("你好", ()),
    ],
)
def test_the_questions_of_a_message(text: str, expected: tuple[str, ...]) -> None:
    assert questions(text) == expected


def test_a_very_long_message_costs_what_a_thousand_characters_do(index: Index) -> None:
    started = process_time()
    found = consider(index, "二甲双胍肾功能不全能用吗" + "，好 " * 33_000, DOCTOR, NOW)
    assert [one.decision.entry.id for one in found if one.decision.entry] == ["metformin-renal"]
    assert process_time() - started < 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("没有出现咳嗽，缬沙坦最大剂量多少", "，缬沙坦最大剂量多少"),
        ("吃氨氯地平没有水肿", "吃氨氯地平没有水肿"),
        (
            "没有糖尿病，肥胖能吃二甲双胍吗",
            "没有糖尿病，肥胖能吃二甲双胍吗",
        ),  # who lacks the disease asks for a use
        ("有没有皮疹，代文会吗", "有没有皮疹，代文会吗"),
    ],
)
def test_denied_findings_are_not_asked_about(text: str, expected: str) -> None:
    assert without_denied(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "不好意思，是缬沙坦",
        "抱歉",
        "哦",
        "抱歉打错了",
        "是不是要减量",
        "不是的",
        "写错了",
        "你刚才不是说缬沙坦能降蛋白尿吗 再说一遍",
        "不是说能降蛋白尿吗",
    ],
)
def test_what_is_no_correction(text: str) -> None:
    assert correction(text) is None


@pytest.mark.parametrize(
    ("text", "yes"),
    [
        ("不好意思打错了，是缬沙坦", "缬沙坦"),
        ("抱歉打错了 缬沙坦", "缬沙坦"),
        ("哦不对，是缬沙坦", "缬沙坦"),
        ("对不起，说错了，我问的是缬沙坦的副作用", "缬沙坦的副作用"),
        ("啊不好意思 我说的是缬沙坦", "缬沙坦"),
    ],
)
def test_an_apology_before_a_correction(text: str, yes: str) -> None:
    found = correction(text)
    assert found is not None and found.yes == yes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("不是缬沙坦", "缬沙坦"),
        ("我问的不是缬沙坦", "缬沙坦"),
        ("不是缬沙坦，是氨氯地平", "缬沙坦"),
        ("是氨氯地平，不是缬沙坦", "缬沙坦"),
        ("不是缬沙坦吗", ""),
        ("是不是缬沙坦", ""),
    ],
)
def test_what_is_not_meant(text: str, expected: str) -> None:
    assert not_meant(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("老师你好 我问一下缬沙坦起始剂量", True),
        ("我说的是缬沙坦", True),
        ("把你们缬沙坦降压幅度数据给我", True),
        ("你好 病人吃氨氯地平脚肿了怎么办", False),  # may be a case: the NLU judges it
        ("你好", False),
        ("我说的是退订", False),
        ("不好意思打错了，是缬沙坦", True),
        ("哦不对 是缬沙坦", True),
        ("抱歉，我问的是缬沙坦孕妇能不能用", True),
        # a wish, a person, a complaint: whatever product stands beside it
        ("错了，不要再给我发缬沙坦资料了", False),
        ("不对，我说的是别再发缬沙坦的资料了", False),
        ("别再给我推缬沙坦降压效果的数据了", False),
        ("不对，我要找人工问缬沙坦", False),
        ("搞错了，我要投诉缬沙坦", False),
        ("你好，能不能别再给我发缬沙坦的东西", False),
        ("不对，是病人吃了缬沙坦以后头晕怎么办", False),
    ],
)
def test_what_is_a_question_whatever_the_nlu_hears(content: Content, text: str, expected: bool) -> None:
    assert puts_a_question(text, content.products) is expected


PATTERNS = [value for value in vars(message).values() if isinstance(value, re.Pattern)]
WORDS = sorted({word for one in PATTERNS for word in re.findall("[\u4e00-\u9fff]{1,8}", one.pattern)})


@pytest.mark.parametrize("end", ["吗", "x"])
def test_repeated_words_cost_in_proportion(content: Content, end: str) -> None:
    """Few first, where what doubles shows and does not run for hours."""
    for count in (12, 16, 250):
        for piece in [*WORDS, "无皮疹、", "不好意思，", "老师你好 ", "不是肝是", "的临床研究"]:
            text = piece * count + end
            started = process_time()
            questions(without_denied(text))
            correction(text)
            puts_a_question(text, content.products)
            evidence(plain(text))
            spent = process_time() - started
            assert spent < 0.2, (piece, count, spent)

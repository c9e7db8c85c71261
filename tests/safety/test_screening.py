"""Screening against the labelled texts, and what must hold for any text."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml

from bot.model import Audience, MedrepError
from bot.safety import Screening, categories, screen, tells
from bot.text.folding import fold
from bot.text.patterns import Scanner, compile_patterns

HERE = Path(__file__).parent
AUDIENCES = {"p": Audience.PATIENT, "d": Audience.DOCTOR}
WORDS = {"ae", "~ae", "stop", "resume", "-"}


def cases(name: str) -> list[tuple[Audience, set[str], str]]:
    rows = yaml.safe_load((HERE / name).read_text(encoding="utf-8"))
    return [(AUDIENCES[audience], set(found.split()), str(text)) for audience, found, text in rows]


def shown(value: object) -> str:
    """For the test's name, which must be the same in every worker: sets have no order of their own."""
    return "|".join(sorted(value)) if isinstance(value, set) else str(value)[:30]


ALL = cases("cases.yml") + cases("held_out.yml") + cases("township.yml")


@pytest.mark.parametrize(("audience", "expected", "text"), ALL, ids=shown)
def test_labelled(audience: Audience, expected: set[str], text: str) -> None:
    found = screen(text, audience)
    red = {category for words in expected - WORDS for category in words.split("|")}
    assert found.red_flag in (red or {""}), found.signs
    if "~ae" not in expected:
        assert found.adverse_event == ("ae" in expected), found.signs
    assert (found.stop, found.resume) == ("stop" in expected, "resume" in expected)


@pytest.mark.parametrize(
    ("text", "none"),
    [
        # the NLU takes each of these for an adverse event
        ("病人不肯吃", True),
        ("病人怕吃他汀伤肝不敢吃咋解释", True),
        ("刚得脑梗的病人立普妥啥时候开始吃", True),
        ("格华止空腹吃恶心不恶心", True),
        ("他汀吃了伤肝不", True),
        ("病人用了都挺好，没什么不良反应", True),
        ("病人吃了人蔫蔫的，眼皮都抬不动", False),
        ("吃了药没有头晕，就是人有点飘", False),
        ("病人一吃这药动不动就犯迷瞪", False),
        ("病人不肯吃，说吃了胃疼", False),
        ("吃了络活喜脚肿了，咋办", False),
        ("我有个病人吃了代文不对劲，你们管不管", False),
        ("吃了药" + "咋办" * 200, False),
    ],
)
def test_what_tells_of_no_case(text: str, none: bool) -> None:
    assert tells(text, Audience.DOCTOR) != none


def test_no_report_of_a_doctor_is_taken_for_none() -> None:
    reports = [text for audience, found, text in ALL if audience == Audience.DOCTOR and "ae" in found]
    assert len(reports) > 100
    lost = [text for text in reports if not tells(text, Audience.DOCTOR)]
    assert not lost


def test_the_set_is_large_and_has_both_classes() -> None:
    count = Counter(word if word in WORDS else "red" for _, expected, _ in ALL for word in expected)
    assert len({text for *_, text in ALL}) > 500
    assert min(count["red"], count["ae"], count["-"]) > 100
    assert min(count["stop"], count["resume"]) >= 10
    named = {
        category for _, expected, _ in ALL for words in expected - WORDS for category in words.split("|")
    }
    assert named | {"heart_rate"} == set(categories())  # the others are in danger.yml, too


@pytest.mark.parametrize("audience", Audience)
@pytest.mark.parametrize(
    "written",
    [
        "胸 痛",
        "胸\u200b痛",
        "胸-痛",
        "胸＊痛",
        "胸·痛",
        "胸😀痛",
        "胸\ufe0f痛",
        "胸\u0336痛",
        "胸　痛",
        "我 胸\t痛",
        "胸/痛",
    ],
)
def test_nothing_inserted_hides_a_sign(written: str, audience: Audience) -> None:
    text = f"我{written}得厉害，喘不上气"
    found = screen(text, audience)
    assert found.red_flag == "chest_pain"
    sign = found.signs[0]
    assert text[slice(*sign.span)] == sign.words
    assert fold(sign.words).text.startswith("胸痛")


def test_a_sign_is_found_however_much_stands_around_it() -> None:
    around = "今天按时吃了药，量了血压，一切都好。" * 2000
    for text, category in (("我现在胸口疼得厉害", "chest_pain"), ("高压二百一", "hypertensive_crisis")):
        assert screen(around + text + "。" + around, Audience.PATIENT).red_flag == category
    assert screen(around, Audience.PATIENT).red_flag == ""


@pytest.mark.parametrize(
    "unit",
    [
        "胸痛",
        "没有胸痛",
        "胸 ",
        "吃了",
        "酸",
        "不",
        "血压145/92，",
        "1",
        "a",
        "😀",
        "\u200b",
        "(",
        "二甲双胍会引起腹泻吗？",
        "血压控制在180/120以下",
        "今天天气很好，我按时吃了药，血压一百三八十，没有不舒服。",
        "药片头晕吗",
        "\n",
        "没",
    ],
)
def test_linear_in_the_text(unit: str) -> None:
    """Four times the text may cost eight times as much at most; a backtracking trap costs sixteen or more."""

    def seconds(length: int) -> float:
        text = (unit * length)[:length]
        best = 9.9
        for _ in range(2):
            start = time.process_time()
            screen(text, Audience.PATIENT)
            best = min(best, time.process_time() - start)
        return best

    screen(unit, Audience.PATIENT)
    assert seconds(60_000) < max(8 * seconds(15_000), 0.1)


def test_any_text_is_screened() -> None:
    chance = random.Random(11)
    letters = (
        "没不无胸痛闷吃了药头晕血压糖高低100二甲双胍会引起吗？，。 退订TD恢复别再发我爸昨天\u200b\n\ud800"
    )
    for _ in range(3000):
        text = "".join(chance.choices(letters, k=chance.randint(0, 40)))
        for audience in Audience:
            found = screen(text, audience)
            assert not (found.stop and found.resume)
            for sign in found.signs:
                assert text[slice(*sign.span)] == sign.words != ""


def test_nothing_is_found_in_nothing() -> None:
    assert screen("", Audience.PATIENT) == Screening("", False, False, False)


@pytest.mark.parametrize(
    "pattern", ["胸.*痛", "胸(?:闷|痛)+", "胸痛{2,}", "胸.{0,900}痛", ".{0,5}痛", "(胸", "{nobody}痛", "胸?"]
)
def test_a_pattern_that_could_be_slow_is_refused(pattern: str) -> None:
    with pytest.raises(MedrepError):
        Scanner({"x": [pattern]}, {})


def test_a_scan_finds_what_a_search_finds() -> None:
    patterns = [
        "胸…(?:痛|闷)",
        "(?:头|脑)(?:很)?(?:晕|(?:疼|痛))",
        "(?<!不)(?:吐|呕)了?",
        r"(?<!\d)\d{1,3}度|发烧",
    ]
    text = "胸口有点闷，头很疼，不吐了，呕了39度，脑晕"
    found = {text[start:end] for _, start, end in Scanner({"x": patterns}, {}).scan(text)}
    assert found == {match[0] for match in compile_patterns(patterns, {}).finditer(text)}

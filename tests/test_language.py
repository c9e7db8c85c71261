"""Words and entities; runs under the app's and under the engine's Python (see the Makefile)."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import jieba
import pytest

from bot.language import Reader, normalise, read_lexicon, reader


def words(text: str) -> list[str]:
    return [word.text for word in reader().read(text).words]


def entities(text: str) -> list[tuple[str, str]]:
    return [(entity.type, entity.value) for entity in reader().read(text).entities]


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("二甲双胍肾功能不全能用吗", ["二甲双胍", "肾功能不全"]),
        ("肝肾不全能用吗", ["不全"]),
        ("肝功能不全能用阿托伐他汀吗", ["肝功能不全", "阿托伐他汀"]),
        ("盐酸二甲双胍缓释片怎么吃", ["盐酸二甲双胍缓释片"]),
        ("苯磺酸氨氯地平和缬沙坦能一起吃吗", ["苯磺酸氨氯地平", "缬沙坦"]),
        ("2型糖尿病合并高血压", ["2型糖尿病", "高血压"]),
        ("HbA1c和eGFR多久查一次", ["HbA1c", "eGFR"]),
    ],
)
def test_terms_stay_whole(text: str, whole: list[str]) -> None:
    found = words(text)
    assert [word for word in whole if word not in found] == []
    assert "全能" not in found


def test_two_characters_do_not_tear_a_sentence() -> None:
    assert ("disease", "过敏") not in entities("这个我不过敏感度不高")
    assert entities("对青霉素过敏") == [("drug", "青霉素"), ("disease", "过敏")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("格华止一天吃几次", [("drug", "二甲双胍")]),
        ("METFORMIN 500mg bid", [("drug", "二甲双胍"), ("dose", "500mg"), ("frequency", "bid")]),
        ("络活喜5mg每天一次", [("drug", "氨氯地平"), ("dose", "5mg"), ("frequency", "qd")]),
        ("一天三次 一次两片", [("frequency", "tid"), ("dose", "两片")]),
        ("egfr 40还能用吗", [("lab", "eGFR")]),
        ("血压150/90mmHg", [("lab", "血压"), ("measure", "150/90mmhg")]),
        ("吃了3个月", [("duration", "3个月")]),
        ("您好在吗", []),
        ("今天天气不错", []),
    ],
)
def test_entities_are_terms_and_numbers_with_units(text: str, found: list[tuple[str, str]]) -> None:
    assert entities(text) == found


def test_the_longest_term_wins() -> None:
    assert entities("瑞舒伐他汀和他汀")[0] == ("drug", "瑞舒伐他汀")
    assert ("disease", "糖尿病肾病") in entities("糖尿病肾病能用吗")
    assert ("disease", "糖尿病") not in entities("糖尿病肾病能用吗")


def test_places_count_in_the_text_as_written() -> None:
    text = "😊  ｍｅｔｆｏｒｍｉｎ ５００㎎[微笑]，一天两次"
    read = reader().read(text)
    assert read.normal == "  metformin 500mg,一天两次"
    assert [text[entity.start : entity.end] for entity in read.entities] == [
        "ｍｅｔｆｏｒｍｉｎ",
        "５００㎎",
        "一天两次",
    ]
    assert all(text[word.start : word.end] for word in read.words)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("ＡＢＣ１２３", "ABC123"),
        ("👍", "赞"),
        ("👌👌", "好的"),
        ("[抱拳]", "谢谢"),
        ("😂", "表情"),
        ("好的😂", "好的"),
        ("", ""),
    ],
)
def test_normal_form(text: str, normal: str) -> None:
    assert normalise(text) == normal
    assert normalise(normal) == normal


@pytest.mark.parametrize(
    "text", ["", " ", "\n", "\x00", "\ud800", "�", "a" * 1000, "１" * 1000, "]]>", "{drug}"]
)
def test_odd_text_is_read(text: str) -> None:
    read = reader().read(text)
    assert all(0 <= word.start < word.end <= len(text) for word in read.words)


def test_jieba_itself_is_left_alone() -> None:
    reader()
    assert "格华止" not in jieba.dt.FREQ
    assert "二甲双胍" not in jieba.lcut("二甲双胍怎么吃")
    assert logging.getLogger("jieba").level >= logging.ERROR


def test_two_lexicons_do_not_mix(tmp_path: Path) -> None:
    (tmp_path / "drug.txt").write_text("甲乙丙 | 圪圫圬\n", encoding="utf-8")
    other = Reader(read_lexicon(tmp_path))
    assert [entity.value for entity in other.read("圪圫圬怎么吃").entities] == ["甲乙丙"]
    assert [word.text for word in other.read("格华止").words] != ["格华止"]
    assert words("圪圫圬") != ["圪圫圬"]


@pytest.mark.parametrize("line", ["甲 | | 乙", "甲 | 乙\n丙 | 乙"])
def test_a_wrong_lexicon_says_where(tmp_path: Path, line: str) -> None:
    (tmp_path / "drug.txt").write_text(line, encoding="utf-8")
    with pytest.raises(ValueError, match=r"drug\.txt:\d"):
        read_lexicon(tmp_path)


def test_no_lexicon_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no lexicon"):
        read_lexicon(tmp_path)


@pytest.mark.parametrize(
    "piece",
    [
        "二甲双胍肾功能不全能用吗，一天两次每次500mg，",
        "一",
        "1",
        "1.",
        "1/",
        "a",
        "每",
        "一天",
        " ",
        "👍",
        "[",
        "糖尿病",
    ],
)
def test_reading_is_linear(piece: str) -> None:
    reader().read(piece)

    def seconds(characters: int) -> float:
        text = (piece * characters)[:characters]
        began = time.process_time()
        reader().read(text)
        return time.process_time() - began

    short = min(seconds(1_000) for _ in range(3))
    long = min(seconds(10_000) for _ in range(2))
    assert long < 30 * max(short, 0.003)

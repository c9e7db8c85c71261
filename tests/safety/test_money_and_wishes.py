"""Hints at money, wishes about our messages, and what is not the person's own words, against labelled texts.

Each file has a part that was looked at while the rules were written and one that was written before and run
once: of hints at money 37 of 40 found and 0 of 32 others, of wishes 51 of 54 right. The floors hold that.
"""

from __future__ import annotations

import re
import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.dialogue.published import fillings
from bot.dialogue.version import read_dialogue
from bot.knowledge import load
from bot.model import Audience
from bot.safety import NOTHING, Ours, is_yes, likely_stop, own_words, screen, sentences_of
from bot.settings import ROOT

HERE = Path(__file__).parent
AUDIENCES = {"p": Audience.PATIENT, "d": Audience.DOCTOR}


def rows(name: str, part: str) -> list[list[Any]]:
    found: list[list[Any]] = yaml.safe_load((HERE / name).read_text(encoding="utf-8"))[part]
    return found


@cache
def ours() -> Ours:
    content = load(ROOT / "data/content")
    texts = [text for _, _, text in read_dialogue(ROOT).texts()]
    return sentences_of([*texts, *(entry.answer for entry in content.entries)], fillings(content))


@pytest.mark.parametrize(("part", "recall", "false"), [("tuned", 1.0, 0.0), ("held_out", 0.92, 0.0)])
def test_money(part: str, recall: float, false: float) -> None:
    cases = [
        (text, expected == "yes", screen(text, AUDIENCES[audience]))
        for audience, expected, text in rows("money.yml", part)
    ]
    hints = [bool(found.money) for _, expected, found in cases if expected]
    others = [bool(found.money) for _, expected, found in cases if not expected]
    missed = [text for text, expected, found in cases if bool(found.money) != expected]
    assert sum(hints) / len(hints) >= recall, missed
    assert sum(others) / len(others) <= false, missed
    for text, _, found in cases:
        for sign in found.signs:
            assert text[slice(*sign.span)] == sign.words != ""


@pytest.mark.parametrize(("part", "right"), [("tuned", 1.0), ("held_out", 0.94)])
def test_wishes(part: str, right: float) -> None:
    said = ours()
    wrong = [(expected, text) for expected, text in rows("wishes.yml", part) if wish(text, said) != expected]
    assert 1 - len(wrong) / len(rows("wishes.yml", part)) >= right, wrong
    # whatever else is missed: nothing that is no wish, or the opposite one, changes what they hear
    assert not [text for expected, text in wrong if expected == "-" and wish(text, said) != "ask"], wrong


def wish(text: str, said: Ours) -> str:
    found = screen(text, Audience.PATIENT, said)
    if found.only:
        return " ".join(sorted(found.only))
    if found.stop or found.resume:
        return "stop" if found.stop else "resume"
    return "ask" if likely_stop(own_words(text, said).text) else "-"


@pytest.mark.parametrize(
    ("text", "words", "instead", "face"),
    [
        ("【收到不支持的消息类型，暂无法显示】", "", "unseen", ""),
        ("[Unsupported Message]", "", "unseen", ""),
        ("[unsupported message]", "", "unseen", ""),
        ("[动画表情]", "", "unseen", ""),
        ("[位置]", "", "place", ""),
        ("/:strong", "", "face", "👍"),
        ("[ThumbsUp][ThumbsUp]", "", "face", "👍"),
        ("[弱]", "", "face", "👎"),
        ("二甲双胍能用吗[微笑]", "二甲双胍能用吗", "", ""),
        ("二甲双胍能用吗/:strong", "二甲双胍能用吗", "", ""),
        ("「小王：退订」\n- - - - - - - - - - - - - - -\n好的", "好的", "", ""),
        ("「小王：退订」\n——————————\n好的", "好的", "", ""),
        ("「小王：在吗」\n- - - - - - - - - - - - - - -\n/:strong", "", "face", "👍"),
        ("已恢复接收，之后有合适的资料或会议会通知您。不想收了，随时回复「退订」。", "", "ours", ""),
        ("您说的情况已记录，24小时内转交药物安全专员，专员可能会联系您。这个要多久", "这个要多久", "", ""),
        ("👍", "👍", "", ""),
        ("", "", "", ""),
        ("[胸痛]", "[胸痛]", "", ""),
        ("血压/心率", "血压/心率", "", ""),
        ("胸口疼\n------------\n喘不上气", "胸口疼\n------------\n喘不上气", "", ""),
        ("血压 70/40\n- - - - - - - - -\n化验单如上", "血压 70/40\n- - - - - - - - -\n化验单如上", "", ""),
        # a letter that some comparisons take for one of a face's
        ("[ſmile]", "[ſmile]", "", ""),
        ("[Smıle]", "[Smıle]", "", ""),
        ("[SMİLE]", "[SMİLE]", "", ""),
        # ours, filled in
        ("方便的话请补充：年龄、用的药、现在怎样。", "", "ours", ""),
        ("已转给小赵，预计12月3日（周三）18:00前联系您。", "", "ours", ""),
        ("目前可以查的产品：氨氯地平、缬沙坦。", "", "ours", ""),
        # theirs, behind how we begin
        ("方便的话请补充：65岁，男，停药了", "方便的话请补充：65岁，男，停药了", "", ""),
        ("方便的话请补充：年龄65岁", "方便的话请补充：年龄65岁", "", ""),
        ("目前可以查的产品：别的都没有吗", "目前可以查的产品：别的都没有吗", "", ""),
        ("上一条回答的出处：《缬沙坦》我看不懂", "上一条回答的出处：《缬沙坦》我看不懂", "", ""),
    ],
)
def test_own_words(text: str, words: str, instead: str, face: str) -> None:
    found = own_words(text, ours())
    assert (found.words, found.instead, found.face) == (words, instead, face)
    assert len(found.text) == len(text)


@pytest.mark.parametrize(
    "text",
    [
        "您说的可能是急症，请立即拨打120或就近去急诊，不要等这里的回复。",
        "「AI：胸痛、胸闷可能是急症」\n- - - - - - - - - - - - - - -\n收到",
        "【收到不支持的消息类型，暂无法显示】",
        "已为您退订，今后不再主动给您发消息。您主动提问，我照常回答；想恢复接收，回复「恢复接收」。",
    ],
)
def test_what_is_not_theirs_is_no_sign(text: str) -> None:
    assert screen(text, Audience.PATIENT, ours()) == screen("", Audience.PATIENT)


def test_a_sign_of_their_own_beside_a_face_or_a_quotation_is_one() -> None:
    for text in ("我胸[微笑]痛得厉害，喘不上气", "「AI：在吗」\n- - - - - - - -\n我胸口疼得厉害，喘不上气"):
        found = screen(text, Audience.PATIENT, ours())
        assert found.red_flag == "chest_pain"
        assert text[slice(*found.signs[0].span)] == found.signs[0].words


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        ("方便的话请补充：年龄65岁，男，现在胸痛得厉害喘不上气", "chest_pain"),
        ("方便的话请补充：我不想活了", "self_harm"),
        ("上一条回答的出处：孩子误吞了半瓶药", "child_poisoning"),
        ("方便的话请补充：65岁，男，吃了二甲双胍全身皮疹", ""),
        ("您要的资料由医学信息部准备，预计我爸等不到了他晕倒了", "unconscious"),
    ],
)
def test_what_stands_behind_our_words_is_theirs(text: str, flag: str) -> None:
    found = screen(text, Audience.PATIENT, ours())
    assert (found.red_flag, found.adverse_event) == (flag, True) if not flag else found.red_flag == flag


def test_our_sentence_put_as_a_question_is_theirs() -> None:
    for entry in load(ROOT / "data/content").entries[:40]:
        sentence = re.split("[。；\n]", entry.answer)[0]
        if len(sentence) > 12 and not sentence.endswith("？"):
            assert own_words(f"{sentence}。", ours()).words == "", sentence
            for mark in "?？":
                assert own_words(f"{sentence}{mark}", ours()).words == f"{sentence}{mark}"


def test_a_plain_yes() -> None:
    for text in ("是", "是的。", "好吧", "嗯嗯", "OK", "对的", "确认退订"):
        assert is_yes(text), text
    for text in ("不是", "是什么意思", "好多了", "", "是不是要停药", "退", "好吧那缬沙坦呢"):
        assert not is_yes(text), text


@pytest.mark.parametrize(
    "unit",
    [
        "已恢复接收，之后有合适的资料或会议会通知您。",
        "[微笑]",
        "「",
        "- - - - - - \n",
        "小王给的卡",
        "个点",
        "退订",
    ],
)
def test_linear_in_the_text(unit: str) -> None:
    said = ours()

    def seconds(length: int) -> float:
        text = (unit * length)[:length]
        start = time.process_time()
        screen(text, Audience.DOCTOR, said)
        return time.process_time() - start

    screen(unit, Audience.DOCTOR, said)
    assert seconds(60_000) < max(8 * min(seconds(15_000), seconds(15_000)), 0.2)
    assert own_words(unit * 9, NOTHING).text

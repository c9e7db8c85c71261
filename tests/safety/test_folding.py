"""Folding: what was meant, and the way back to what was written."""

from __future__ import annotations

import random

import pytest

from bot.text.folding import fold


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("胸 痛", "胸痛"),
        ("胸*痛", "胸痛"),
        ("胸\u200b痛\ufeff", "胸痛"),
        ("療效絕對", "疗效绝对"),
        ("ＴＤ", "td"),
        ("血糖 ２．５ mmol", "血糖2.5 mmol"),
        ("140 / 90", "140 / 90"),
        ("体温38.5℃", "体温38.5度"),
        ("½片", "1/2片"),
        ("㎎", "mg"),
        ("a\u3000 b", "a b"),
        ("好，的", "好,的"),
        ("", ""),
    ],
)
def test_folding(written: str, meant: str) -> None:
    assert fold(written).text == meant


def test_pictures_and_brackets_when_asked() -> None:
    assert fold("吃了🤮", {"🤮": "呕吐"}).text == "吃了呕吐"
    assert fold("最（好）的").text == "最(好)的"
    assert fold("最（好）的", also="()").text == "最好的"


def test_a_dropped_space_is_remembered() -> None:
    assert fold("没有发烧 胸痛").breaks == {4}
    assert fold("没有\u200b胸痛").breaks == frozenset()


def test_every_piece_comes_from_where_it_stood() -> None:
    chance = random.Random(3)
    letters = "最好胸痛療1２.5 /*-_😀\u200b\u0336℃㎎½，。\nTＤ（）"
    for _ in range(2000):
        written = "".join(chance.choices(letters, k=chance.randint(1, 30)))
        folded = fold(written, also="()")
        last = 0
        for position in range(len(folded.text)):
            start, end = folded.span(position, position + 1)
            assert last <= start < end <= len(written)
            last = start
            if folded.text[position] in "最好胸痛\n":
                assert written[start] == folded.text[position]

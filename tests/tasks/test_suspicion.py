"""Whether what somebody wrote may speak of a colleague: then that colleague does not read it."""

from __future__ import annotations

import pytest

from bot.tasks.suspicion import names


@pytest.mark.parametrize(
    ("colleague", "words"),
    [
        ("赵丁", "赵丁上次给的卡"),
        ("赵丁", "小赵给过"),
        ("赵丁", "小趙给过"),
        ("赵丁", "趙代表"),
        ("赵丁", "小 赵给过"),
        ("赵丁", "阿丁说有"),
        ("王芳", "姓王的那个给过"),
        ("王芳", "芳姐答应过的"),
        ("王芳（华东）", "你们王医药代表给过"),
        ("王小芳", "小芳上次说有"),
        ("王小芳", "芳姐"),
        ("李丽娜", "丽娜说的"),
        ("歐陽娜", "欧阳代表给的"),
        ("欧阳娜", "欧阳娜上次"),
        ("欧阳娜", "娜姐说有"),
        ("欧阳娜", "小欧阳"),
        ("Lily Chen", "lily说有的"),
        ("Lily Chen", "LILY CHEN上次给的"),
        ("Lily Chen", "Ｌｉｌｙ给的"),
        ("陈丽 Lily", "Lily 给的"),
    ],
)
def test_however_people_call_them(colleague: str, words: str) -> None:
    assert names(words, colleague)


@pytest.mark.parametrize(
    ("colleague", "words"),
    [
        ("赵丁", "小王给过"),
        ("王芳", "这次咋没了"),
        ("王总芳", "一共多少个点"),
        ("欧阳娜", "小杨给的"),
        ("Lily Chen", "family给的"),
        ("Li Na", "你们合作量是多少"),
        ("", "小王给过"),
        ("（离职）", "小王给过"),
    ],
)
def test_others_are_not_meant(colleague: str, words: str) -> None:
    assert not names(words, colleague)

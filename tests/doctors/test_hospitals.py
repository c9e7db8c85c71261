"""Which hospital of the list somebody may mean, and what a name stands for."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from bot.doctors.hospitals import main_name, may_be, meanings, with_second_names


@pytest.mark.parametrize(
    ("name", "others", "kept"),
    [
        ("四川大学示例医院", ["示例西院"], "四川大学示例医院(又名示例西院)"),
        ("四川大学示例医院", ["华西"], "四川大学示例医院(又名华西)"),
        ("示例县人民医院", ["示例县医院", "老县院"], "示例县人民医院(示例县医院、老县院)"),
        ("示例县人民医院(示例县医院)", ["老县院"], "示例县人民医院(示例县医院)(又名老县院)"),
        ("示例县人民医院(东院区)", ["老县院"], "示例县人民医院(东院区)(又名老县院)"),
        ("示例县人民医院", [], "示例县人民医院"),
    ],
)
def test_the_column_of_second_names_never_locks_out(name: str, others: list[str], kept: str) -> None:
    assert with_second_names(name, others) == kept
    assert all(may_be(said, kept) for said in (name, *others, main_name(kept)))
    assert main_name(kept) == main_name(name)


@pytest.mark.parametrize(
    ("said", "county"),
    [
        *((f"{kind}医院", False) for kind in ("人民", "中", "中医", "中心", "藏", "口腔", "第一人民", "总")),
        *(("妇幼保健院", False), ("卫生院", False), ("县人民医院", True), ("县中医院", True)),
    ],
)
def test_a_name_that_every_county_has_says_nothing(said: str, county: bool) -> None:
    assert may_be(said, "示例县" + said.removeprefix("县")) is county


def test_what_a_name_stands_for_is_said_once() -> None:
    for said in ("示例县妇幼", "示例卫生院", "示例镇卫生院", "示例大学一附院", "示例社区中心", "县一院"):
        found = meanings(said)
        assert found[0] == said and len(found) == len(set(found)) <= 16
    assert set(meanings("县一院")) == {"县一院", "县第一人民医院", "县第一医院"}
    started = time.process_time()
    for _ in range(100):
        meanings("示例县妇幼保健院")
    assert time.process_time() - started < 0.2


def test_who_writes_is_read_without_spacy_and_jieba() -> None:
    """They cost a second and 100 MB, in the first turn of a newcomer."""
    code = (
        "import sys; from bot.doctors import parse, warm; warm();"
        "assert parse('示例县人民医院 13800000309 偶一', {})['name'] == '偶一';"
        "assert 'name' not in parse('示例县人民医院 13800000309 回头', {});"
        "assert not {'spacy', 'jieba'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

"""The menus of the seed are what WeChat takes and the bot hears; others are refused with what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.dialogue.menu import read_menu
from bot.dialogue.version import read_dialogue
from bot.model import Audience, Fault, MedrepError
from bot.settings import ROOT
from tests.content.conftest import SEED

DIALOGUE = read_dialogue(ROOT)


def test_the_seeds_menus() -> None:
    doctors, patients = (
        read_menu(audience, DIALOGUE, None) for audience in (Audience.DOCTOR, Audience.PATIENT)
    )
    assert doctors[0] == {"type": "click", "name": "今日一分钟", "key": "intent:visit_ask"}
    keys = [each["key"] for one in doctors for each in one.get("sub_button", [one])]
    assert "human" in keys and "intent:ask_help" in keys
    assert [one["name"] for one in patients] == ["使用帮助", "工作人员"]


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("[]", "at least 1"),
        ("- {name: 一, key: human}\n" * 4, "at most 3"),
        ("- {name: 一个太长的菜单名, key: human}", "longer than 16 bytes"),
        ("- {name: 一, key: human, url: 'https://a.cn'}", "one of key, url and below"),
        ("- {name: 一}", "one of key, url and below"),
        ("- {name: 一, below: [{name: 二, below: [{name: 三, key: human}]}]}", "nothing stands below"),
        ("- {name: 一, url: 'javascript:1'}", "not a web address"),
        ("- {name: 一, key: 'intent:no_such_thing'}", "nothing is known"),
        ("- {name: 一, key: 'entry:no-such-entry'}", "nothing is known"),
        ("- {name: 一, key: 'intent:visit_begin'}", "nothing is known"),
        ("- {name: 一, key: 'intent:verify'}", "nothing is known"),
        ("- {name: 一, key: 'medical_information:x'}", "nothing is known"),
        ("- {name: 一, key: V1001_TODAY_MUSIC}", "nothing is known"),
        ("- {name: 一, keys: human}", "Extra inputs"),
        ("just words", "menu.yaml"),
        ("- [", "not such a menu"),
    ],
)
def test_what_is_wrong_with_a_menu_is_said(tmp_path: Path, written: str, why: str) -> None:
    path = tmp_path / "menu.yaml"
    path.write_text(written, encoding="utf-8")
    with pytest.raises(MedrepError, match=why) as caught:
        read_menu(Audience.DOCTOR, DIALOGUE, None, path)
    assert caught.value.fault is Fault.BAD_INPUT


@pytest.mark.parametrize("key", ["medical_information", f"entry:{SEED.entries[0].id}"])
def test_what_speaks_of_products_is_in_no_menu_for_patients(tmp_path: Path, key: str) -> None:
    path = tmp_path / "menu.yaml"
    path.write_text(f"- {{name: 一, key: '{key}'}}", encoding="utf-8")
    assert read_menu(Audience.DOCTOR, DIALOGUE, SEED, path)
    with pytest.raises(MedrepError, match="nothing is known"):
        read_menu(Audience.PATIENT, DIALOGUE, SEED, path)


def test_a_menu_says_nothing_that_compliance_forbids(tmp_path: Path) -> None:
    path = tmp_path / "menu.yaml"
    path.write_text("- {name: 疗效最好, key: human}", encoding="utf-8")
    with pytest.raises(MedrepError) as caught:
        read_menu(Audience.DOCTOR, DIALOGUE, None, path)
    assert caught.value.fault is Fault.REFUSED_TEXT

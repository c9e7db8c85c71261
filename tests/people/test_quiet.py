"""Which words silence the bot, and which end it: fixed ones, and no guess."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bot.people.quiet import asks_quiet, asks_to_speak, besides

SETS: dict[str, dict[str, list[str]]] = yaml.safe_load(
    Path(__file__).with_name("quiet.yml").read_text(encoding="utf-8")
)


@pytest.mark.parametrize(("name", "floor"), [("tuned", 1.0), ("held_out", 0.85)])
def test_wishes_are_heard(name: str, floor: float) -> None:
    texts = SETS[name]
    lost = [text for text in texts["quiet"] if not asks_quiet(text) or asks_to_speak(text)]
    lost += [text for text in texts["speak"] if asks_quiet(text) or not asks_to_speak(text)]
    assert 1 - len(lost) / (len(texts["quiet"]) + len(texts["speak"])) >= floor, lost


@pytest.mark.parametrize("name", ["tuned", "held_out"])
def test_nothing_else_is_taken_for_one(name: str) -> None:
    assert [text for text in SETS[name]["neither"] if asks_quiet(text) or asks_to_speak(text)] == []


@pytest.mark.parametrize("text", ["别说话" * 30_000, "别" * 100_000, ""])
def test_a_long_text_is_none(text: str) -> None:
    assert not asks_quiet(text) and not asks_to_speak(text)


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("你说吧，二甲双胍肾功能不全能用吗", "二甲双胍肾功能不全能用吗"),
        ("可以说话了 氨氯地平漏服怎么办？", "氨氯地平漏服怎么办"),
        ("算了你回答吧，缬沙坦孕妇能用吗", "缬沙坦孕妇能用吗"),
        ("不等了\n二甲双胍能减肥吗", "二甲双胍能减肥吗"),
        ("好的，不等了，你说吧", ""),
        ("你说吧，谢谢", ""),
        ("嗯\n你说吧", ""),
    ],
)
def test_what_is_asked_beside_it_is_left(text: str, rest: str) -> None:
    assert besides(text) == rest

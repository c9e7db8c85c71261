"""A plan and nothing else is no case; whatever stands beside it may be one."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bot.model import Audience
from bot.patients import is_plan_alone
from bot.safety import read_case, screen, tells

ROWS = yaml.safe_load((Path(__file__).parent / "beside_plans.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("what", "text"), ROWS, ids=lambda one: one)
def test_plans_and_what_came_of_them(what: str, text: str) -> None:
    assert is_plan_alone(text) == (what == "plan")
    found = screen(text, Audience.PATIENT).adverse_event
    if what == "plan":
        assert not found
    elif what == "told":
        assert found or tells(text, Audience.PATIENT)


@pytest.mark.parametrize(
    "text", ["一次20片，一天三次", "早上一片" + "，晚上一片" * 40, "一片", "每天早上", "昨天早上吃了两片", ""]
)
def test_what_is_not_taken_for_one(text: str) -> None:
    """An amount nobody is told to take, no time, no amount, the past."""
    assert not is_plan_alone(text)


@pytest.mark.parametrize(
    ("text", "reactions"),
    [
        ("吃了药胃不舒服", ("胃不适",)),
        ("吃了药肚子有点难受", ("肚子不适",)),
        ("打完针胳膊很不舒服", ("胳膊不适",)),
        ("吃了药眼睛不太舒服", ("眼睛不适",)),
        ("吃了药不舒服", ()),
        ("吃了药浑身难受", None),
        ("吃了药不太舒服", ()),
        ("吃了药我担心不舒服", ()),
    ],
)
def test_where_it_hurts_is_a_reaction(text: str, reactions: tuple[str, ...] | None) -> None:
    case = read_case(text, Audience.PATIENT)
    if reactions is not None:
        assert case.reactions == reactions
        assert ("reaction" in case.missing) == (not reactions)

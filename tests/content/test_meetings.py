"""Meetings as content: what an import refuses, and what is in force at this moment."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.content import import_content, meetings_in_force, meetings_known, publish, withdraw
from bot.content.meetings import ahead, meeting_faults
from bot.knowledge import Content, parse
from bot.model import Fault, MedrepError
from tests.approved import approved
from tests.content.conftest import NOW, SEED, Shelf

START = (NOW + timedelta(days=7)).replace(microsecond=0)
FIELDS: dict[str, Any] = {
    "id": "lecture",
    "topic": "基层高血压规范管理",
    "speaker": "虚教授",
    "host": "示例制药",
    "starts_at": START.isoformat(),
    "ends_at": (START + timedelta(hours=1)).isoformat(),
    "place": "示例县中心医院三楼会议室",
}


def read(**change: Any) -> Content:
    return parse({"meetings.yaml": {"meetings": [FIELDS | change]}})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"ends_at": (START - timedelta(hours=1)).isoformat()}, "ends before it starts"),
        ({"ends_at": (START + timedelta(days=40)).isoformat()}, "longer than 3 days"),
        ({"place": None}, "neither a place nor a link"),
        ({"starts_at": "下周三晚上"}, "starts_at"),
        ({"starts_at": 20270616}, "not a moment"),
        ({"link": "http://meeting.example.com"}, "link"),
        ({"topic": "规范管理。您一定要来！"}, "topic"),
        ({"product": "unheard-of"}, "unknown product"),
        ({"fee": "200元"}, "fee"),
    ],
)
def test_what_does_not_hold_together_is_refused_with_its_cause(change: dict[str, Any], why: str) -> None:
    with pytest.raises(MedrepError) as refused:
        read(**change)
    assert refused.value.fault == Fault.BAD_INPUT
    assert why in str(refused.value.detail) and "meetings lecture" in str(refused.value.detail)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"starts_at": "2020-01-01 19:00", "ends_at": "2020-01-01 20:00"}, "over on 2020-01-01 20:00"),
        ({"starts_at": "2099-01-01 19:00", "ends_at": "2099-01-01 20:00"}, "days ahead"),
        ({"topic": "规范管理研讨暨欢迎晚宴"}, "meeting_benefit"),
        ({"place": "示例酒店（会后聚餐）"}, "meeting_benefit"),
        ({"credit": "参会积分可兑换"}, "meeting_benefit"),
        ({"speaker": "虚教授，讲课费另计"}, "meeting_benefit"),
        ({"topic": "参会有礼品赠送"}, "meeting_benefit"),
        ({"topic": "参会报销路费"}, "meeting_benefit"),
        ({"topic": "本品疗效最好的降压药"}, "rules"),
    ],
)
async def test_an_import_refuses_what_is_over_and_what_no_meeting_gives(
    shelf: Shelf, change: dict[str, Any], why: str
) -> None:
    with pytest.raises(MedrepError) as refused:
        async with shelf.db.begin() as tx:
            await import_content(tx, read(**change), "author", NOW)
    assert refused.value.fault == Fault.REFUSED_TEXT
    assert "meetings lecture" in str(refused.value.detail)
    assert why == "rules" or why in str(refused.value.detail)


def test_words_that_only_sound_like_it_are_right() -> None:
    content = read(topic="餐后血糖与早餐前血糖的管理", credit="继续教育学分2分")
    assert not list(meeting_faults(content, {("meetings", "lecture")}, NOW))


async def test_what_was_fine_when_it_was_approved_and_is_over_is_not_published(shelf: Shelf) -> None:
    drafts = await approved(shelf.db, read(), NOW)
    with pytest.raises(MedrepError) as refused:
        await publish(shelf.db, drafts, "test", NOW + timedelta(days=8), shelf.encoder, shelf.folder)
    assert "it was over" in str(refused.value.detail)
    await publish(shelf.db, drafts, "test", NOW, shelf.encoder, shelf.folder)
    async with shelf.db.begin() as tx:
        again = await import_content(tx, read(), "author", NOW + timedelta(days=8))
    assert not again.drafts, "a folder that still has it is no fault"


async def test_the_rows_say_at_once_what_is_in_force(shelf: Shelf) -> None:
    await publish(shelf.db, await approved(shelf.db, read(), NOW), "test", NOW, shelf.encoder, shelf.folder)
    later = (START + timedelta(days=1)).isoformat(), (START + timedelta(days=1, hours=1)).isoformat()
    moved = read(starts_at=later[0], ends_at=later[1])
    await publish(shelf.db, await approved(shelf.db, moved, NOW), "test", NOW, shelf.encoder, shelf.folder)
    async with shelf.db.begin() as tx:
        (found,) = await meetings_in_force(tx)
    assert found == moved.meetings[0]
    revision = (await shelf.revision("lecture")).id
    await withdraw(shelf.db, revision, "yi-xue", "试", NOW, shelf.encoder, shelf.folder)
    async with shelf.db.begin() as tx:
        assert not await meetings_in_force(tx)
        ((known),) = await meetings_known(tx)
    assert (known.meeting, known.in_force) == (moved.meetings[0], False), "as it was last announced"


def test_the_seed_has_one_and_leaves_out_what_is_over() -> None:
    (demo,) = SEED.meetings
    assert "演示" in demo.topic
    assert ahead(SEED, demo.ends_at - timedelta(hours=1)) == SEED
    assert not ahead(SEED, demo.ends_at).meetings

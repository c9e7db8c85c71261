"""Which value holds, where it came from, and how sure it is."""

from __future__ import annotations

import pytest

from bot import profiles
from bot.model import Fault, MedrepError
from bot.profiles.said import read_said
from bot.profiles.tags import note_said
from tests.profiles.conftest import Clinic


async def say(clinic: Clinic, number: int, text: str, evidence: str = "message:1") -> None:
    contact = await clinic.contact(number)
    async with clinic.services.db.begin() as tx:
        await note_said(tx, contact, read_said(text).statements, [evidence], clinic.now)


async def test_the_list_gives_the_basic_tags_and_interests(clinic: Clinic) -> None:
    profile = await clinic.profile(await clinic.listed(1))
    tags = {(tag["name"], tag["value"]): tag for tag in profile["tags"]}
    assert set(tags) == {
        *(("title", "主治医师"), ("department", "心内科"), ("tier", "二级甲等"), ("region", "示例市")),
        *(("interest", "高血压"), ("interest", "糖尿病")),
    }
    one = tags["department", "心内科"]
    assert (one["source"], one["confidence"], one["evidence"]) == ("import", 0.8, ["list"])
    assert one["date"].startswith("2026-11-27")
    assert (
        profile["affiliations"][0]["hospital"] == "示例县人民医院" and profile["affiliations"][0]["primary"]
    )


async def test_what_is_said_wins_over_the_list_and_fades_below_a_newer_one(clinic: Clinic) -> None:
    doctor = await clinic.listed(1)
    await say(clinic, 1, "我现在在内分泌科坐诊", "message:7")
    assert (await clinic.held(doctor))["department"] == ["内分泌科"]
    (said,) = [tag for tag in (await clinic.profile(doctor))["tags"] if tag["source"] == "said"]
    assert said["evidence"] == ["message:7"] and said["confidence"] == 0.9
    clinic.later(days=400)
    await clinic.listed(1, 科室="全科")  # a list of today
    assert (await clinic.held(doctor))["department"] == ["全科"]


async def test_a_later_word_replaces_the_earlier_one(clinic: Clinic) -> None:
    doctor = await clinic.listed(1)
    await say(clinic, 1, "别给我发长文", "message:1")
    clinic.later(hours=1)
    await say(clinic, 1, "发个表就行", "message:2")
    assert (await clinic.held(doctor))["format"] == ["chart"]
    ended = await clinic.rows("SELECT value, ended_why FROM profile_tag WHERE ended_at IS NOT NULL")
    assert ended == [("brief", "replaced")], "history is kept"


async def test_the_newest_wish_holds_whoever_wrote_it_down(clinic: Clinic) -> None:
    doctor = await clinic.listed(1)
    await say(clinic, 1, "别打电话发微信")
    clinic.later(hours=1)
    async with clinic.services.db.begin() as tx:
        await profiles.note_by_colleague(tx, clinic.people[doctor], "channel", "visit", "wang", clinic.now)
    assert (await clinic.held(doctor))["channel"] == ["visit"]
    clinic.later(hours=1)
    await say(clinic, 1, "微信联系就行", "message:2")
    assert (await clinic.held(doctor))["channel"] == ["wechat"]


async def test_what_is_no_longer_so_is_withdrawn(clinic: Clinic) -> None:
    doctor = await clinic.listed(1)
    await say(clinic, 1, "我主要看糖尿病和血脂")
    whom = clinic.people[doctor]
    async with clinic.services.db.begin() as tx:
        await profiles.withdraw_tag(tx, whom, "interest", "血脂异常", "wang", clinic.now)
    assert (await clinic.held(doctor))["interest"] == ["糖尿病", "高血压"]
    with pytest.raises(MedrepError) as error:
        async with clinic.services.db.begin() as tx:
            await profiles.withdraw_tag(tx, whom, "interest", "血脂异常", "wang", clinic.now)
    assert error.value.fault == Fault.NOT_FOUND


async def test_the_same_message_counts_once(clinic: Clinic) -> None:
    await clinic.listed(1)
    for evidence in ("message:1", "message:1", "message:2"):
        await say(clinic, 1, "我主要看糖尿病", evidence)
    rows = await clinic.rows("SELECT value, times, evidence FROM profile_tag")
    assert rows == [("糖尿病", 2, ["message:1", "message:2"])]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("prescription_volume", "100"),
        ("interest", "二甲双胍处方量大"),
        ("interest", "月销量200盒"),
        ("interest", "處方 量"),
        ("product", "metformin"),
        ("format", "long"),
        ("best_time", "monday"),
        ("department", ""),
    ],
)
async def test_what_may_not_be_known_is_refused(clinic: Clinic, name: str, value: str) -> None:
    doctor = await clinic.listed(1)
    with pytest.raises(MedrepError) as error:
        async with clinic.services.db.begin() as tx:
            await profiles.note_by_colleague(tx, clinic.people[doctor], name, value, "wang", clinic.now)
    assert error.value.fault == Fault.BAD_INPUT
    assert await clinic.rows("SELECT count(*) FROM profile_tag") == [(0,)]


async def test_prescription_volume_in_a_list_is_no_tag(clinic: Clinic) -> None:
    doctor = await clinic.listed(1, 关注领域="高血压、处方量大、月均用药量")
    assert (await clinic.held(doctor))["interest"] == ["高血压"]


def test_best_times_are_times() -> None:
    assert profiles.span("fri:morning") == ({4}, 6, 12)
    assert profiles.span("any:any") == ({0, 1, 2, 3, 4, 5, 6}, 0, 24)
    assert profiles.span("workday:morning") == ({0, 1, 2, 3, 4}, 6, 12)
    assert profiles.span("weekend:afternoon") == ({5, 6}, 14, 18)
    assert profiles.span("any:evening:20") == ({0, 1, 2, 3, 4, 5, 6}, 20, 24)
    assert profiles.span("monday") is None


async def test_several_affiliations_one_primary(clinic: Clinic) -> None:
    doctor = await clinic.listed(1)
    async with clinic.services.db.begin() as tx:
        whom = clinic.people[doctor]
        await profiles.add_affiliation(tx, whom, "示例镇卫生院", "wang", clinic.now, department="全科")
    places = (await clinic.profile(doctor))["affiliations"]
    assert [(one["hospital"], one["primary"]) for one in places] == [
        ("示例县人民医院", True),
        ("示例镇卫生院", False),
    ]
    async with clinic.services.db.begin() as tx:
        await profiles.add_affiliation(tx, whom, "示例市中医院", "wang", clinic.now, main=True)
    places = (await clinic.profile(doctor))["affiliations"]
    assert [one["hospital"] for one in places if one["primary"]] == ["示例市中医院"]
    assert len(places) == 3
    async with clinic.services.db.begin() as tx:
        await profiles.end_affiliation(tx, whom, "示例市中医院", "wang", clinic.now)
    places = (await clinic.profile(doctor))["affiliations"]
    assert [one["hospital"] for one in places if one["primary"]] == ["示例县人民医院"]

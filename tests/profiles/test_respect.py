"""What people say of their data is heard; a correction is decided by a steward."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot import profiles
from bot.compliance import check_text
from bot.model import Audience, Fault, MedrepError
from bot.profiles import Wish, correction_of, wish_of
from bot.profiles.respect import Correction, besides_wish
from bot.profiles.said import read_said
from bot.profiles.tags import note_said
from bot.staff import Role
from bot.store import outbox
from tests.profiles.conftest import Clinic

SETS: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("respect.yml").read_text(encoding="utf-8"))
CARDIOLOGY = Correction("department", "心血管内科")


@pytest.mark.parametrize("wish", [*Wish, None])
def test_wishes(wish: Wish | None) -> None:
    texts = SETS[wish.value if wish else "nothing"]
    assert [text for text in texts if wish_of(text) != wish] == []


def test_what_is_asked_beside_a_wish() -> None:
    assert besides_wish("别分析我，二甲双胍肾功能不全能用吗？谢谢") == "二甲双胍肾功能不全能用吗？"
    assert besides_wish("您好，别分析我，谢谢") == ""


def test_corrections() -> None:
    for text, wanted in SETS["corrections"].items():
        assert correction_of(text) == Correction(*wanted), text
    for text in SETS["no_correction"]:
        assert correction_of(text) is None, text


def test_it_is_linear() -> None:
    began = time.process_time()
    for piece in ("别分析", "你们有我", "科室写错了"):
        wish_of(piece * 20_000)
        correction_of(piece * 20_000)
    assert time.process_time() - began < 0.5


async def asked(clinic: Clinic, wanted: Correction = CARDIOLOGY) -> int:
    contact, services = await clinic.contact(1), clinic.services
    async with services.db.begin() as tx:
        await profiles.request_change(
            tx, services.vault, contact, wanted, "科室写错了，我是心内科的", "turn:1", clinic.now
        )
        (change,) = await profiles.read_changes(tx, services.vault, clinic.now)
    return change.task


async def decided(clinic: Clinic, task: int, login: str, *, accept: bool) -> None:
    async with clinic.services.db.begin() as tx:
        await profiles.decide_change(tx, clinic.services, task, login, clinic.now, accept=accept)


async def sent(clinic: Clinic) -> list[str]:
    rows = await clinic.rows("SELECT basis FROM outbox ORDER BY id")
    return [str(basis).partition("@")[0] for (basis,) in rows]


async def test_only_a_steward_decides_and_once(clinic: Clinic) -> None:
    await clinic.listed(1, 科室="全科")
    task = await asked(clinic)
    assert await asked(clinic) == task, "asked again it is the same request"
    await clinic.colleague("rep", Role.REP)
    await clinic.colleague("admin", Role.ADMIN)
    with pytest.raises(MedrepError) as error:
        await decided(clinic, task, "rep", accept=True)
    assert error.value.fault == Fault.CONFLICT
    await decided(clinic, task, "admin", accept=False)
    assert (await clinic.held("D1"))["department"] == ["全科"]
    with pytest.raises(MedrepError):
        await decided(clinic, task, "admin", accept=True)
    assert await clinic.rows("SELECT state, outcome FROM task") == [("done", "declined")]
    assert [one.state for one in await all_changes(clinic)] == ["declined"]


async def all_changes(clinic: Clinic) -> list[profiles.Change]:
    async with clinic.services.db.begin() as tx:
        return await profiles.read_changes(tx, clinic.services.vault, clinic.now, waiting=False)


async def test_what_is_accepted_outlives_the_next_list(clinic: Clinic) -> None:
    await clinic.listed(1, 科室="全科")
    task = await asked(clinic)
    await clinic.colleague("boss", Role.MANAGER)
    await decided(clinic, task, "boss", accept=True)
    assert (await clinic.held("D1"))["department"] == ["心血管内科"]
    clinic.later(days=30)
    await clinic.listed(1, 科室="全科", 职称="副主任医师")
    held = await clinic.held("D1")
    assert (held["department"], held["title"]) == (["心血管内科"], ["副主任医师"])
    (tag,) = [one for one in (await clinic.profile("D1"))["tags"] if one["source"] == "colleague"]
    assert tag["by"] == "boss" and tag["evidence"] == [f"task:{task}", "turn:1"]


async def test_a_corrected_hospital_becomes_the_primary_affiliation(clinic: Clinic) -> None:
    await clinic.listed(1)
    task = await asked(clinic, Correction("hospital", "示例县中医医院"))
    await clinic.colleague("boss", Role.MANAGER)
    await decided(clinic, task, "boss", accept=True)
    places = (await clinic.profile("D1"))["affiliations"]
    assert [(one["hospital"], one["primary"]) for one in places] == [
        ("示例县中医医院", True),
        ("示例县人民医院", False),
    ]


async def test_the_doctor_is_told(clinic: Clinic) -> None:
    await clinic.listed(1, 科室="全科")
    task = await asked(clinic)
    await clinic.colleague("boss", Role.MANAGER)
    await decided(clinic, task, "boss", accept=True)
    services = clinic.services
    (number,) = [number for (number,) in await clinic.rows("SELECT id FROM outbox")]
    async with services.db.begin() as tx:
        row = (await clinic.rows("SELECT purpose, state FROM outbox WHERE id = :id", id=number))[0]
        choices = await outbox.choices(tx, services.vault, (await clinic.contact(1)).id, number)
    assert row == ("reply", "waiting") and choices == ()


async def test_what_is_held_is_told_in_one_message_that_may_leave(clinic: Clinic) -> None:
    await clinic.listed(1)
    contact = await clinic.contact(1)
    async with clinic.services.db.begin() as tx:
        statements = read_said("我主要看糖尿病，以后周五下午联系我").statements
        await note_said(tx, contact, statements, ["message:1"], clinic.now)
        held = await profiles.held_text(tx, contact.person_id, clinic.now, {"metformin": "二甲双胍"})
    assert held.splitlines() == [
        "· 姓名、电话：公司名单，这里不显示",
        "· 执业单位：示例县人民医院（公司名单，2026年11月27日）",
        "· 职称：主治医师（公司名单，2026年11月27日）",
        "· 科室：心内科（公司名单，2026年11月27日）",
        "· 医院等级：二级甲等（公司名单，2026年11月27日）",
        "· 地区：示例市（公司名单，2026年11月27日）",
        "· 方便联系的时间：周五下午（您本人说的，2026年11月27日）",
        "· 关注领域：糖尿病（您本人说的，2026年11月27日）；高血压（公司名单，2026年11月27日）",
    ]
    dialogue = clinic.services.published.dialogue
    text = dialogue.text("utter_profile", held=held)
    assert dialogue.filled("utter_profile", text, Audience.DOCTOR) == {"held": held}
    assert check_text(text, Audience.DOCTOR) == ()
    forged = text.replace("· 科室：", "· 好消息：")
    assert dialogue.filled("utter_profile", forged, Audience.DOCTOR) is None
    for name in ("utter_profiling_terms", "utter_profiling_refused", "utter_change_requested"):
        assert check_text(dialogue.text(name), Audience.DOCTOR) == (), name

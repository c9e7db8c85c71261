"""What people say of their data is heard; a correction is decided by a steward."""

from __future__ import annotations

import time

import pytest

from bot import profiles
from bot.model import Fault, MedrepError
from bot.profiles import Wish, correction_of, wish_of
from bot.profiles.respect import Correction
from bot.staff import Role
from bot.store import outbox
from tests.profiles.conftest import Clinic


@pytest.mark.parametrize(
    ("wish", "texts"),
    [
        (
            Wish.SEE,
            (
                *(
                    "你们有我什么资料",
                    "资料哪来的",
                    "你们有我哪些信息",
                    "我的电话你们哪儿来的",
                    "谁给你们我的电话",
                ),
                *(
                    "你们怎么知道我的名字",
                    "我的资料有哪些",
                    "给我打了什么标签",
                    "你们有没有给我打标签",
                    "查看我的个人信息",
                ),
                *("您好，请问你们记录了我哪些信息？", "你们都记录了我什么", "从哪弄到我的电话"),
            ),
        ),
        (
            Wish.REFUSE,
            (
                *("别分析我", "不要给我贴标签", "请不要对我进行画像", "不同意分析我", "以后不要给我打标签了"),
                *(
                    "拒绝画像",
                    "把我的标签删了",
                    "不要分析我的数据",
                    "别给我做画像",
                    "我不想被你们分析",
                    "别分析我，谢谢",
                ),
            ),
        ),
        (Wish.AGREE, ("同意分析", "我同意你们分析我的资料", "可以分析我", "恢复分析")),
        (
            None,
            (
                *(
                    "别分析了，直接说结论",
                    "不要分析我的病人",
                    "你们有二甲双胍什么资料",
                    "有什么资料",
                    "二甲双胍资料哪来的",
                ),
                *(
                    "这个数据哪里来的",
                    "帮我分析一下",
                    "病人不同意分析",
                    "可以分析一下这个病例吗",
                    "我的病人资料有哪些",
                ),
                *("别给我发了", "分析我的病例", "我们主任说别分析", "同意", ""),
            ),
        ),
    ],
)
def test_wishes(wish: Wish | None, texts: tuple[str, ...]) -> None:
    assert [text for text in texts if wish_of(text) != wish] == []


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("科室写错了，我是心内科的", Correction("department", "心血管内科")),
        ("科室不对 我是全科的", Correction("department", "全科医学科")),
        ("我不是全科的，是心内科的，科室登记错了", Correction("department", "心血管内科")),
        ("职称写错了，应该是副主任医师", Correction("title", "副主任医师")),
        ("把我的职称改成主治", Correction("title", "主治医师")),
        ("医院名字写错了，应该是示例县中医医院", Correction("hospital", "示例县中医医院")),
        ("我调到县医院了", Correction("hospital", "县医院")),
        ("单位改成示例市人民医院", Correction("hospital", "示例市人民医院")),
        *(
            (text, None)
            for text in ("科室写错了", "手机号写错了", "我是心内科的", "你说的不对，我是心内科的")
        ),
        *(
            (text, None)
            for text in ("病人科室写错了，是心内科的", "剂量写错了吧，应该是500mg", "科室写错了吗")
        ),
    ],
)
def test_corrections(text: str, wanted: Correction | None) -> None:
    assert correction_of(text) == wanted


def test_it_is_linear() -> None:
    began = time.process_time()
    for piece in ("别分析", "你们有我", "科室写错了"):
        wish_of(piece * 20_000)
        correction_of(piece * 20_000)
    assert time.process_time() - began < 0.5


async def asked(clinic: Clinic, wanted: Correction = Correction("department", "心血管内科")) -> int:
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

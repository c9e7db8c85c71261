"""A visit that a colleague made themselves: five fields, reviewed as a summary, and never one of the AI's."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from bot import staff
from bot.model import Fault, MedrepError
from bot.privacy import erase_person, export_person
from bot.staff import Role
from bot.store.reviewed import OWN_VISIT
from bot.visits import (
    OwnVisitEntry,
    amend_own_visit,
    approve_own_visit,
    edit_own_visit,
    log_own_visit,
    summaries_of,
)
from tests.console.conftest import list_doctor
from tests.locks import begun
from tests.stage import Stage


@pytest.fixture
async def doctor(stage: Stage) -> UUID:
    """周代表's doctor, who writes to us; zhou is a rep, wei of medical."""
    await stage.phone.send(type="text", content="您好", wait=True)
    now = stage.services.clock.now()
    async with stage.services.db.begin() as tx:
        await staff.add(tx, "zhou", [Role.REP], now, by="test")
        await staff.add(tx, "wei", [Role.MEDICAL], now, by="test")
    ((rep,),) = await stage.rows("SELECT id FROM staff WHERE login = 'zhou'")
    return await list_doctor(stage, await stage.contact(), "T-1", "陈甲", rep)


def entry(stage: Stage, **parts: Any) -> OwnVisitEntry:
    at = stage.services.clock.now().replace(second=0, microsecond=0) - timedelta(hours=1)
    whole = OwnVisitEntry(at, "县医院门诊", "二甲双胍", "介绍了肾功能不全患者的用法用量。", "下周送资料")
    return replace(whole, **parts)


async def logged(stage: Stage, doctor: UUID, login: str = "zhou", **parts: Any) -> int:
    services, now = stage.services, stage.services.clock.now()
    async with services.db.begin() as tx:
        return await log_own_visit(tx, services.vault, doctor, entry(stage, **parts), login, now)


async def changed(stage: Stage, own: int, seen: int, reason: str | None = None, **parts: Any) -> int:
    services, now = stage.services, stage.services.clock.now()
    async with services.db.begin() as tx:
        new, vault = entry(stage, **parts), services.vault
        if reason is None:
            return await edit_own_visit(tx, vault, own, seen, new, "zhou", now)
        return await amend_own_visit(tx, vault, own, seen, new, reason, "zhou", now)


async def approved(stage: Stage, own: int, seen: int, login: str = "zhou") -> None:
    async with stage.services.db.begin() as tx:
        await approve_own_visit(tx, own, seen, login, stage.services.clock.now())


async def test_it_is_logged_edited_approved_and_amended_and_every_version_is_kept(
    stage: Stage, doctor: UUID
) -> None:
    own = await logged(stage, doctor)
    assert await stage.rows("SELECT state, version, contact_id FROM own_visit") == [("draft", 1, None)]
    assert await changed(stage, own, 1, place="县医院住院部") == 2
    await approved(stage, own, 2)
    with pytest.raises(MedrepError) as refused:
        await changed(stage, own, 2, place="别处")
    assert refused.value.fault == Fault.CONFLICT
    assert await changed(stage, own, 2, "地点写错", place="县医院药房") == 3
    assert await stage.rows("SELECT state, version, approved_by FROM own_visit") == [("amended", 3, "zhou")]
    rows = await stage.rows("SELECT kind, login, person_id, body_enc FROM own_visit_version ORDER BY number")
    said = []
    async with stage.services.db.begin() as tx:
        for kind, login, person, body in rows:
            told = json.loads(await stage.services.vault.open_text(tx, person, bytes(body), OWN_VISIT.place))
            said.append((kind, login, told["label"], told["place"], told.get("reason")))
    assert said == [
        ("entry", "zhou", "代表拜访", "县医院门诊", None),
        ("edit", "zhou", "代表拜访", "县医院住院部", None),
        ("amendment", "zhou", "代表拜访", "县医院药房", "地点写错"),
    ]
    kinds = await stage.rows("SELECT kind FROM evidence WHERE kind LIKE 'own_visit.%' ORDER BY id")
    assert [kind for (kind,) in kinds] == [
        *("own_visit.logged", "own_visit.edited", "own_visit.approved", "own_visit.amended")
    ]


async def test_it_is_no_visit_of_the_ais(stage: Stage, doctor: UUID) -> None:
    await logged(stage, doctor)
    async with stage.services.db.begin() as tx:
        assert await summaries_of(tx, stage.services.vault) == []
    assert await stage.rows("SELECT count(*) FROM visit") == [(0,)]
    told = await export_person(stage.services.db, stage.services.vault, external_id="T-1")
    assert told["visits"] == [] and len(told["own_visits"]) == 1
    assert told["own_visits"][0]["versions"][0]["says"]["label"] == "代表拜访"


@pytest.mark.parametrize(
    "parts",
    [
        {"place": ""},
        {"topics": "  "},
        {"discussed": ""},
        {"discussed": "长" * 2001},
        {"next_step": "长" * 301},
    ],
)
async def test_what_is_missing_or_too_long_is_named(
    stage: Stage, doctor: UUID, parts: dict[str, str]
) -> None:
    with pytest.raises(MedrepError) as refused:
        await logged(stage, doctor, **parts)
    assert (refused.value.fault, refused.value.detail) == (Fault.BAD_INPUT, next(iter(parts)))
    assert await stage.rows("SELECT count(*) FROM own_visit") == [(0,)]


async def test_nobody_visits_tomorrow_or_without_the_role(stage: Stage, doctor: UUID) -> None:
    tomorrow = stage.services.clock.now() + timedelta(days=1)
    with pytest.raises(MedrepError) as refused:
        await logged(stage, doctor, visited_at=tomorrow)
    assert refused.value.detail == "visited_at"
    with pytest.raises(MedrepError):
        await logged(stage, doctor, "wei")
    own = await logged(stage, doctor, next_step="")
    for stale in (
        changed(stage, own, 7, place="别处"),
        approved(stage, own, 7),
        approved(stage, own, 1, "wei"),
    ):
        with pytest.raises(MedrepError):
            await stale
    with pytest.raises(MedrepError) as same:
        await changed(stage, own, 1, next_step="")
    assert same.value.fault == Fault.BAD_INPUT
    assert await stage.rows("SELECT state, version FROM own_visit") == [("draft", 1)]


async def test_its_words_are_held_to_the_rules_and_a_reaction_in_them_is_a_case(
    stage: Stage, doctor: UUID
) -> None:
    with pytest.raises(MedrepError) as refused:
        await logged(stage, doctor, discussed="告诉医生二甲双胍是最好的降糖药。")
    assert refused.value.fault == Fault.REFUSED_TEXT and "absolute_claim" in refused.value.detail
    reaction = "医生提到一位65岁男患者服用二甲双胍后出现皮疹，已停药。"
    own = await logged(stage, doctor, discussed=reaction)
    assert await stage.rows("SELECT kind, contact_id IS NOT NULL FROM task") == [("adverse_event", True)]
    await changed(stage, own, 1, discussed=reaction, place="县医院药房")
    assert await stage.rows("SELECT count(*) FROM task") == [(1,)], "words that stood there make no second"


async def test_a_reaction_told_of_a_doctor_without_a_contact_is_a_case_too(
    stage: Stage, doctor: UUID
) -> None:
    await stage.write("UPDATE contact SET audience = 'doctor', person_id = :new", new=await newcomer(stage))
    reaction = "医生提到一位65岁男患者服用二甲双胍后出现皮疹，已停药。"
    await logged(stage, doctor, discussed=reaction)
    assert await stage.rows("SELECT kind, owner_role FROM task") == [("adverse_event", "pv")]
    facts = await stage.rows("SELECT facts->>'detail' FROM evidence WHERE kind = 'task.opened'")
    assert facts == [("",)], "its words stand in no record in clear"


async def newcomer(stage: Stage) -> UUID:
    async with stage.services.db.begin() as tx:
        return await stage.services.vault.create(tx, "newcomer", stage.services.clock.now())


async def test_nothing_is_logged_of_who_is_just_being_erased(stage: Stage, doctor: UUID) -> None:
    """The entry would stay: the erasure does not see it."""
    gone = await newcomer(stage)
    async with stage.services.db.begin() as tx:
        await tx.execute(text("SELECT FROM person WHERE id = :id FOR UPDATE"), {"id": gone})
        logging = await begun(stage.services.db, logged(stage, gone))
        await tx.execute(text("UPDATE person SET erased_at = now() WHERE id = :id"), {"id": gone})
    with pytest.raises(MedrepError) as refused:
        await logging
    assert refused.value.fault == Fault.ERASED
    assert await stage.rows("SELECT count(*) FROM own_visit") == [(0,)]


async def test_an_erasure_takes_it_along(stage: Stage, doctor: UUID) -> None:
    await logged(stage, doctor)
    await erase_person(stage.services, external_id="T-1", by="test")
    assert await stage.rows("SELECT count(*) FROM own_visit") == [(0,)]

"""What is to be done next for whom, why, and what became of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot import profiles
from bot.model import Fault, MedrepError, Purpose
from bot.people import consent
from bot.profiles import Suggestion
from bot.profiles.said import read_said
from bot.profiles.tags import note_said
from bot.staff import Role
from bot.tasks import Kind, open_task
from tests.profiles.conftest import Clinic, content


async def made(clinic: Clinic, *, every: bool = False, rep: str | None = None) -> list[Suggestion]:
    async with clinic.services.db.begin() as tx:
        await profiles.make_suggestions(tx, clinic.now)
        return await profiles.read_suggestions(tx, clinic.services.vault, every=every, rep=rep)


async def opened(clinic: Clinic, number: int, kind: Kind) -> int:
    contact = await clinic.contact(number)
    async with clinic.services.db.begin() as tx:
        task_id, _ = await open_task(
            tx, clinic.services.vault, kind, now=clinic.now, contact=contact, detail="二甲双胍能减肥吗"
        )
    return task_id


async def said(clinic: Clinic, number: int, text: str) -> None:
    contact = await clinic.contact(number)
    async with clinic.services.db.begin() as tx:
        await note_said(tx, contact, read_said(text).statements, ["message:1"], clinic.now)


async def test_an_overdue_request_is_the_next_action(clinic: Clinic) -> None:
    await clinic.listed(1)
    task_id = await opened(clinic, 1, Kind.HAND_OVER)
    assert await made(clinic) == [], "there is time"
    clinic.later(days=5)
    (one,) = await made(clinic)
    assert (one.external_id, one.rep, one.rule, one.subject) == (
        *("D1", "王代表", "overdue_request", f"task:{task_id}"),
    )
    assert one.reason == "11月27日提出找同事，应在11月30日10:00前联系，尚未处理"
    assert [found.id for found in await made(clinic)] == [one.id], "made once"
    await clinic.listed(2)
    await opened(clinic, 2, Kind.HAND_OVER)
    clinic.later(days=8)
    newest, *_, oldest = await made(clinic, every=True)
    assert oldest.state == "expired"
    assert newest.id == one.id + 1, "what is open is not put again, hour by hour"


@pytest.mark.parametrize(
    "kind", [Kind.MEDICAL_INFORMATION, Kind.ADVERSE_EVENT, Kind.COMPLIANCE, Kind.MATERIAL, Kind.EMERGENCY]
)
async def test_what_is_no_reps_business_is_no_suggestion(clinic: Clinic, kind: Kind) -> None:
    await clinic.listed(1)
    await opened(clinic, 1, kind)
    clinic.later(days=20)
    assert await made(clinic) == []


async def test_an_interest_that_nothing_was_sent_for(clinic: Clinic) -> None:
    doctor = await clinic.listed(1)
    await said(clinic, 1, "我主要看糖尿病和哮喘")
    (one,) = await made(clinic)
    assert (one.rule, one.subject) == ("unanswered_interest", "interest:糖尿病"), "we have nothing on asthma"
    assert "11月27日说主要关注糖尿病" in one.reason
    (entry, *_) = [found.id for found in content().entries if found.product == "metformin"]
    for _ in range(2):
        clinic.later(hours=1)
        await clinic.wrote(1, clinic.now, route="answer", entries=(entry,))
    await clinic.derived()
    assert await made(clinic) == []
    assert (await clinic.profile(doctor))["suggestions"][0]["state"] == "moot"


async def test_nobody_who_cannot_be_reached_is_suggested(clinic: Clinic) -> None:
    for number in (1, 2, 3, 4):
        await clinic.listed(number)
    unreachable, stopped, refusing = [await clinic.contact(number) for number in (1, 2, 3)]
    async with clinic.services.db.begin() as tx:
        await profiles.refuse(tx, refusing, clinic.now)
        await consent.withdraw(tx, stopped, Purpose.SERVICE, clinic.now, source="test")
    await clinic.rows(
        "UPDATE contact SET unreachable_at = now() WHERE id = :id RETURNING id", id=unreachable.id
    )
    assert await made(clinic) == []
    clinic.later(days=50)
    found = await made(clinic)
    assert [(one.external_id, one.reason) for one in found] == [("D4", "已50天没有往来，微信可以联系到")]


async def test_dismissed_with_a_reason_it_does_not_come_back(clinic: Clinic) -> None:
    await clinic.listed(1)
    await clinic.colleague("wang", Role.REP, name="王代表")
    await clinic.colleague("li", Role.REP)
    await said(clinic, 1, "我主要看糖尿病")
    (one,) = await made(clinic, rep="王代表")
    services = clinic.services

    async def dismiss(login: str, reason: str) -> None:
        async with services.db.begin() as tx:
            await profiles.dismiss(
                tx, services.vault, one.id, reason, login, clinic.now, remark="他说下月再谈"
            )

    for login, reason, fault in (
        ("li", "not_now", Fault.CONFLICT),
        ("wang", "bored", Fault.BAD_INPUT),
        ("nobody", "not_now", Fault.NOT_FOUND),
    ):
        with pytest.raises(MedrepError) as error:
            await dismiss(login, reason)
        assert error.value.fault == fault
    await dismiss("wang", "not_now")
    with pytest.raises(MedrepError):
        await dismiss("wang", "not_now")
    clinic.later(days=3)
    assert await made(clinic) == []
    (kept,) = await made(clinic, every=True)
    assert (kept.state, kept.outcome, kept.remark, kept.decided_by) == (
        *("dismissed", "not_now", "他说下月再谈", "wang"),
    )
    assert "他说下月再谈".encode() not in (await clinic.rows("SELECT note_enc FROM suggestion"))[0][0]
    clinic.later(days=40)
    assert [again.rule for again in await made(clinic)] == ["unanswered_interest"], "the reason holds still"


async def test_the_outcome_of_what_was_done_is_kept(clinic: Clinic) -> None:
    await clinic.listed(1)
    await clinic.colleague("boss", Role.MANAGER)
    await opened(clinic, 1, Kind.HAND_OVER)
    clinic.later(days=5)
    (one,) = await made(clinic)
    async with clinic.services.db.begin() as tx:
        await profiles.settle(tx, clinic.services.vault, one.id, "called", "boss", clinic.now)
    (kept,) = await made(clinic, every=True)
    assert (kept.state, kept.outcome) == ("done", "called")
    evidence = await clinic.rows("SELECT facts FROM evidence WHERE kind = 'suggestion.done'")
    assert evidence[0][0]["word"] == "called"


async def test_a_newcomer_who_waits_is_suggested_to_the_rep_it_is_given_to(clinic: Clinic) -> None:
    await opened(clinic, 9, Kind.IDENTITY)
    (one,) = await made(clinic)
    assert (one.rule, one.external_id) == ("verification_waiting", None)
    clinic.later(days=8 - timedelta(hours=1) / timedelta(days=1))
    states = [found.state for found in await made(clinic, every=True)]
    assert states == ["expired"]

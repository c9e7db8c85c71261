"""Verification: who gets in, who does not, and what the answers give away."""

from __future__ import annotations

import asyncio
import csv
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.clock import real_now
from bot.doctors import Attempt, confirm, decline, import_doctors, issue_codes, refer, verify
from bot.model import Account, Audience, Channel, Fault, MedrepError, Purpose
from bot.privacy.erasure import erase
from bot.runtime.services import Services
from bot.settings import Accounts, WebChatAccount
from bot.store import arriving_contacts, contacts, doctors, erasure, outbox, scenes, tables, tasks
from bot.store.contacts import Contact
from bot.store.tables import doctor, invitation_code, person, task
from tests.locks import begun

DEMO = Account(Channel.WEBCHAT, "demo")
ACCOUNTS = Accounts(webchat={"demo": WebChatAccount(audience=Audience.DOCTOR)})
ZHANG = {"name": "张三", "hospital": "示例县人民医院", "phone": "13800000001"}
LISTED = [
    ["D1", "张三", "示例县人民医院", "13800000001", "王代表"],
    ["D2", "李四", "示例县中医院", "13800000002", "赵代表"],
]


@pytest.fixture
async def codes(services: Services, tmp_path: Path) -> dict[str, str]:
    """The two doctors of the list, imported, and their codes."""
    path = tmp_path / "doctors.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["外部编号", "姓名", "医院", "手机", "负责代表"], *LISTED])
    report = await import_doctors(services.db, services.vault, services.clock, ACCOUNTS, path)
    return dict(await issue_codes(services.db, services.vault.keyring, services.clock, report.loaded))


@pytest.fixture
async def short(services: Services, tmp_path: Path) -> dict[str, str]:
    """Doctors whose names and hospitals people write in other ways than the list, and their codes."""
    path = tmp_path / "short.csv"
    listed = [
        ["S1", "阿卜杜拉·买买提", "示例市示例县第一人民医院", "13800000011", ""],
        ["S3", "公测一", "示例县一院", "13800000013", ""],
        ["S2", "張一", "示例縣人民醫院（示例县医院、老县院）", "13800000012", ""],
        ["S4", "公测四", "四川大学示例医院", "13800000014", "示例西"],
    ]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["外部编号", "姓名", "医院", "手机", "医院别名"], *listed])
    report = await import_doctors(services.db, services.vault, services.clock, ACCOUNTS, path)
    return dict(await issue_codes(services.db, services.vault.keyring, services.clock, report.loaded))


async def newcomer(services: Services, address: str = "oNEW") -> Contact:
    async with services.db.begin() as tx:
        return await arriving_contacts.find_or_add(
            tx, services.vault, DEMO, Audience.DOCTOR, address, services.clock.now()
        )


async def attempt(services: Services, contact: Contact, **parts: str) -> Attempt:
    async with services.db.begin() as tx:
        current = await contacts.by_id(tx, contact.id)
        return await verify(tx, services, current, parts, services.clock.now())


async def verified(services: Services, contact: Contact) -> bool:
    async with services.db.begin() as tx:
        current = await contacts.by_id(tx, contact.id)
        return bool(await doctors.verified(tx, [current.person_id]))


async def test_the_right_words_and_a_code(services: Services, codes: dict[str, str]) -> None:
    contact = await newcomer(services)
    answers = {"name": "张　三", "hospital": "示例县 人民医院", "phone": "+86 138-0000-0001"}
    assert (
        await attempt(services, contact, **answers, code=codes["D1"].lower().replace("-", " "))
        == Attempt.VERIFIED
    )
    async with services.db.begin() as tx:
        now = await contacts.by_id(tx, contact.id)
        assert now.person_id == await doctors.person_of(tx, "D1")
        assert await contacts.address(tx, services.vault, contact.id) == "oNEW"
        row = (await tx.execute(select(doctor).where(doctor.c.external_id == "D1"))).one()
        assert row.verified_by == "code" and row.verified_at is not None
        merged = select(person.c.merged_into).where(person.c.id == contact.person_id)
        assert (await tx.execute(merged)).scalar_one() == now.person_id
    assert (
        await attempt(services, contact, **answers, code="") == Attempt.VERIFIED
    )  # asked again: still who they are


@pytest.mark.parametrize(
    ("who", "name", "hospital", "outcome"),
    [
        *(("S1", f"阿卜杜拉{dot}买买提", "示例县第一人民医院", Attempt.VERIFIED) for dot in "•‧・．.● "),
        ("S1", "阿卜杜拉买买提", "示例市示例县第一人民医院", Attempt.VERIFIED),
        ("S1", "阿卜杜拉·买买提", "示例县一院", Attempt.VERIFIED),
        ("S1", "阿卜杜拉·买买提", "县一院", Attempt.VERIFIED),
        ("S1", "阿卜杜拉·买买提", "示例县二院", Attempt.AGAIN),
        ("S1", "阿卜杜拉·买买提", "人民医院", Attempt.AGAIN),
        ("S1", "阿卜杜拉·买买", "示例县一院", Attempt.AGAIN),
        ("S3", "公测一", "示例县第一人民医院", Attempt.VERIFIED),
        ("S4", "公测四", "四川大学示例医院", Attempt.VERIFIED),
        ("S4", "公测四", "示例西", Attempt.VERIFIED),
        ("S2", "张一", "示例县人民医院", Attempt.VERIFIED),
        ("S2", "张一", "示例县⼈⺠医院", Attempt.VERIFIED),
        ("S2", "張一", "示例县医院", Attempt.VERIFIED),
        ("S2", "張一", "示例县中医院", Attempt.AGAIN),
    ],
)
async def test_a_name_and_a_hospital_written_in_another_way(
    services: Services, short: dict[str, str], who: str, name: str, hospital: str, outcome: Attempt
) -> None:
    phone = {"S1": "13800000011", "S2": "13800000012", "S3": "13800000013", "S4": "13800000014"}[who]
    contact = await newcomer(services)
    said = {"name": name, "hospital": hospital, "phone": phone}
    assert await attempt(services, contact, **said, code=short[who]) == outcome


async def test_a_colleague_looks_at_what_did_not_match(services: Services, codes: dict[str, str]) -> None:
    """With all that was said, the newest first, and whose code it was; a right try later closes the task."""
    contact = await newcomer(services)
    elsewhere = {**ZHANG, "hospital": "别的医院"}
    assert await attempt(services, contact, **elsewhere, code=codes["D1"]) == Attempt.AGAIN
    assert await attempt(services, contact, **{**ZHANG, "name": "张四"}, code="2222") == Attempt.AGAIN
    async with services.db.begin() as tx:
        (found,) = await tasks.read(tx, services.vault)
        background = await scenes.background(tx, services.vault, contact.id, real_now(), real_now())
    assert found.kind == "identity" and found.owner == "王代表" and background.standing.waiting
    assert found.detail is not None
    newest, earlier = found.detail.split("此前：")
    assert "姓名：张四" in newest and "邀请码：没有核对上" in newest
    assert "医院：别的医院" in earlier and "发给 D1" in earlier
    assert await attempt(services, contact, **ZHANG, code=codes["D1"]) == Attempt.VERIFIED
    async with services.db.begin() as tx:
        assert [row.state for row in await tasks.read(tx, services.vault)] == ["done"]


async def test_who_cannot_say_it_all_goes_to_a_colleague(services: Services, codes: dict[str, str]) -> None:
    contact = await newcomer(services)
    async with services.db.begin() as tx:
        current = await contacts.by_id(tx, contact.id)
        await refer(tx, services, current, {"name": "张三"}, "我不会填\n这个", services.clock.now())
    assert await attempt(services, contact, **ZHANG, code="none") == Attempt.WAIT
    async with services.db.begin() as tx:
        (found,) = await tasks.read(tx, services.vault)
        assert found.detail is not None and "原话：我不会填 这个" in found.detail
        assert "手机：未提供" in found.detail and found.detail.startswith("姓名：张三\n医院：示例县人民医院")
        await confirm(tx, services, found.id, None, "王代表", services.clock.now())
    assert await verified(services, contact)


async def test_a_code_works_once(services: Services, codes: dict[str, str]) -> None:
    first, second = await newcomer(services, "o1"), await newcomer(services, "o2")
    assert await attempt(services, first, **ZHANG, code=codes["D1"]) == Attempt.VERIFIED
    assert await attempt(services, second, **ZHANG, code=codes["D1"]) == Attempt.AGAIN
    assert not await verified(services, second)


async def test_a_code_works_once_also_at_the_same_moment(services: Services, codes: dict[str, str]) -> None:
    both = [await newcomer(services, f"o{n}") for n in range(4)]
    outcomes = await asyncio.gather(*(attempt(services, w, **ZHANG, code=codes["D1"]) for w in both))
    assert sorted(outcomes) == [Attempt.AGAIN] * 3 + [Attempt.VERIFIED]


WRONG = {
    "name": {"name": "张四"},
    "hospital": {"hospital": "示例县医院"},
    "phone": {"phone": "13800000009"},
    "no_phone": {"phone": "不告诉你"},
    "nobody": {"name": "王五", "hospital": "示例市医院", "phone": "13900000000"},
    "empty": {"name": "", "hospital": "", "phone": ""},
    "huge": {"name": "张" * 100_000},
}


@pytest.mark.parametrize("what", [*WRONG, "code", "another_code", "old_code"])
async def test_any_mismatch_gets_the_same_answer(
    services: Services, codes: dict[str, str], what: str
) -> None:
    contact = await newcomer(services)
    answers = {**ZHANG, "code": codes["D1"], **WRONG.get(what, {})}
    if what == "code":
        answers["code"] = "2222-2222-2222"
    elif what == "another_code":
        answers["code"] = codes["D2"]
    elif what == "old_code":
        services.clock.move_to(services.clock.now() + timedelta(days=30, minutes=1))
    assert await attempt(services, contact, **answers) == Attempt.AGAIN
    assert not await verified(services, contact)
    async with services.db.begin() as tx:
        used = select(invitation_code.c.code_hmac).where(invitation_code.c.used_at.is_not(None))
        assert (await tx.execute(used)).all() == []


@pytest.mark.parametrize("who", ["listed", "nobody"])
async def test_without_a_code_everybody_waits_for_a_person(
    services: Services, codes: dict[str, str], who: str
) -> None:
    contact = await newcomer(services)
    answers = {**ZHANG, **WRONG.get(who, {})}
    assert await attempt(services, contact, **answers, code="none") == Attempt.WAIT
    assert await attempt(services, contact, **answers, code="none") == Attempt.WAIT
    async with services.db.begin() as tx:
        (found,) = await tasks.read(tx, services.vault)
        background = await scenes.background(tx, services.vault, contact.id, real_now(), real_now())
    assert (found.kind, found.owner) == ("identity", "王代表" if who == "listed" else None)
    assert found.detail is not None and answers["name"] in found.detail and answers["phone"] in found.detail
    assert ("名单匹配：D1" in found.detail) == (who == "listed")
    assert background.standing.waiting and not background.standing.verified


async def identity_task(services: Services, contact: Contact, answers: dict[str, str]) -> int:
    assert await attempt(services, contact, **answers, code="none") == Attempt.WAIT
    async with services.db.begin() as tx:
        return int((await tx.execute(select(task.c.id).where(task.c.state != "done"))).scalar_one())


async def replies(services: Services, contact: Contact) -> list[str]:
    async with services.db.begin() as tx:
        ids = (
            (await tx.execute(select(tables.outbox.c.id).where(tables.outbox.c.contact_id == contact.id)))
            .scalars()
            .all()
        )
        rows = [await outbox.read(tx, row) for row in ids]
    assert all(row.purpose == Purpose.REPLY for row in rows)
    return [str(row.basis).split("@", maxsplit=1)[0] for row in rows]


@pytest.mark.parametrize("external_id", [None, "D1"])
async def test_a_person_confirms(services: Services, codes: dict[str, str], external_id: str | None) -> None:
    contact = await newcomer(services)
    task_id = await identity_task(services, contact, ZHANG)
    async with services.db.begin() as tx:
        await confirm(tx, services, task_id, external_id, "王代表", services.clock.now())
    async with services.db.begin() as tx:
        now = await contacts.by_id(tx, contact.id)
        assert now.person_id == await doctors.person_of(tx, "D1")
        (found,) = await tasks.read(tx, services.vault)
        assert set((await tx.execute(select(doctor.c.verified_by))).scalars()) == {"王代表", None}
    assert found.state == "done"
    assert await replies(services, contact) == ["response:utter_verify_done"]
    with pytest.raises(MedrepError) as refused:
        async with services.db.begin() as tx:
            await confirm(tx, services, task_id, "D2", "王代表", services.clock.now())
    assert refused.value.fault == Fault.CONFLICT


async def test_a_person_declines_and_they_may_try_again(services: Services, codes: dict[str, str]) -> None:
    contact = await newcomer(services)
    task_id = await identity_task(services, contact, {**ZHANG, **WRONG["nobody"]})
    async with services.db.begin() as tx:
        await decline(tx, services, task_id, "王代表", services.clock.now())
    assert await replies(services, contact) == ["response:utter_verify_again"]
    assert not await verified(services, contact)
    assert await attempt(services, contact, **ZHANG, code=codes["D1"]) == Attempt.VERIFIED


async def test_a_decision_locks_the_contact_before_the_task(
    services: Services, codes: dict[str, str]
) -> None:
    """As an erasure does, which closes the task."""
    contact, now = await newcomer(services), services.clock.now()
    task_id = await identity_task(services, contact, ZHANG)

    async def decide() -> None:
        async with services.db.begin() as tx:
            await decline(tx, services, task_id, "王代表", now)

    async with services.db.begin() as erasing:
        await erasure.lock(erasing, [contact.person_id])
        deciding = await begun(services.db, decide())
        await erasure.tasks(erasing, [contact.person_id], [contact.id], now, "test")
    with pytest.raises(MedrepError) as refused:
        await deciding
    assert refused.value.fault == Fault.CONFLICT


async def test_who_is_verified_while_the_doctor_is_erased_is_erased_with_them(
    services: Services, codes: dict[str, str]
) -> None:
    contact = await newcomer(services)
    async with services.db.begin() as tx:
        listed = await doctors.person_of(tx, "D1")

    async def erase_doctor() -> None:
        async with services.db.begin() as tx:
            await erase(tx, services, listed, "test")

    async with services.db.begin() as verifying:
        parts = {**ZHANG, "code": codes["D1"]}
        assert await verify(verifying, services, contact, parts, services.clock.now()) == Attempt.VERIFIED
        erasing = await begun(services.db, erase_doctor())
    await erasing
    async with services.db.begin() as tx:
        assert (await tx.execute(select(tables.contact.c.address_hmac))).scalars().all() == [None]
        assert await erasure.keys_left(tx, [listed, contact.person_id]) == 0


async def test_a_code_locks_the_doctor_before_itself(services: Services, codes: dict[str, str]) -> None:
    """As an erasure does, which deletes it."""
    contact = await newcomer(services)
    async with services.db.begin() as erasing:
        listed = await doctors.person_of(erasing, "D1")
        await erasure.lock(erasing, [listed])
        trying = await begun(services.db, attempt(services, contact, **ZHANG, code=codes["D1"]))
        await erasure.profile(erasing, [listed], None, services.clock.now())
    assert await trying == Attempt.AGAIN


async def test_no_contact_is_given_to_a_doctor_who_is_being_erased(
    services: Services, codes: dict[str, str]
) -> None:
    contact, now = await newcomer(services), services.clock.now()
    task_id = await identity_task(services, contact, ZHANG)

    async def decide() -> None:
        async with services.db.begin() as tx:
            await confirm(tx, services, task_id, "D1", "王代表", now)

    async with services.db.begin() as tx:
        await erase(tx, services, await doctors.person_of(tx, "D1"), "test")
        deciding = await begun(services.db, decide())
    with pytest.raises(MedrepError) as refused:
        await deciding
    assert refused.value.fault == Fault.ERASED


async def test_nobody_is_confirmed_by_guess(services: Services, codes: dict[str, str]) -> None:
    contact = await newcomer(services)
    task_id = await identity_task(services, contact, {**ZHANG, **WRONG["nobody"]})
    for external_id, fault in ((None, Fault.CONFLICT), ("D9", Fault.NOT_FOUND)):
        with pytest.raises(MedrepError) as refused:
            async with services.db.begin() as tx:
                await confirm(tx, services, task_id, external_id, "王代表", services.clock.now())
        assert refused.value.fault == fault
    assert not await verified(services, contact)


async def test_a_confirmed_contact_is_not_given_to_another(services: Services, codes: dict[str, str]) -> None:
    contact = await newcomer(services)
    task_id = await identity_task(services, contact, ZHANG)
    assert await attempt(services, contact, **ZHANG, code=codes["D1"]) == Attempt.VERIFIED
    with pytest.raises(MedrepError) as refused:  # the code decided, which closed the task
        async with services.db.begin() as tx:
            await confirm(tx, services, task_id, "D2", "赵代表", services.clock.now())
    assert refused.value.fault == Fault.CONFLICT


async def test_tries_are_limited_by_the_hour_and_the_day(services: Services, codes: dict[str, str]) -> None:
    contact, wrong = await newcomer(services), {**ZHANG, "code": "2222-2222-2222"}
    outcomes = []
    for _ in range(5):
        outcomes += [await attempt(services, contact, **wrong) for _ in range(5)]
        assert await attempt(services, contact, **ZHANG, code=codes["D1"]) == Attempt.LIMIT
        services.clock.move_to(services.clock.now() + timedelta(minutes=61))
    assert outcomes == [Attempt.AGAIN] * 20 + [Attempt.LIMIT] * 5
    assert await attempt(services, await newcomer(services, "oOTHER"), **wrong) == Attempt.AGAIN
    services.clock.move_to(services.clock.now() + timedelta(days=1))
    assert await attempt(services, contact, **ZHANG, code=codes["D1"]) == Attempt.VERIFIED


async def test_many_contacts_together_are_limited_too(services: Services, codes: dict[str, str]) -> None:
    for number in range(60):
        contact = await newcomer(services, f"o{number}")
        for _ in range(5):
            assert await attempt(services, contact, **ZHANG, code="2222-2222-2222") == Attempt.AGAIN
    assert (
        await attempt(services, await newcomer(services, "oNEXT"), **ZHANG, code=codes["D1"]) == Attempt.LIMIT
    )


async def test_a_patients_account_verifies_nobody(services: Services, codes: dict[str, str]) -> None:
    async with services.db.begin() as tx:
        contact = await arriving_contacts.find_or_add(
            tx, services.vault, DEMO, Audience.PATIENT, "oPATIENT", services.clock.now()
        )
    with pytest.raises(MedrepError):
        await attempt(services, contact, **ZHANG, code=codes["D1"])

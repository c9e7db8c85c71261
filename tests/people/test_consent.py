"""Consent: per person and purpose, with the text that was agreed to."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from bot.doctors import issue_codes
from bot.model import Audience, Fault, MedrepError, Purpose
from bot.people import consent
from bot.privacy import erase_person, export_person
from bot.runtime.services import Services
from bot.store import arriving_contacts
from bot.store.contacts import Contact
from tests.people.test_stop import FIRST, SECOND, contact_of, load, verified, write


@pytest.fixture
async def patient(services: Services) -> Contact:
    async with services.db.begin() as tx:
        return await arriving_contacts.find_or_add(
            tx, services.vault, FIRST, Audience.PATIENT, "p1", services.clock.now()
        )


async def holding(services: Services, contact: Contact) -> set[Purpose]:
    async with services.db.begin() as tx:
        return {found.purpose for found in await consent.of_person(tx, contact.person_id) if found.holds}


async def give(services: Services, contact: Contact, purpose: Purpose, version: str = "v1") -> None:
    async with services.db.begin() as tx:
        now = services.clock.now()
        await consent.give(tx, contact, purpose, now, text_version=version, source="h5")


async def withdraw(services: Services, contact: Contact, purpose: Purpose) -> None:
    async with services.db.begin() as tx:
        await consent.withdraw(tx, contact, purpose, services.clock.now(), source="words")


async def facts(services: Services) -> list[tuple[str, str]]:
    query = "SELECT kind, facts ->> 'purpose' FROM evidence WHERE kind LIKE 'consent.%' ORDER BY id"
    async with services.db.begin() as tx:
        return [(row[0], row[1]) for row in await tx.execute(text(query))]


async def test_a_patient_agrees_to_each_purpose_by_itself_and_may_withdraw(
    services: Services, patient: Contact
) -> None:
    assert await holding(services, patient) == set()
    await give(services, patient, Purpose.MEDICATION)
    await give(services, patient, Purpose.MEDICATION)
    assert await holding(services, patient) == {Purpose.MEDICATION}
    await withdraw(services, patient, Purpose.MEDICATION)
    await withdraw(services, patient, Purpose.MEDICATION)
    assert await holding(services, patient) == set()
    assert await facts(services) == [("consent.given", "medication"), ("consent.withdrawn", "medication")]
    await give(services, patient, Purpose.MEDICATION, "v2")
    async with services.db.begin() as tx:
        (found,) = await consent.of_person(tx, patient.person_id)
    assert (found.text_version, found.source, found.holds) == ("v2", "h5", True)


async def test_a_newer_text_is_another_consent_and_one_withdrawal_ends_both(
    services: Services, patient: Contact
) -> None:
    await give(services, patient, Purpose.SERVICE, "v1")
    await give(services, patient, Purpose.SERVICE, "v2")
    document = await export_person(services.db, services.vault, person_id=patient.person_id)
    assert [row["text_version"] for row in document["consents"]] == ["v1", "v2"]
    await withdraw(services, patient, Purpose.SERVICE)
    assert await holding(services, patient) == set()


async def test_a_listed_doctor_is_served_and_visited_until_they_withdraw(
    services: Services, tmp_path: Path
) -> None:
    await load(services, tmp_path / "list.csv", (FIRST, "o1"))
    doctor = await contact_of(services)
    assert await holding(services, doctor) == {Purpose.SERVICE, Purpose.PROMOTION}
    await withdraw(services, doctor, Purpose.PROMOTION)
    assert await holding(services, doctor) == {Purpose.SERVICE}
    await load(services, tmp_path / "list.csv", (SECOND, "o2"))
    assert await holding(services, await contact_of(services, SECOND, "o2")) == {Purpose.SERVICE}
    await give(services, doctor, Purpose.PROMOTION)
    assert await holding(services, doctor) == {Purpose.SERVICE, Purpose.PROMOTION}


async def test_what_a_newcomer_withdrew_holds_when_they_turn_out_to_be_a_doctor(
    services: Services, tmp_path: Path
) -> None:
    loaded = await load(services, tmp_path / "list.csv")
    codes = dict(await issue_codes(services.db, services.vault.keyring, services.clock, loaded))
    await write(services, "你好")
    newcomer = await contact_of(services)
    await withdraw(services, newcomer, Purpose.PROMOTION)
    await verified(services, newcomer, codes["D1"])
    assert await holding(services, await contact_of(services)) == {Purpose.SERVICE}
    services.clock.move_to(services.clock.now() + timedelta(minutes=1))
    await give(services, newcomer, Purpose.PROMOTION)  # an action that still knows them as a newcomer
    assert await holding(services, await contact_of(services)) == {Purpose.SERVICE, Purpose.PROMOTION}


async def test_answers_need_none_and_erasing_leaves_none(services: Services, patient: Contact) -> None:
    for purpose in (Purpose.REPLY, Purpose.EMERGENCY):
        with pytest.raises(MedrepError) as refused:
            await give(services, patient, purpose)
        assert refused.value.fault == Fault.BAD_INPUT
    await give(services, patient, Purpose.MEDICATION)
    receipts = await erase_person(services, person_id=patient.person_id, by="管理员")
    assert {r.store: r.rows for r in receipts}["consent"] == 1
    assert await holding(services, patient) == set()

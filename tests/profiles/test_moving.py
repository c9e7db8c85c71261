"""A profile follows its doctor: who turns out to be one, whose contact was another's, who leaves."""

from __future__ import annotations

from sqlalchemy import update

from bot.doctors.binding import bind, detach
from bot.privacy import unfollowed
from bot.profiles import Deed, note_deed, wish_format
from bot.profiles.respect import Correction
from bot.profiles.said import read_said
from bot.profiles.tags import note_said
from bot.store import contacts
from bot.store.contacts import Contact
from bot.store.tables import person
from tests.profiles.conftest import Clinic
from tests.profiles.test_respect import asked


async def say(clinic: Clinic, contact: Contact, text: str) -> None:
    async with clinic.services.db.begin() as tx:
        await note_said(tx, contact, read_said(text).statements, ["message:1"], clinic.now)


async def standing(clinic: Clinic) -> list[tuple[str, str]]:
    rows = await clinic.rows("SELECT name, value FROM profile_tag WHERE ended_at IS NULL ORDER BY id")
    return [tuple(row) for row in rows]


async def test_what_a_newcomer_said_is_the_doctors(clinic: Clinic) -> None:
    await clinic.listed(1)
    newcomer = await clinic.contact(9)
    await say(clinic, newcomer, "别给我发长文")
    await say(clinic, newcomer, "微信联系就行")
    await say(clinic, await clinic.contact(1), "发个表就行")
    async with clinic.services.db.begin() as tx:
        await bind(tx, clinic.services.vault, newcomer.id, clinic.people["D1"], "code", clinic.now)
    held = await clinic.held("D1")
    assert (held["format"], held["channel"]) == (["chart"], ["wechat"]), "the doctor's own word stays"
    async with clinic.services.db.begin() as tx:  # one who has not heard yet that they are the doctor
        await wish_format(tx, newcomer, "brief", "turn:1", clinic.now)
    assert (await clinic.held("D1"))["format"] == ["brief"]


async def test_a_contact_that_is_somebody_elses_takes_nothing_along(clinic: Clinic) -> None:
    await clinic.listed(1)
    contact = await clinic.contact(1)
    await say(clinic, contact, "我主要看糖尿病")
    await asked(clinic, Correction("hospital", "虚构镇卫生院"))
    async with clinic.services.db.begin() as tx:
        await note_deed(tx, contact, Deed.OPENED, "material:1", clinic.now)
        await detach(tx, clinic.services.vault, contact.id, clinic.now)
    assert await standing(clinic) == []
    for table in ("profile_event", "change_request"):
        assert await clinic.rows(f"SELECT count(*) FROM {table}") == [(0,)], table  # noqa: S608
    assert await clinic.rows("SELECT state, outcome FROM task") == [("done", "erased")]


async def test_who_unfollows_leaves_what_colleagues_and_the_list_know(clinic: Clinic) -> None:
    doctor = await clinic.listed(1)
    contact = await clinic.contact(1)
    await say(clinic, contact, "我主要看糖尿病")
    async with clinic.services.db.begin() as tx:
        found = await contacts.by_id(tx, contact.id)
        await unfollowed(tx, clinic.services, found, clinic.now)
    assert await standing(clinic) == []
    assert (await clinic.held(doctor))["interest"] == ["高血压", "糖尿病"], "the list's"
    (note,) = await clinic.rows("SELECT facts FROM evidence WHERE kind = 'contact.unfollowed'")
    assert "profile_tag:1" in note[0]["erased"]


async def test_a_patient_has_a_format_and_nothing_else(clinic: Clinic) -> None:
    contact = await clinic.contact(8)
    async with clinic.services.db.begin() as tx:
        await tx.execute(update(person).where(person.c.id == contact.person_id).values(kind="patient"))
        await wish_format(tx, contact, "brief", "turn:1", clinic.now)
        await wish_format(tx, contact, None, "turn:2", clinic.now)
        assert not await note_deed(tx, contact, Deed.OPENED, "material:1", clinic.now)
    assert await clinic.rows("SELECT name, value, ended_why FROM profile_tag") == [
        ("format", "brief", "withdrawn")
    ]

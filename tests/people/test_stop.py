"""A stop is the person's: nothing but their own words undoes it."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import select, text

from bot.clock import real_now
from bot.doctors import import_doctors, issue_codes, verify
from bot.inbound.receive import Receiver
from bot.model import Account, Audience, Channel, Fault, Inbound, InboundKind, MedrepError, Purpose
from bot.outbound.circumstances import read_circumstances
from bot.outbound.release import release
from bot.people import stop
from bot.privacy import export_person
from bot.runtime.services import Services
from bot.schedule.timers import Timers
from bot.settings import Accounts, WebChatAccount
from bot.store import contact_keys, contacts, doctors, outbox, people
from bot.store.contacts import Contact
from bot.store.outbox import Draft
from bot.store.tables import person
from tests.schedule.setting import remind

FIRST, SECOND = Account(Channel.WEBCHAT, "first"), Account(Channel.WEBCHAT, "second")
ACCOUNTS = Accounts(webchat={name: WebChatAccount(audience=Audience.DOCTOR) for name in ("first", "second")})
NAME, HOSPITAL, PHONE = "张三", "示例县医院", "13812345678"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "doctors.csv"


async def load(services: Services, file: Path, *addresses: tuple[Account, str]) -> Sequence[str]:
    """Import the doctor D1, each time with one more of these addresses."""
    loaded: Sequence[str] = ()
    for account, address in addresses or ((None, ""),):
        with file.open("w", encoding="utf-8", newline="") as sheet:
            writer = csv.writer(sheet)
            writer.writerow(["外部编号", "姓名", "医院", "手机", "渠道", "渠道账号"])
            writer.writerow(["D1", NAME, HOSPITAL, PHONE, str(account or ""), address])
        report = await import_doctors(services.db, services.vault, services.clock, ACCOUNTS, file)
        assert not report.faults
        loaded = report.loaded
    return loaded


async def write(services: Services, words: str, account: Account = FIRST, address: str = "o1") -> None:
    inbound = Inbound(account, address, f"m:{uuid4().hex}", InboundKind.TEXT, real_now(), text=words)
    await Receiver(services).accept(inbound, Audience.DOCTOR, passive_until=None)


async def unfollow(services: Services, account: Account = FIRST, address: str = "o1") -> None:
    inbound = Inbound(
        account, address, f"e:{uuid4().hex}", InboundKind.EVENT, real_now(), event="unsubscribe"
    )
    await Receiver(services).accept(inbound, Audience.DOCTOR, passive_until=None)


async def contact_of(services: Services, account: Account = FIRST, address: str = "o1") -> Contact:
    async with services.db.begin() as tx:
        found = await contacts.by_address(tx, services.vault, account, address)
    assert found is not None
    return found


async def refusal(services: Services, contact: Contact) -> Fault | None:
    """What the exit says to a visit for this contact."""
    reply = services.published.dialogue.reply("utter_thanks", contact.audience, Purpose.PROMOTION)
    async with services.db.begin() as tx:
        queued = await outbox.add(
            tx, services.vault, contact, Draft.of(reply), now=services.clock.now(), retry_at=real_now()
        )
        row = await outbox.read(tx, queued.row.id)
        facts = await read_circumstances(tx, services, {contact.id: contact}, [row])
        try:
            await release(tx, services, row, facts[row.contact_id])
        except MedrepError as error:
            return error.fault
    return None


async def reason_of_reminder(services: Services, contact: Contact) -> str | None:
    """Why a due reminder of this contact is not even queued."""
    await remind(services, contact, services.clock.now() - timedelta(minutes=1))
    await Timers(services).tick()
    async with services.db.begin() as tx:
        found = await tx.execute(text("SELECT reason FROM occurrence ORDER BY timer_id DESC LIMIT 1"))
        reason: str | None = found.scalar_one()
    return reason


async def test_an_import_that_adds_an_address_does_not_undo_it(services: Services, file: Path) -> None:
    """People, section 2: the second address used to be a contact that had never heard of the stop."""
    await load(services, file, (FIRST, "o1"))
    await write(services, "退订")
    await load(services, file, (SECOND, "o2"))
    added = await contact_of(services, SECOND, "o2")
    assert added.person_id == (await contact_of(services)).person_id
    assert added.stopped_at is not None
    assert await refusal(services, added) == Fault.STOPPED
    assert await reason_of_reminder(services, added) == "stopped"
    await write(services, "恢复接收", SECOND, "o2")
    assert (await contact_of(services)).stopped_at is None, "they take it back on any channel"
    assert await refusal(services, await contact_of(services)) != Fault.STOPPED


async def verified(services: Services, contact: Contact, code: str) -> None:
    parts = {"name": NAME, "hospital": HOSPITAL, "phone": PHONE, "code": code}
    async with services.db.begin() as tx:
        await verify(tx, services, contact, parts, services.clock.now())


async def test_a_newcomer_who_stopped_stops_the_doctor(services: Services, file: Path) -> None:
    """The doctor's other contact, too, and it is what an export says."""
    loaded = await load(services, file)
    codes = dict(await issue_codes(services.db, services.vault.keyring, services.clock, loaded))
    await load(services, file, (SECOND, "o2"))
    await write(services, "退订")
    newcomer = await contact_of(services)
    assert await refusal(services, await contact_of(services, SECOND, "o2")) != Fault.STOPPED
    await verified(services, newcomer, codes["D1"])
    both = [await contact_of(services), await contact_of(services, SECOND, "o2")]
    assert len({contact.person_id for contact in both}) == 1 and both[0].person_id != newcomer.person_id
    assert [await refusal(services, contact) for contact in both] == [Fault.STOPPED] * 2
    for named in ({"external_id": "D1"}, {"person_id": newcomer.person_id}):
        document = await export_person(services.db, services.vault, **named)  # type: ignore[arg-type]
        assert document["stopped_at"] is not None


async def test_a_doctor_who_stopped_stays_so_with_a_contact_that_turns_out_theirs(
    services: Services, file: Path
) -> None:
    loaded = await load(services, file)
    codes = dict(await issue_codes(services.db, services.vault.keyring, services.clock, loaded))
    await load(services, file, (SECOND, "o2"))
    await write(services, "退订", SECOND, "o2")
    await write(services, "你好")
    await verified(services, await contact_of(services), codes["D1"])
    assert await refusal(services, await contact_of(services)) == Fault.STOPPED


async def test_a_stop_said_while_they_turn_out_to_be_a_doctor_is_the_doctors(
    services: Services, file: Path
) -> None:
    """An action has read the newcomer, and says stop after the merge has begun: nothing of it is lost."""
    await load(services, file)
    await write(services, "你好")
    newcomer = await contact_of(services)
    async with services.db.begin() as tx:
        doctor = await doctors.person_of(tx, "D1")
        await contact_keys.assign(tx, services.vault, newcomer.id, doctor)
        await people.merge(tx, newcomer.person_id, doctor)

        async def says_stop() -> None:
            async with services.db.begin() as other:
                await stop.stop(other, newcomer, services.clock.now())

        stopping = asyncio.create_task(says_stop())
        await asyncio.sleep(0.2)
        assert not stopping.done(), "it waits for the merge"
    await stopping
    assert await refusal(services, await contact_of(services)) == Fault.STOPPED


async def test_an_address_that_the_list_corrects_stays_stopped_and_so_does_the_doctor(
    services: Services, file: Path
) -> None:
    await load(services, file, (FIRST, "o1"))
    await write(services, "退订")
    await load(services, file, (FIRST, "o9"))
    wrong, right = await contact_of(services), await contact_of(services, FIRST, "o9")
    assert wrong.person_id != right.person_id
    assert [await refusal(services, contact) for contact in (wrong, right)] == [Fault.STOPPED] * 2


async def test_who_unfollows_and_follows_again_is_still_stopped(services: Services, file: Path) -> None:
    await load(services, file, (FIRST, "o1"))
    await write(services, "退订")
    await unfollow(services)
    await write(services, "你好")
    back = await contact_of(services)
    assert back.unreachable_at is None and await refusal(services, back) == Fault.STOPPED


async def test_evidence_says_when(services: Services) -> None:
    await write(services, "退订")
    await write(services, "恢复接收")
    person_id = (await contact_of(services)).person_id
    async with services.db.begin() as tx:
        kinds = await tx.execute(
            text("SELECT kind, person_id FROM evidence WHERE kind LIKE 'person.%' ORDER BY id")
        )
        assert [tuple(row) for row in kinds] == [
            ("person.stopped", person_id),
            ("person.resumed", person_id),
        ]
        assert (await tx.execute(select(person.c.stopped_at))).scalar_one() is None

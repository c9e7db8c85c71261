"""Whoever unfollows takes their words along, also those that the record keeps."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from bot.clock import real_now
from bot.doctors import import_doctors
from bot.doctors.binding import bind
from bot.evidence import Sealer
from bot.evidence import verify as verify_chain
from bot.inbound.receive import Receiver
from bot.model import Account, Audience, Channel, Fault, Inbound, InboundKind, MedrepError
from bot.privacy import export_person
from bot.runtime.key_report import report
from bot.runtime.services import Services
from bot.settings import Accounts, WebChatAccount
from bot.store import contact_keys, contacts, doctors, tasks
from bot.store import outbox as outgoing
from bot.store.contacts import Contact
from bot.store.keyring import Keyring
from bot.store.outbox import Draft
from bot.store.tables import contact as contact_table
from bot.store.tables import data_key, evidence
from bot.store.vault import Vault
from bot.tasks import Kind, open_task
from tests.locks import begun

DEMO = Account(Channel.WEBCHAT, "demo")
ACCOUNTS = Accounts(webchat={"demo": WebChatAccount(audience=Audience.DOCTOR)})
ONE, OTHER = "oFIRST_0123456789abcdefghi", "oSECOND_0123456789abcdefgh"


@dataclass(frozen=True, slots=True)
class Two:
    """A doctor of the list with two contacts, on each of which something was said and answered."""

    services: Services
    one: Contact
    other: Contact

    async def write(self, text: str, address: str, event: str = "") -> None:
        kind = InboundKind.EVENT if event else InboundKind.TEXT
        inbound = Inbound(DEMO, address, f"m:{uuid4().hex}", kind, real_now(), text=text, event=event)
        await Receiver(self.services).accept(inbound, Audience.DOCTOR, passive_until=None)

    async def unfollow(self, address: str) -> None:
        await self.write("", address, "unsubscribe")
        await report(self.services)

    async def bodies(self, of: Contact) -> dict[str, str]:
        """What the record says of this contact, read by a process that starts now; or why it says nothing."""
        vault, found = Vault(Keyring(self.services.home / "keys")), {}
        async with self.services.db.begin() as tx:
            query = select(evidence).where(evidence.c.contact_id == of.id, evidence.c.body_enc.is_not(None))
            for row in (await tx.execute(query)).all():
                place = "outbox.body" if row.subject.startswith("outbox:") else "inbox.body"
                try:
                    found[row.subject] = await vault.open_text(tx, row.person_id, row.body_enc, place)
                except MedrepError as error:
                    found[row.subject] = error.fault.value
        return found


@pytest.fixture
async def two(services: Services, tmp_path: Path) -> Two:
    now, path = services.clock.now(), tmp_path / "doctors.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerow(["外部编号", "姓名", "医院", "手机", "负责代表"])
        csv.writer(file).writerow(["D1", "欧阳明月", "虚构县青石医院", "13812345678", ""])
    await import_doctors(services.db, services.vault, services.clock, ACCOUNTS, path)
    unbound = Two(services, None, None)  # type: ignore[arg-type]  # not known yet
    await unbound.write("认证之前写的话", ONE)
    found = []
    for address in (ONE, OTHER):
        await unbound.write("你好", address)
        async with services.db.begin() as tx:
            contact = await contacts.by_address(tx, services.vault, DEMO, address)
            assert contact is not None
            await bind(tx, services.vault, contact.id, await doctors.person_of(tx, "D1"), "test", now)
        await unbound.write("认证以后写的话", address)
        async with services.db.begin() as tx:
            contact = await contacts.by_id(tx, contact.id)
            reply = services.published.dialogue.reply("utter_thanks", Audience.DOCTOR)
            await outgoing.add(tx, services.vault, contact, Draft.of(reply), now=now, retry_at=real_now())
            await open_task(
                tx, services.vault, Kind.HAND_OVER, now=now, contact=contact, detail="他说：请回电"
            )
        found.append(contact)
    return Two(services, found[0], found[1])


async def test_no_word_of_the_contact_is_left_evidence_included(two: Two) -> None:
    """Also what was said before it was known who this is. The other contact of the same doctor goes on."""
    before = await two.bodies(two.one)
    assert any("认证之前写的话".encode("unicode_escape").decode() in body for body in before.values())
    untouched = await two.bodies(two.other)
    await two.unfollow(ONE)
    after = await two.bodies(two.one)
    assert set(after) > set(before) and set(after.values()) == {Fault.ERASED.value}
    assert await two.bodies(two.other) == untouched


async def test_the_leaves_are_gone_and_the_chain_is_whole(two: Two) -> None:
    services = two.services
    await Sealer(services.db, services.home).seal()
    async with services.db.begin() as tx:
        query = select(data_key.c.leaf).where(
            (data_key.c.id == two.one.key_id) | (data_key.c.contact_id == two.one.id)
        )
        leaves = (await tx.execute(query)).scalars().all()
    assert len(leaves) == 2, "the newcomer's and the doctor's"
    await two.unfollow(ONE)
    assert not any(Keyring(services.home / "keys").tree.leaf(leaf) for leaf in leaves)
    await Sealer(services.db, services.home).seal()
    verdict = await verify_chain(services.db, services.home)
    assert verdict.ok, verdict.findings
    async with services.db.begin() as tx:
        facts = select(evidence.c.facts).where(evidence.c.kind == "contact.unfollowed")
        assert "keys:2" in (await tx.execute(facts)).scalar_one()["erased"]


async def test_the_companys_entry_stays_and_they_may_come_back(two: Two) -> None:
    services = two.services
    await two.unfollow(ONE)
    document = await export_person(services.db, services.vault, external_id="D1")
    assert document["profile"]["name"] == "欧阳明月"
    await two.write("我又来了", ONE)
    async with services.db.begin() as tx:
        again = await contacts.by_address(tx, services.vault, DEMO, ONE)
        assert again is not None and again.id == two.one.id and again.person_id == two.one.person_id
        assert again.key_id not in (None, two.one.key_id)
        assert await doctors.verified(tx, [again.person_id])
    bodies = await two.bodies(two.one)
    assert [body for body in bodies.values() if body != Fault.ERASED.value]


async def test_a_key_given_by_two_at_once_is_one(two: Two) -> None:
    """A contact of a list that nothing was said on yet."""
    services = two.services
    async with services.db.begin() as tx:
        bare = update(contact_table).where(contact_table.c.id == two.other.id).values(key_id=None)
        await tx.execute(bare)
    async with services.db.begin() as tx:
        listed = await contacts.by_id(tx, two.other.id)

    async def give() -> UUID:
        async with services.db.begin() as tx:
            return await contact_keys.key_of(tx, services.vault, listed)

    async with services.db.begin() as tx:
        first = await contact_keys.key_of(tx, services.vault, listed)
        second = await begun(services.db, give())
    assert await second == first != listed.person_id


async def test_ciphertext_of_somebody_else_does_not_open_here(two: Two) -> None:
    """It names its key; the row says whose that must be."""
    services = two.services
    async with services.db.begin() as tx:
        stranger = await services.vault.create(tx, "newcomer", real_now())
        sealed = await services.vault.seal(tx, stranger, "别人的话", "inbox.body")
        with pytest.raises(MedrepError) as refused:
            await services.vault.open_text(tx, two.one.person_id, sealed, "inbox.body")
        assert refused.value.fault == Fault.TAMPERED


async def test_what_cites_it_says_that_it_was_deleted(two: Two) -> None:
    """A colleague's task, and the export of the person, who is still there."""
    services = two.services
    await two.unfollow(ONE)
    async with services.db.begin() as tx:
        details = {row.contact_id: row.detail for row in await tasks.read(tx, services.vault)}
    assert details == {two.one.id: "已依法删除", two.other.id: "他说：请回电"}
    document = await export_person(services.db, services.vault, external_id="D1")
    assert {task["detail"] for task in document["tasks"]} == {"已依法删除", "他说：请回电"}
    texts = [message["text"] for message in document["messages"]]
    assert texts.count("已依法删除") == 5 and "认证以后写的话" in texts
    assert "认证之前写的话" not in texts

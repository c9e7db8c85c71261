"""What opening a task promises: an owner, its words, one task a key."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import func, select

from bot.clock import Clock
from bot.model import Account, Audience, Channel
from bot.staff import find_reps
from bot.store import contacts, tasks
from bot.store.contacts import Contact
from bot.store.database import Database
from bot.store.tables import data_key, doctor, evidence, task
from bot.store.tasks import TaskRow
from bot.store.vault import Vault
from bot.tasks import Kind, open_task

ACCOUNT = Account(Channel.WECHAT, "demo")
OWNERS = {
    Kind.ADVERSE_EVENT: "pv",
    Kind.CASE_ALARM: "pv",
    Kind.EMERGENCY: "pv",
    Kind.MEDICAL_INFORMATION: "medical",
    Kind.MATERIAL: "medical",
    Kind.DATA_REQUEST: "compliance",
    Kind.COMPLIANCE: "compliance",
    Kind.PROFILE_CHANGE: "manager",
    Kind.PLATFORM: "admin",
}


@pytest.fixture
async def contact(database: Database, vault: Vault, clock: Clock) -> Contact:
    async with database.begin() as tx:
        person_id = await vault.create(tx, "doctor", clock.now())
        added = await contacts.add(tx, vault, ACCOUNT, Audience.DOCTOR, "oAbc", person_id, clock.now())
    assert added is not None
    return added


class Opening:
    """Opens tasks, each in a transaction of its own, and reads what there is."""

    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        self._database, self._vault, self._clock = database, vault, clock

    async def __call__(self, kind: Kind, **more: Any) -> int:
        async with self._database.begin() as tx:
            return (await open_task(tx, self._vault, kind, now=self._clock.now(), **more))[0]

    async def read(self) -> list[TaskRow]:
        async with self._database.begin() as tx:
            return await tasks.read(tx, self._vault)

    async def count(self, query: Any) -> int:
        async with self._database.begin() as tx:
            return int((await tx.execute(query)).scalar_one())

    async def recorded(self) -> list[str]:
        async with self._database.begin() as tx:
            kinds = await tx.execute(select(evidence.c.kind).order_by(evidence.c.id))
            return list(kinds.scalars())


@pytest.fixture
def opening(database: Database, vault: Vault, clock: Clock) -> Opening:
    return Opening(database, vault, clock)


@pytest.mark.parametrize("kind", Kind)
async def test_every_kind_has_an_owner(opening: Opening, contact: Contact, kind: Kind) -> None:
    await opening(kind, contact=contact, detail="原话")
    (found,) = await opening.read()
    assert (found.owner_role, found.owner, found.detail) == (OWNERS.get(kind, "rep"), None, "原话")


async def test_the_words_of_a_platform_task_are_kept(opening: Opening, database: Database) -> None:
    """F11: a task without a contact had no key, and its words were dropped. They rest encrypted."""
    await opening(Kind.PLATFORM, detail="wechat:demo token 40001")
    (found,) = await opening.read()
    assert found.detail == "wechat:demo token 40001"
    async with database.begin() as tx:
        assert b"40001" not in bytes((await tx.execute(select(task.c.detail_enc))).scalar_one())


async def test_a_repeated_key_is_the_same_task_and_nothing_else(opening: Opening, contact: Contact) -> None:
    """F11: it was recorded as opened again, and made a case that no task belonged to."""
    first = await opening(Kind.ADVERSE_EVENT, contact=contact, key="k", detail="皮疹")
    before = await opening.recorded()
    again = await opening(Kind.ADVERSE_EVENT, contact=contact, key="k", detail="皮疹")
    assert again == first
    assert await opening.recorded() == before
    cases = select(func.count()).select_from(data_key).where(data_key.c.person_id.is_(None))
    assert await opening.count(cases) == 1


async def test_at_the_same_moment_too(opening: Opening, contact: Contact) -> None:
    """F11: two that open one key together."""
    ids = await asyncio.gather(
        *(opening(Kind.ADVERSE_EVENT, contact=contact, key="k", detail="皮疹") for _ in range(4))
    )
    assert len(set(ids)) == 1
    assert (await opening.recorded()).count("task.opened") == 1
    cases = select(func.count()).select_from(data_key).where(data_key.c.person_id.is_(None))
    assert await opening.count(cases) == 1


@pytest.mark.parametrize("kind", [Kind.HAND_OVER, Kind.MEDICAL_INFORMATION, Kind.ADVERSE_EVENT])
async def test_two_of_a_kind_in_one_message_keep_both_texts(
    opening: Opening, contact: Contact, kind: Kind
) -> None:
    """F11: the second text was lost. One within the other is a text of its own."""
    for detail in ("头疼能吃吗", "疼", "头疼能吃吗"):
        await opening(kind, contact=contact, key="turn", detail=detail)
    (found,) = await opening.read()
    assert found.detail == "头疼能吃吗\n疼"
    assert (await opening.recorded()).count("task.repeated") == 1


async def test_a_rep_of_the_list_is_not_the_owner_of_what_is_for_others(
    opening: Opening, database: Database, contact: Contact, clock: Clock
) -> None:
    """A hand-over is the rep's own, an adverse event is for pharmacovigilance."""
    async with database.begin() as tx:
        reps = await find_reps(tx, {"吴代表"}, clock.now())
        await tx.execute(
            doctor.insert().values(
                person_id=contact.person_id,
                external_id="D-1",
                name_enc=b"x",
                hospital="虚构县医院",
                rep_id=reps["吴代表"],
                digest=b"x",
                updated_at=clock.now(),
            )
        )
    await opening(Kind.HAND_OVER, contact=contact)
    await opening(Kind.ADVERSE_EVENT, contact=contact)
    owners = {row.kind: (row.owner_role, row.owner) for row in await opening.read()}
    assert owners == {"hand_over": ("rep", "吴代表"), "adverse_event": ("pv", None)}

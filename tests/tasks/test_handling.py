"""Who takes a task on and closes it: a colleague of the role that it is for, on the record, once."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from bot import staff
from bot.clock import Clock
from bot.model import Account, Audience, Channel, Fault, MedrepError
from bot.staff import Role, colleague
from bot.store import contacts, tasks
from bot.store.contacts import Contact
from bot.store.database import Database
from bot.store.tables import evidence, task
from bot.store.tasks import TaskRow
from bot.store.vault import Vault
from bot.tasks import Kind, acknowledge, close, open_task, visible
from tests.approved import colleagues

ACCOUNT = Account(Channel.WECHAT, "demo")


class Desk:
    """Colleagues of every role, named by it, and one contact with tasks."""

    def __init__(self, database: Database, vault: Vault, clock: Clock, contact: Contact) -> None:
        self._database, self._vault, self._clock, self._contact = database, vault, clock, contact

    async def open(self, kind: Kind, detail: str = "原话") -> int:
        async with self._database.begin() as tx:
            now = self._clock.now()
            return (await open_task(tx, self._vault, kind, now=now, contact=self._contact, detail=detail))[0]

    async def acknowledge(self, task_id: int, login: str) -> None:
        async with self._database.begin() as tx:
            await acknowledge(tx, self._vault, task_id, login, self._clock.now())

    async def close(self, task_id: int, login: str, remark: str = "") -> None:
        async with self._database.begin() as tx:
            await close(tx, self._vault, task_id, login, self._clock.now(), remark=remark)

    async def read(self, *, waiting: bool = False) -> list[TaskRow]:
        async with self._database.begin() as tx:
            return await tasks.read(tx, self._vault, waiting=waiting)

    async def recorded(self) -> list[Any]:
        query = select(evidence.c.kind, evidence.c.facts["login"].astext, evidence.c.contact_id)
        async with self._database.begin() as tx:
            rows = await tx.execute(query.where(evidence.c.kind.like("task.%")).order_by(evidence.c.id))
            return [tuple(row) for row in rows if row.kind != "task.opened"]


@pytest.fixture
async def desk(database: Database, vault: Vault, clock: Clock) -> Desk:
    async with database.begin() as tx:
        person_id = await vault.create(tx, "doctor", clock.now())
        contact = await contacts.add(tx, vault, ACCOUNT, Audience.DOCTOR, "oAbc", person_id, clock.now())
        await colleagues(tx, {role.value: [role] for role in Role})
    assert contact is not None
    return Desk(database, vault, clock, contact)


async def test_an_acknowledged_task_goes_on_waiting_and_a_closed_one_does_not(desk: Desk) -> None:
    task_id = await desk.open(Kind.MEDICAL_INFORMATION)
    await desk.acknowledge(task_id, "medical")
    (found,) = await desk.read(waiting=True)
    assert (found.state, found.acknowledged_by, found.owner_role) == ("acknowledged", "medical", "medical")
    await desk.close(task_id, "medical", "已电话答复")
    assert await desk.read(waiting=True) == []
    (found,) = await desk.read()
    assert (found.state, found.closed_by, found.outcome) == ("done", "medical", "closed")
    assert found.detail == "原话\n[medical] 已电话答复"
    contact_id = found.contact_id
    assert await desk.recorded() == [
        ("task.acknowledged", "medical", contact_id),
        ("task.closed", "medical", contact_id),
    ]


async def test_what_was_done_rests_encrypted(desk: Desk, database: Database) -> None:
    task_id = await desk.open(Kind.ADVERSE_EVENT)
    await desk.close(task_id, "pv", "已报告，患者好转")
    async with database.begin() as tx:
        row = (await tx.execute(select(task))).one()
    assert "好转" not in repr(row)
    assert (await desk.read())[0].detail == "原话\n[pv] 已报告，患者好转"


@pytest.mark.parametrize("kind", sorted(set(Kind) - {Kind.IDENTITY, Kind.PROFILE_CHANGE}))
async def test_only_the_role_that_it_is_for(desk: Desk, kind: Kind) -> None:
    task_id = await desk.open(kind)
    ((owner,),) = [[row.owner_role] for row in await desk.read()]
    able = {owner, "manager"} if owner == "rep" else {owner}
    for role in sorted(set(Role) - able):
        for act in (desk.acknowledge, desk.close):
            with pytest.raises(MedrepError) as refused:
                await act(task_id, role)
            assert refused.value.fault == Fault.CONFLICT
    for role in sorted(able)[:1]:
        await desk.close(task_id, role)
    assert await desk.recorded() == [("task.closed", min(able), (await desk.read())[0].contact_id)]


async def test_twice_is_once_and_another_is_told_whose_it_is(desk: Desk) -> None:
    task_id = await desk.open(Kind.HAND_OVER)
    await desk.acknowledge(task_id, "rep")
    await desk.acknowledge(task_id, "rep")
    with pytest.raises(MedrepError, match="rep has acknowledged") as taken:
        await desk.acknowledge(task_id, "manager")
    assert taken.value.fault == Fault.CONFLICT
    await desk.close(task_id, "manager")
    for act in (desk.acknowledge, desk.close):
        with pytest.raises(MedrepError, match="is done"):
            await act(task_id, "rep")
    assert [kind for kind, *_ in await desk.recorded()] == ["task.acknowledged", "task.closed"]


async def test_no_such_task_no_such_login_and_a_disabled_one(
    desk: Desk, database: Database, clock: Clock
) -> None:
    task_id = await desk.open(Kind.HAND_OVER)
    async with database.begin() as tx:
        await staff.disable(tx, "manager", clock.now(), by="test")
    for number, login, fault in (
        (task_id + 1, "rep", Fault.NOT_FOUND),
        (task_id, "nobody", Fault.NOT_FOUND),
        (task_id, "manager", Fault.CONFLICT),
    ):
        with pytest.raises(MedrepError) as refused:
            await desk.close(number, login)
        assert refused.value.fault == fault


async def test_who_somebody_is_is_not_decided_by_closing_the_task(desk: Desk) -> None:
    task_id = await desk.open(Kind.IDENTITY)
    with pytest.raises(MedrepError, match="confirm-doctor"):
        await desk.close(task_id, "rep")


async def test_what_compliance_looks_into_is_read_by_nobody_else_and_not_by_whom_it_names(
    desk: Desk, database: Database
) -> None:
    async with database.begin() as tx:
        await colleagues(tx, {"王芳": [Role.COMPLIANCE, Role.REP], "陈静": [Role.COMPLIANCE, Role.REP]})
        readers = [await colleague(tx, login) for login in (*Role, "王芳", "陈静")]
    task_id = await desk.open(Kind.COMPLIANCE, "小王上次给的卡 这次咋没了")
    hand_over = await desk.open(Kind.HAND_OVER)
    found = {task.id: task for task in await desk.read()}
    reads = {reader.name for reader in readers if visible(found[task_id], reader)}
    assert reads == {"compliance", "auditor", "陈静"}
    reads = {reader.name for reader in readers if visible(found[hand_over], reader)}
    assert reads == {"rep", "manager", "auditor", "王芳", "陈静"}
    for login, fault in (("rep", Fault.CONFLICT), ("manager", Fault.CONFLICT), ("王芳", Fault.CONFLICT)):
        with pytest.raises(MedrepError) as raised:
            await desk.acknowledge(task_id, login)
        assert raised.value.fault == fault
    await desk.acknowledge(task_id, "陈静")

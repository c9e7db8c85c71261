"""Who sees invitations: the database's own rule for the console, and what erasing leaves."""

from __future__ import annotations

from sqlalchemy import text

from bot.staff import Role
from bot.store import staff
from bot.store.database import CONSOLE, Database, Tx
from tests.meetings.hall import invited
from tests.stage import Stage


async def seen(console: Database, staff_id: object) -> int:
    async with console.begin() as tx:
        await tx.execute(text("SELECT set_config('medrep.staff', :id, true)"), {"id": str(staff_id)})
        return int((await tx.execute(text("SELECT count(*) FROM meeting_invitation"))).scalar_one())


async def _added(tx: Tx, login: str, role: Role) -> object:
    staff_id = await staff.add(tx, login, login, "nobody logs in", "")
    assert staff_id is not None
    await staff.add_roles(tx, staff_id, [role])
    return staff_id


async def test_a_rep_sees_their_own_doctors_invitations_and_the_care_team_none(hall: Stage) -> None:
    await invited(hall)
    console = Database(hall.services.db.url, role=CONSOLE)
    try:
        async with hall.services.db.begin() as tx:
            own = await _added(tx, "own", Role.REP)
            other = await _added(tx, "other", Role.REP)
            care = await _added(tx, "care", Role.CARE)
            await tx.execute(text("UPDATE doctor SET rep_id = :rep"), {"rep": own})
        assert [await seen(console, one) for one in (own, other, care)] == [1, 0, 0]
    finally:
        await console.close()

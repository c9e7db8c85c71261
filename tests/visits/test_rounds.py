"""Who is looked for when visits begin by themselves: everybody in turn, at a price that does not grow."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from bot.store import erasure
from bot.visits import beginning
from bot.visits.beginning import begin_visits
from tests.inbound.test_gateway import statements
from tests.stage import Stage
from tests.visits.test_course import NOON, visited

__all__ = ["visited"]


async def blocked(stage: Stage, count: int) -> None:
    """Doctors before all others by id, whose window is used up: nobody knows when they may be visited."""
    for number in range(1, count + 1):
        await stage.write(
            """
            WITH made AS (INSERT INTO person (id, kind, created_at) VALUES (:whom, 'doctor', :at)),
            reached AS (
                INSERT INTO contact
                    (channel, account, audience, person_id, address_hmac, address_enc, created_at)
                VALUES ('wechat', 'sandbox', 'doctor', :whom, :digest, '', :at) RETURNING id),
            opened AS (
                INSERT INTO send_window (contact_id, act, closes_at, allowance, used)
                SELECT id, 'message', CAST(:at AS timestamptz) + interval '1 day', 5, 5 FROM reached)
            INSERT INTO doctor (person_id, external_id, name_enc, hospital, interests, digest, verified_at,
                updated_at)
            VALUES (:whom, :external, '', '示例医院', '{糖尿病}', '', :at, :at)
            """,
            whom=UUID(int=number), digest=str(number).encode(), external=f"B-{number}", at=NOON,
        )  # fmt: skip


async def look_again(stage: Stage) -> None:
    await stage.write("UPDATE visit_plan SET looked_at = NULL")
    await begin_visits(stage.services)


async def test_who_cannot_be_visited_keeps_nobody_waiting(
    visited: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beginning, "BATCH", 2)
    await blocked(visited, 3)
    owner = (await visited.contact()).person_id
    places = []
    for _ in range(4):
        await look_again(visited)
        places += await visited.rows("SELECT looked_after FROM visit_plan WHERE id = 'metformin-basics'")
        if len(places) == 2:
            assert await visited.rows("SELECT person_id FROM visit") == [(owner,)]
    assert places == [(UUID(int=2),), (owner,), (None,), (UUID(int=2),)], "on behind the last, then anew"


async def test_who_is_erased_is_no_place_to_go_on_from(
    visited: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beginning, "BATCH", 1)
    await blocked(visited, 1)
    await look_again(visited)
    assert (UUID(int=1),) in await visited.rows("SELECT looked_after FROM visit_plan")
    async with visited.services.db.begin() as tx:
        await erasure.talk(tx, [UUID(int=1)], [])
    assert await visited.rows("SELECT DISTINCT looked_after FROM visit_plan") == [(None,)]


async def test_a_look_costs_the_same_for_one_and_for_many(visited: Stage) -> None:
    await visited.write("UPDATE doctor SET verified_at = NULL")
    counts = []
    for more in (1, 20):
        await visited.write("DELETE FROM doctor WHERE external_id LIKE 'B-%'")
        await visited.write("DELETE FROM send_window WHERE used = 5")
        await visited.write("DELETE FROM contact WHERE address_enc = ''")
        await visited.write("DELETE FROM person WHERE id < '00000000-0000-0000-0000-0000000000ff'")
        await blocked(visited, more)
        with statements() as asked:
            await look_again(visited)
        counts.append(len(asked))
    assert counts[0] == counts[1], counts


async def test_one_process_of_many_looks(visited: Stage) -> None:
    await blocked(visited, 1)
    with statements() as asked:
        await asyncio.gather(*(begin_visits(visited.services) for _ in range(4)))
    looks = [one for one in asked if "DISTINCT ON" in one and "send_window" in one]
    plans = len(await visited.rows("SELECT 1 FROM visit_plan WHERE automatic"))
    assert len(looks) == plans, "each plan once"

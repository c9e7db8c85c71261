"""Claims: strictly serial per contact, parallel across contacts, nothing twice, whoever dies."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest

from bot.clock import real_now
from bot.inbound.connections import Connections
from bot.inbound.turns import LIVES, Turned, TurnWorkers
from bot.model import Fault, Inbound, InboundKind, InboxState, MedrepError
from bot.runtime.services import Services
from bot.store import inbox, turns
from bot.store.database import Tx
from bot.store.tables import data_key
from tests.stage import DOCTORS, Stage, opened

LEASE = timedelta(seconds=30)


async def fill(stage: Stage, contacts: int, each: int, kind: InboundKind = InboundKind.MEDIA) -> None:
    for number in range(each):
        for one in range(contacts):
            inbound = Inbound(DOCTORS, f"o{one}", f"m:{one}:{number}", kind, datetime.now(UTC), text="好")
            await stage.gateway.accept(inbound, passive=False)


async def work(services: Services, log: list[tuple[int, str, list[int]]]) -> None:
    """Claim, think for a moment, finish, until nothing is left."""
    idle = 0
    while idle < 5:
        async with services.db.begin() as tx:
            claimed = await turns.claim_next(tx, real_now(), LEASE)
        if claimed is None:
            idle += 1
            await asyncio.sleep(0.01)
            continue
        idle = 0
        async with services.db.begin() as tx:
            messages = await inbox.of_turn(tx, services.vault, claimed.turn_id)
        log.append((claimed.contact_id, "begin", [one.id for one in messages]))
        await asyncio.sleep(random.random() * 0.005)
        log.append((claimed.contact_id, "end", [one.id for one in messages]))
        async with services.db.begin() as tx:
            await turns.finish(tx, claimed, InboxState.DONE, real_now())


async def test_a_turn_says_whether_more_waits(stage: Stage) -> None:
    """So nobody looks in vain after the last one; what comes later is told."""
    await fill(stage, contacts=2, each=1)
    assert [await stage.workers.turn() for _ in range(3)] == [Turned(more=True), Turned(more=False), None]


async def test_many_workers_of_several_processes_keep_each_contact_serial(stage: Stage) -> None:
    await fill(stage, contacts=8, each=6)
    log: list[tuple[int, str, list[int]]] = []
    async with AsyncExitStack() as stack:
        bases = [stage.services] + [
            await opened(stack, stage.services.home, stage.services.db.url) for _ in range(3)
        ]
        await asyncio.gather(*(work(services, log) for services in bases for _ in range(4)))
    for contact in {entry[0] for entry in log}:
        entries = [entry for entry in log if entry[0] == contact]
        assert [what for _, what, _ in entries] == ["begin", "end"] * 6, "one at a time"
        order = [row for _, what, rows in entries if what == "begin" for row in rows]
        assert order == sorted(order) and len(set(order)) == 6
    assert {state for (state,) in await stage.rows("SELECT state FROM inbox")} == {"done"}
    assert (await stage.rows("SELECT count(*) FROM turn")) == [(48,)]


async def test_texts_that_wait_together_form_one_turn_and_other_kinds_do_not(stage: Stage) -> None:
    await fill(stage, 1, 2, InboundKind.TEXT)
    inbound = Inbound(DOCTORS, "o0", "m:x", InboundKind.MEDIA, datetime.now(UTC))
    await stage.gateway.accept(inbound, passive=False)
    await fill_more(stage, "又来一句", "m:y")
    log: list[tuple[int, str, list[int]]] = []
    await work(stage.services, log)
    sizes = [len(rows) for _, what, rows in log if what == "begin"]
    assert sizes == [2, 1, 1]


async def fill_more(stage: Stage, content: str, key: str) -> None:
    inbound = Inbound(DOCTORS, "o0", key, InboundKind.TEXT, datetime.now(UTC), text=content)
    await stage.gateway.accept(inbound, passive=False)


async def claim(stage: Stage) -> turns.Claim | None:
    async with stage.services.db.begin() as tx:
        return await turns.claim_next(tx, real_now(), LEASE)


async def test_a_fragment_waits_for_its_continuation_and_no_longer_than_that(stage: Stage) -> None:
    await fill_more(stage, "请问", "m:1")
    assert await claim(stage) is None
    await fill_more(stage, "二甲双胍怎么吃", "m:2")
    claimed = await claim(stage)
    assert claimed is not None
    async with stage.services.db.begin() as tx:
        messages = await inbox.of_turn(tx, stage.services.vault, claimed.turn_id)
        await turns.finish(tx, claimed, InboxState.DONE, real_now())
    assert [one.body["text"] for one in messages] == ["请问", "二甲双胍怎么吃"]
    await fill_more(stage, "还有", "m:3")
    assert await claim(stage) is None
    await asyncio.sleep(1.6)
    assert await claim(stage) is not None, "nothing followed"


async def test_a_fragment_at_the_end_is_kept_for_what_follows_it(stage: Stage) -> None:
    await fill_more(stage, "二甲双胍怎么吃", "m:1")
    await fill_more(stage, "还有", "m:2")
    claimed = await claim(stage)
    assert claimed is not None
    async with stage.services.db.begin() as tx:
        assert len(await inbox.of_turn(tx, stage.services.vault, claimed.turn_id)) == 1


@pytest.mark.parametrize(
    "pieces",
    [("我有个病人", "肾功能不好", "二甲双胍能用吗"), ("那个", "氨氯地平", "老人", "起始剂量")],
    ids=len,
)
async def test_pieces_that_come_one_after_another_are_one_turn(stage: Stage, pieces: tuple[str, ...]) -> None:
    """Each is waited for anew; what closes the question ends the waiting, else a short silence."""
    for number, piece in enumerate(pieces):
        await fill_more(stage, piece, f"m:{number}")
        if number < len(pieces) - 1:
            await asyncio.sleep(0.6)
            assert await claim(stage) is None, piece
    claimed = await claim(stage)
    if pieces[-1] == "起始剂量":
        assert claimed is None
        await asyncio.sleep(1.3)
        claimed = await claim(stage)
    assert claimed is not None
    async with stage.services.db.begin() as tx:
        messages = await inbox.of_turn(tx, stage.services.vault, claimed.turn_id)
    assert tuple(one.body["text"] for one in messages) == pieces


async def test_what_may_be_a_piece_waits_only_behind_one(stage: Stage) -> None:
    await fill_more(stage, "起始剂量", "m:1")
    assert await claim(stage) is not None, "alone it is answered at once"


async def test_a_dead_workers_turn_is_taken_over_and_it_cannot_commit_any_more(stage: Stage) -> None:
    await fill(stage, 1, 1)
    dead = await claim(stage)
    assert dead is not None
    assert await claim(stage) is None, "while its lease lasts"
    await stage.write("UPDATE turn SET lease_until = now() - interval '1 second'")
    heir = await claim(stage)
    assert heir is not None and (heir.turn_id, heir.fence) == (dead.turn_id, dead.fence + 1)
    with pytest.raises(MedrepError) as lost:
        async with stage.services.db.begin() as tx:
            await turns.finish(tx, dead, InboxState.DONE, real_now())
    assert lost.value.fault == Fault.LEASE_LOST
    async with stage.services.db.begin() as tx:
        await turns.finish(tx, heir, InboxState.DONE, real_now())


async def test_what_kills_every_worker_is_given_up_and_said(open_window: Stage) -> None:
    stage = open_window
    dead = await claim(stage)
    assert dead is not None
    await stage.write("UPDATE turn SET attempts = :most, lease_until = now()", most=LIVES)
    assert await stage.workers.turn()
    assert await stage.rows("SELECT state FROM inbox") == [("failed",)]
    await stage.write("UPDATE outbox SET passive_until = NULL")
    await stage.sender.push()
    assert "没能及时答复" in (await stage.reply_texts())[0]
    assert await stage.tasks() == {"failed_turn"}
    assert await stage.rows("SELECT count(*) FROM evidence WHERE kind = 'turn.failed'") == [(1,)]


async def test_with_the_engine_gone_words_wait_and_pictures_are_answered(open_window: Stage) -> None:
    stage = open_window
    await stage.phone.send(type="text", content="二甲双胍怎么吃", wait=True)
    assert await stage.workers.turn()
    assert await stage.workers.turn()
    found = await stage.rows("SELECT state, fault, attempts FROM turn ORDER BY started_at")
    assert found == [("done", None, 1), ("retry", "engine_down", 0)]
    for _ in range(5):
        await stage.write("UPDATE turn SET lease_until = now() - interval '1 s' WHERE state = 'retry'")
        assert await stage.workers.turn()
    found = await stage.rows("SELECT state, attempts FROM turn ORDER BY started_at")
    assert found[1] == ("retry", 0), "waiting for the engine is not a failed attempt"
    assert stage.engine.available is False


async def test_a_loop_outlives_a_bug(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(stage, 1, 1)
    broken = True
    real = turns.claim_next

    async def claim_or_fail(tx: Tx, now: datetime, lease: timedelta) -> turns.Claim | None:
        if broken:
            raise RuntimeError("a bug")
        return await real(tx, now, lease)

    monkeypatch.setattr(turns, "claim_next", claim_or_fail)
    running = asyncio.create_task(
        TurnWorkers(stage.services, stage.engine, Connections(lambda *_: True), workers=2).run()
    )
    await asyncio.sleep(0.2)
    assert not running.done()
    broken = False
    async with asyncio.timeout(5):
        while await stage.rows("SELECT 1 FROM inbox WHERE state <> 'done'"):
            await asyncio.sleep(0.05)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_an_erased_persons_waiting_message_ends_in_silence(open_window: Stage) -> None:
    stage = open_window
    contact = await stage.contact()
    async with stage.services.db.begin() as tx:
        await stage.services.vault.destroy(tx, data_key.c.person_id == contact.person_id)
    stage.services.vault.forget(contact.person_id)
    while await stage.workers.turn():
        pass
    assert await stage.rows("SELECT state FROM inbox") == [("done",)]
    assert await stage.rows("SELECT 1 FROM outbox") == []

"""The inbox loop: claim a contact's waiting messages, let the engine make a turn of them, commit it whole.

Strictly serial per contact, parallel across contacts, over any number of processes. No transaction is
open while the engine thinks; turn, conversation, replies and evidence commit in one.
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog

from bot.clock import real_now
from bot.dialogue.engine_client import EngineClient
from bot.inbound import trigger
from bot.inbound.connections import Connections
from bot.inbound.endings import HUSHED, TAKEN_OVER, Endings
from bot.inbound.scene import Scene, read_scene
from bot.model import (
    Fault,
    InboxState,
    MedrepError,
    Turn,
    TurnInput,
)
from bot.runtime import metrics
from bot.runtime.killpoints import reached
from bot.runtime.services import Services
from bot.store import triggers, turns
from bot.store.database import UNAVAILABLE
from bot.store.turns import Claim

log = structlog.get_logger()

LEASE = timedelta(seconds=15)  # longer than a turn of the engine and its commit
POLL = 1.0
ATTEMPTS = 4  # of a turn that the engine fails or never answers, over some 12 s of a working engine;
# that workers died on the way to it is not counted here
AGAIN_WAIT = 3.0  # seconds; with the engine's own time still within the lease
LIVES = 12  # of a turn whose workers die: what kills its worker each time is given up, too
ENGINE_RETRY = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Turned:
    """There was a turn. `more`: messages wait, or it is not known."""

    more: bool


class TurnWorkers:
    """The workers of one process."""

    def __init__(
        self, services: Services, engine: EngineClient, connections: Connections, workers: int = 4
    ) -> None:
        self._services = services
        self._engine = engine
        self._endings = Endings(services, connections)
        self._workers = workers
        self._probing = asyncio.Lock()
        self._again = asyncio.Lock()
        self._calls: asyncio.Queue[None] = asyncio.Queue(workers)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            try:
                if self._engine.available:
                    turned = await self.turn()
                    if turned and turned.more:
                        continue
                elif not self._probing.locked():
                    # One worker of the process looks whether the engine is back; messages go on waiting as
                    # messages, so that those that belong together still form one turn.
                    async with self._probing:
                        if await self._engine.probe():
                            continue
            except UNAVAILABLE:
                log.warning("inbox.failed", reason="database")
                await asyncio.sleep(POLL)
            except Exception:
                # A bug of ours must not stop the loop; the turn is tried again when its lease ends.
                log.exception("inbox.bug")
                await asyncio.sleep(POLL)
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL):
                    await self._calls.get()

    async def notified(self, _: str) -> None:
        """Something waits: one idle worker looks. A call is kept for a worker that is about to wait."""
        with suppress(asyncio.QueueFull):
            self._calls.put_nowait(None)

    async def turn(self) -> Turned | None:
        """One turn, if anything waits; None: nothing does."""
        async with self._services.db.begin() as tx:
            claim = await turns.claim_next(tx, real_now(), LEASE)
        if claim is None:
            return None
        reached("inbox.claimed")
        try:
            return await self._made(claim)
        except MedrepError as error:
            await self._failed(claim, error)
        except UNAVAILABLE:
            raise
        except Exception:
            # A bug of ours must not stop the loop: the turn counts as failed, the trace has no texts.
            log.exception("inbox.bug", turn=str(claim.turn_id))
            await self._failed(claim, MedrepError(Fault.ENGINE_FAILED, "internal"))
        return Turned(more=True)

    async def _made(self, claim: Claim) -> Turned:
        """Make the claimed turn. Raises MedrepError."""
        services = self._services
        if claim.attempts > LIVES:
            raise MedrepError(Fault.ENGINE_FAILED, "its workers died")
        async with services.db.begin() as tx:
            scene = await read_scene(tx, services, claim)
            if claim.purpose and scene and await trigger.held_back(tx, services, claim, scene.contact):
                return Turned(more=True)
        if scene is None or scene.reading is None or scene.taken_over or scene.hushed:
            await self._done_silently(claim, _why_silent(scene) if scene and scene.reading else None)
            return Turned(more=True)
        turn = None
        if not scene.reading.fixed:
            turn = await self._engine_turn(claim, scene, scene.reading.input)
            reached("inbox.turned")
        more = await self._endings.commit(claim, scene, turn)
        metrics.TURNS.labels("done").inc()
        reached("inbox.committed")
        return Turned(more)

    async def _engine_turn(self, claim: Claim, scene: Scene, turn_input: TurnInput) -> Turn:
        """What the engine makes of it.

        Turns that were tried before go one at a time (in this process), or what the engine does not survive
        would be counted against its neighbours again and again.
        """
        call = partial(
            self._engine.turn,
            claim.turn_id,
            hashlib.sha256(f"contact:{claim.contact_id}".encode()).hexdigest()[:16],
            scene.conversation,
            turn_input,
            scene.slots(),
            claim.fence,
        )
        if claim.attempts == 1:
            return await call()
        try:
            async with asyncio.timeout(AGAIN_WAIT):
                await self._again.acquire()
        except TimeoutError:
            raise MedrepError(Fault.ENGINE_DOWN, "busy with another that is tried again") from None
        try:
            return await call()
        finally:
            self._again.release()

    async def _done_silently(self, claim: Claim, why: str | None = None) -> None:
        async with self._services.db.begin() as tx:
            await turns.finish(tx, claim, InboxState.DONE, self._services.clock.now(), fault=why)
            if claim.purpose is not None:
                await triggers.done(tx, claim)

    async def _failed(self, claim: Claim, error: MedrepError) -> None:
        """The engine is down: wait for it. It failed this turn: try again, then say so.

        Raises MedrepError(LEASE_LOST | ERASED): then another worker has it, or finds nobody to answer.
        """
        metrics.TURNS.labels(str(error.fault)).inc()
        log.warning("turn.failed", turn=str(claim.turn_id), fault=str(error.fault), detail=error.detail)
        if error.fault == Fault.LEASE_LOST:
            return
        if claim.purpose is not None:
            async with self._services.db.begin() as tx:
                await trigger.failed(tx, self._services, claim, error)
            return
        # Somebody erased while the engine thought is found by the next look, which ends the turn.
        counts = error.fault not in (Fault.ENGINE_DOWN, Fault.ERASED)
        async with self._services.db.begin() as tx:
            if claim.attempts <= LIVES and (not counts or claim.failures + 1 < ATTEMPTS):
                until = real_now() + ENGINE_RETRY * claim.attempts
                await turns.postpone(tx, claim, until, str(error.fault), counts=counts)
                return
        await self._endings.give_up(claim, error)


def _why_silent(scene: Scene) -> str:
    return TAKEN_OVER if scene.taken_over else HUSHED

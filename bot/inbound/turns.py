"""The inbox loop: claim a contact's waiting messages, let the engine make a turn of them, commit it whole.

Strictly serial per contact, parallel across contacts, over any number of processes. No transaction is
open while the engine thinks; turn, conversation, replies and evidence commit in one.
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from bot.clock import real_now
from bot.dialogue.engine_client import EngineClient
from bot.evidence import Evidence, about, note_all
from bot.inbound import trigger
from bot.inbound.scene import Scene, read_scene, recorded
from bot.model import (
    Fault,
    InboxState,
    MedrepError,
    Purpose,
    Reply,
    Turn,
    TurnInput,
)
from bot.outbound.batching import together
from bot.people import takeover
from bot.runtime import metrics
from bot.runtime.killpoints import reached
from bot.runtime.services import Services
from bot.store import contacts, conversations, outbox, passive, triggers, turns
from bot.store.contacts import Contact
from bot.store.database import UNAVAILABLE, Tx
from bot.store.outbox import Draft
from bot.store.turns import Claim
from bot.tasks import Kind, open_task

log = structlog.get_logger()

LEASE = timedelta(seconds=15)  # longer than a turn of the engine and its commit
POLL = 1.0
ATTEMPTS = 4  # of a turn that the engine fails or never answers, over some 12 s of a working engine;
# that workers died on the way to it is not counted here
AGAIN_WAIT = 3.0  # seconds; with the engine's own time still within the lease
LIVES = 12  # of a turn whose workers die: what kills its worker each time is given up, too
ENGINE_RETRY = timedelta(seconds=2)
TAKEN_OVER = "takeover"  # why a turn ended without a word: a colleague speaks with them


def _about(claim: Claim) -> dict[str, Any]:
    """What the evidence of a trigger's turn says besides."""
    return {"about": claim.subject} if claim.subject else {}


class TurnWorkers:
    """The workers of one process."""

    def __init__(self, services: Services, engine: EngineClient, workers: int = 4) -> None:
        self._services = services
        self._engine = engine
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
                    if await self.turn():
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

    async def turn(self) -> bool:
        """One turn, if anything waits; whether there was one."""
        services = self._services
        async with services.db.begin() as tx:
            claim = await turns.claim_next(tx, real_now(), LEASE)
        if claim is None:
            return False
        reached("inbox.claimed")
        if claim.attempts > LIVES:
            await self._failed(claim, MedrepError(Fault.ENGINE_FAILED, "its workers died"))
            return True
        try:
            async with services.db.begin() as tx:
                scene = await read_scene(tx, services, claim)
                if claim.purpose and scene and await trigger.held_back(tx, services, claim, scene.contact):
                    return True
            if scene is None or scene.reading is None:
                await self._done_silently(claim)
                return True
            if scene.taken_over:
                await self._done_silently(claim, TAKEN_OVER)
                return True
            if scene.reading.fixed:
                await self._commit(claim, scene, None)
                return True
            turn = await self._engine_turn(claim, scene, scene.reading.input)
            reached("inbox.turned")
            await self._commit(claim, scene, turn)
            metrics.TURNS.labels("done").inc()
            reached("inbox.committed")
        except MedrepError as error:
            await self._failed(claim, error)
        except UNAVAILABLE:
            raise
        except Exception:
            # A bug of ours must not stop the loop: the turn counts as failed, the trace has no texts.
            log.exception("inbox.bug", turn=str(claim.turn_id))
            await self._failed(claim, MedrepError(Fault.ENGINE_FAILED, "internal"))
        return True

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

    async def _commit(self, claim: Claim, scene: Scene, turn: Turn | None) -> None:
        """Turn, conversation, replies and evidence, in one transaction."""
        services, now = self._services, self._services.clock.now()
        async with services.db.begin() as tx:
            if claim.purpose is None and await takeover.current(tx, [claim.contact_id], now, services.limits):
                await turns.finish(tx, claim, InboxState.DONE, now, fault=TAKEN_OVER)
                return
            contact = await contacts.by_id(tx, claim.contact_id)  # an action may have verified them
            replies = turn.replies if turn else self._fixed(scene)
            replies = await self._introduced(tx, claim, contact, replies)
            if claim.purpose is not None:  # a trigger's: all that it says is bound by what it is for
                replies = tuple(replace(reply, purpose=claim.purpose) for reply in replies)
            drafts = together(replies)
            basis = [part.basis for draft in drafts for part in draft.parts]
            record = None if turn is None else await recorded(tx, services.vault, contact, scene, turn, basis)
            connection = await turns.finish(tx, claim, InboxState.DONE, now, record=record)
            if turn is not None:
                await conversations.write_conversation(tx, services.vault, contact, turn.conversation, now)
            choices = drafts[-1].choices if drafts else ()
            await conversations.write_offer(tx, services.vault, contact, choices, now)
            queued = await self._queue(tx, claim, contact, drafts, connection)
            done = about(
                "turn.done",
                now,
                f"turn:{claim.turn_id}",
                contact,
                messages=[message.id for message in scene.messages],
                intent=turn.intent if turn else "",
                confidence=round((turn.confidence if turn else 1.0) * 1000),
                actions=list(turn.actions) if turn else [],
                basis=[str(one) for one in basis],
                **_about(claim),
            )
            await note_all(tx, [*queued, done])
            if claim.purpose is not None:
                await triggers.done(tx, claim)
            reached("inbox.before_commit")

    async def _queue(
        self,
        tx: Tx,
        claim: Claim,
        contact: Contact,
        drafts: list[Draft],
        connection: tuple[int, datetime] | None,
    ) -> list[Evidence]:
        """Queue the messages of a turn, the first for the connection that waits; what is to be recorded."""
        services, now = self._services, self._services.clock.now()
        if connection is not None and connection[1] < real_now():
            connection = None
        if connection is not None and drafts and await passive.waits_before(tx, contact.id):
            await passive.lend(tx, contact.id, *connection, real_now())
            connection = None
        found = []
        for number, draft in enumerate(drafts):
            outbox_id, sealed = await outbox.add(
                tx,
                services.vault,
                contact,
                draft,
                now=now,
                retry_at=real_now(),
                turn_id=claim.turn_id,
                passive=connection if number == 0 else None,
                expires_at=claim.expires_at,
                subject=claim.subject,
            )
            facts = {"turn": str(claim.turn_id), "purpose": draft.purpose.value, **_about(claim)}
            subject = f"outbox:{outbox_id}"
            found.append(about("reply.queued", now, subject, contact, body_enc=sealed, **facts))
        return found

    async def _introduced(
        self, tx: Tx, claim: Claim, contact: Contact, replies: tuple[Reply, ...]
    ) -> tuple[Reply, ...]:
        """The first thing anybody reads says that this is an AI, and whose.

        What a trigger says may never leave; so whoever got it has read it only once they answer.
        """
        if contact.introduced_at is not None or not replies:
            return replies
        if claim.purpose is None:
            await contacts.mark(tx, contact.id, introduced_at=self._services.clock.now())
            if await outbox.has_left(tx, contact.id, "utter_introduce"):
                return replies
        if any(reply.basis and reply.basis.ref == "utter_introduce" for reply in replies):
            return replies
        return (self._services.published.dialogue.reply("utter_introduce", contact.audience), *replies)

    def _fixed(self, scene: Scene) -> tuple[Reply, ...]:
        assert scene.reading is not None  # noqa: S101 - for the type checker; turn() asked
        return (self._services.published.dialogue.reply(scene.reading.fixed, scene.contact.audience),)

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
        services, now = self._services, self._services.clock.now()
        async with services.db.begin() as tx:
            if claim.attempts <= LIVES and (not counts or claim.failures + 1 < ATTEMPTS):
                until = real_now() + ENGINE_RETRY * claim.attempts
                await turns.postpone(tx, claim, until, str(error.fault), counts=counts)
                return
            contact = await contacts.by_id(tx, claim.contact_id)
            connection = await turns.finish(tx, claim, InboxState.FAILED, now, fault=str(error.fault))
            reply = services.published.dialogue.reply("utter_failed", contact.audience, Purpose.REPLY)
            queued = await self._queue(tx, claim, contact, [Draft.of(reply)], connection)
            failed = about(
                "turn.failed",
                now,
                f"turn:{claim.turn_id}",
                contact,
                fault=str(error.fault),
                detail=error.detail,
                attempts=claim.attempts,
            )
            await note_all(tx, [*queued, failed])
            await open_task(
                tx,
                services.vault,
                Kind.FAILED_TURN,
                now=now,
                contact=contact,
                key=f"{Kind.FAILED_TURN}:{claim.turn_id}",
                detail=str(error),
            )

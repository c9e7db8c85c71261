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

from bot import metrics
from bot.base import Base
from bot.clock import real_now
from bot.dialogue import Engine
from bot.drafts import together
from bot.evidence import Evidence
from bot.listening import Heard, hear
from bot.model import Audience, Fault, InboxState, MedrepError, Purpose, Reply, Turn, TurnInput
from bot.points import reached
from bot.store import connections, contacts, doctors, messages, outgoing, turns
from bot.store.contacts import Contact
from bot.store.database import UNAVAILABLE, Tx
from bot.store.doctors import Standing
from bot.store.messages import Claim, Waiting
from bot.store.outgoing import Draft
from bot.tasks import Kind, open_task

log = structlog.get_logger()

LEASE = timedelta(seconds=15)  # longer than a turn of the engine and its commit
POLL = 1.0
ATTEMPTS = 4  # of a turn that the engine fails or never answers, over some 12 s of a working engine
AGAIN_WAIT = 3.0  # seconds; with the engine's own time still within the lease
LIVES = 12  # of a turn whose workers die: what kills its worker each time is given up, too
ENGINE_RETRY = timedelta(seconds=2)
# A doctor who is back after rounds goes on; a "2" or a 「好的」 of the next day answers nothing of yesterday.
SESSION = timedelta(hours=8)


@dataclass(frozen=True, slots=True)
class Scene:
    """All that one turn starts from."""

    whose: Contact
    standing: Standing
    said: tuple[Waiting, ...]
    heard: Heard | None  # None: nothing to ask the engine
    conversation: bytes | None


class Inbox:
    """The workers of one process."""

    def __init__(self, base: Base, engine: Engine, workers: int = 4) -> None:
        self._base = base
        self._engine = engine
        self._workers = workers
        self._probing = asyncio.Lock()
        self._again = asyncio.Lock()
        self.wake = asyncio.Condition()

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
            async with self.wake:
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL):
                        await self.wake.wait()

    async def turn(self) -> bool:
        """One turn, if anything waits; whether there was one."""
        base = self._base
        async with base.db.begin() as tx:
            mine = await messages.claim(tx, real_now(), LEASE)
        if mine is None:
            return False
        reached("inbox.claimed")
        if mine.attempts > LIVES:
            await self._failed(mine, MedrepError(Fault.ENGINE_FAILED, "its workers died"))
            return True
        try:
            async with base.db.begin() as tx:
                scene = await self._scene(tx, mine)
            if scene is None or scene.heard is None:
                await self._done_silently(mine)
                return True
            if scene.heard.fixed:
                await self._commit(mine, scene, None)
                return True
            turn = await self._thought(mine, scene, scene.heard.input)
            reached("inbox.turned")
            await self._commit(mine, scene, turn)
            metrics.TURNS.labels("done").inc()
            reached("inbox.committed")
        except MedrepError as error:
            await self._failed(mine, error)
        except UNAVAILABLE:
            raise
        except Exception:
            # A bug of ours must not stop the loop: the turn counts as failed, the trace has no texts.
            log.exception("inbox.bug", turn=str(mine.turn_id))
            await self._failed(mine, MedrepError(Fault.ENGINE_FAILED, "internal"))
        return True

    async def _thought(self, mine: Claim, scene: Scene, said: TurnInput) -> Turn:
        """What the engine makes of it.

        Turns that were tried before go one at a time (in this process), or what the engine does not survive
        would be counted against its neighbours again and again.
        """
        asked = partial(
            self._engine.turn,
            mine.turn_id,
            hashlib.sha256(f"contact:{mine.contact_id}".encode()).hexdigest()[:16],
            scene.conversation,
            said,
            _slots(scene),
        )
        if mine.attempts == 1:
            return await asked()
        try:
            async with asyncio.timeout(AGAIN_WAIT):
                await self._again.acquire()
        except TimeoutError:
            raise MedrepError(Fault.ENGINE_DOWN, "busy with another that is tried again") from None
        try:
            return await asked()
        finally:
            self._again.release()

    async def _scene(self, tx: Tx, mine: Claim) -> Scene | None:
        base = self._base
        whose = await contacts.by_id(tx, mine.contact_id)
        try:
            said = await messages.of_turn(tx, base.vault, mine.turn_id)
            since = base.clock.now() - SESSION
            offered = await turns.read_offer(tx, base.vault, mine.contact_id, since)
            conversation = await turns.read_conversation(tx, base.vault, whose, since)
        except MedrepError as error:
            if error.fault != Fault.ERASED:
                raise
            return None  # the person was erased while this waited
        standing = await doctors.standing(tx, whose.person_id)
        known = whose.audience == Audience.PATIENT or standing.verified
        return Scene(whose, standing, said, hear(said, offered, verified=known), conversation)

    async def _commit(self, mine: Claim, scene: Scene, turn: Turn | None) -> None:
        """Turn, conversation, replies and evidence, in one transaction."""
        base, now = self._base, self._base.clock.now()
        async with base.db.begin() as tx:
            whose = await contacts.by_id(tx, mine.contact_id)  # an action may have verified them
            replies = turn.replies if turn else self._fixed(scene)
            replies = await self._introduced(tx, whose, turn, replies)
            if turn is not None:
                await turns.write_conversation(tx, base.vault, whose, turn.conversation, now)
            drafts = together(replies)
            choices = drafts[-1].choices if drafts else ()
            await turns.write_offer(tx, base.vault, whose, choices, now)
            await self._queue(tx, mine, whose, drafts)
            await Evidence(
                kind="turn.done",
                at=now,
                subject=f"turn:{mine.turn_id}",
                facts={
                    "messages": [message.id for message in scene.said],
                    "intent": turn.intent if turn else "",
                    "confidence": round((turn.confidence if turn else 1.0) * 1000),
                    "actions": list(turn.actions) if turn else [],
                    "basis": [str(part.basis) for draft in drafts for part in draft.parts],
                },
                person_id=whose.person_id,
                contact_id=whose.id,
            ).record(tx)
            await messages.finish(tx, mine, InboxState.DONE, now, intent=turn.intent if turn else "")
            reached("inbox.before_commit")

    async def _queue(self, tx: Tx, mine: Claim, whose: Contact, drafts: list[Draft]) -> None:
        base, now = self._base, self._base.clock.now()
        passive = await messages.passive_until(tx, mine.turn_id)
        if passive is not None and passive[1] < real_now():
            passive = None
        if passive is not None and drafts and await connections.waits_before(tx, whose.id):
            await connections.lend(tx, whose.id, *passive, real_now())
            passive = None
        for number, draft in enumerate(drafts):
            outbox_id, sealed = await outgoing.add(
                tx,
                base.vault,
                whose,
                draft,
                now=now,
                retry_at=real_now(),
                turn_id=mine.turn_id,
                passive=passive if number == 0 else None,
            )
            await Evidence(
                kind="reply.queued",
                at=now,
                subject=f"outbox:{outbox_id}",
                facts={"turn": str(mine.turn_id), "purpose": draft.purpose.value},
                person_id=whose.person_id,
                contact_id=whose.id,
                body_enc=sealed,
            ).record(tx)

    async def _introduced(
        self, tx: Tx, whose: Contact, turn: Turn | None, replies: tuple[Reply, ...]
    ) -> tuple[Reply, ...]:
        """The first thing anybody reads says that this is an AI, and whose."""
        if whose.introduced_at is not None or not replies:
            return replies
        await contacts.mark(tx, whose.id, introduced_at=self._base.clock.now())
        if any(reply.basis and reply.basis.ref == "utter_introduce" for reply in replies):
            return replies
        return (self._base.published.dialogue.reply("utter_introduce", whose.audience), *replies)

    def _fixed(self, scene: Scene) -> tuple[Reply, ...]:
        assert scene.heard is not None  # noqa: S101 - for the type checker; turn() asked
        return (self._base.published.dialogue.reply(scene.heard.fixed, scene.whose.audience),)

    async def _done_silently(self, mine: Claim) -> None:
        async with self._base.db.begin() as tx:
            await messages.finish(tx, mine, InboxState.DONE, self._base.clock.now())

    async def _failed(self, mine: Claim, error: MedrepError) -> None:
        """The engine is down: wait for it. It failed this turn: try again, then say so.

        Raises MedrepError(LEASE_LOST | ERASED): then another worker has it, or finds nobody to answer.
        """
        metrics.TURNS.labels(str(error.fault)).inc()
        log.warning("turn.failed", turn=str(mine.turn_id), fault=str(error.fault), detail=error.detail)
        if error.fault == Fault.LEASE_LOST:
            return
        # Somebody erased while the engine thought is found by the next look, which ends the turn.
        counts = error.fault not in (Fault.ENGINE_DOWN, Fault.ERASED)
        base, now = self._base, self._base.clock.now()
        async with base.db.begin() as tx:
            if not counts or mine.attempts < ATTEMPTS:
                until = real_now() + ENGINE_RETRY * mine.attempts
                await messages.postpone(tx, mine, until, str(error.fault), counts=counts)
                return
            whose = await contacts.by_id(tx, mine.contact_id)
            await messages.finish(tx, mine, InboxState.FAILED, now, fault=str(error.fault))
            reply = base.published.dialogue.reply("utter_failed", whose.audience, Purpose.REPLY)
            await self._queue(tx, mine, whose, [Draft.of(reply)])
            await Evidence(
                kind="turn.failed",
                at=now,
                subject=f"turn:{mine.turn_id}",
                facts={"fault": str(error.fault), "detail": error.detail, "attempts": mine.attempts},
                person_id=whose.person_id,
                contact_id=whose.id,
            ).record(tx)
            await open_task(
                tx,
                base.vault,
                Kind.FAILED_TURN,
                now=now,
                whose=whose,
                key=f"{Kind.FAILED_TURN}:{mine.turn_id}",
                detail=str(error),
            )


def _slots(scene: Scene) -> dict[str, object]:
    """What rows know and the conversation needs."""
    return {
        "audience": scene.whose.audience.value,
        "verified": scene.standing.verified,
        "verify_waiting": scene.standing.waiting,
        "introduced": scene.whose.introduced_at is not None,
        "adverse_event": any(message.screening.get("adverse_event") for message in scene.said),
    }

"""How a turn ends: turn, conversation, replies and evidence in one commit.

The first reply is handed to the connection that brought the message, when that waits in this process: it has
passed the exit within the commit, and nobody needs to look for it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from bot.clock import real_now
from bot.evidence import Evidence, about, note_all
from bot.inbound.connections import Connection, Connections, Offer
from bot.inbound.scene import Scene, recorded
from bot.model import InboxState, MedrepError, Purpose, Reply, Turn
from bot.outbound.batching import together
from bot.people import takeover
from bot.runtime.killpoints import reached
from bot.runtime.services import Services
from bot.store import contacts, conversations, outbox, passive, scenes, triggers, turns
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.outbox import Draft, Outgoing
from bot.store.turns import Claim
from bot.tasks import Kind, open_task

TAKEN_OVER = "takeover"  # why a turn ended without a word: a colleague speaks with them
HUSHED = "hushed"  # or they want silence until one does


@dataclass(slots=True)
class Handing:
    """A connection that is reserved for the first reply of a turn, and that reply once it may leave."""

    connection: Connection | None = None
    offer: Offer | None = None

    def free(self) -> None:
        """Nothing is given: the connection looks for itself."""
        if self.connection is not None:
            self.connection.free()


class Endings:
    """Of one process."""

    def __init__(self, services: Services, connections: Connections) -> None:
        self._services = services
        self._connections = connections

    async def commit(self, claim: Claim, scene: Scene, turn: Turn | None) -> bool:
        """Turn, conversation, replies and evidence; whether more waits.

        Raises MedrepError(LEASE_LOST | ERASED).
        """
        services, now = self._services, self._services.clock.now()
        async with self._ending() as (tx, handing):
            silent = takeover.silence(now, services.limits)
            contact, taken_over = await scenes.at_commit(tx, claim.contact_id, silent)
            if claim.purpose is None and taken_over:
                return (await turns.finish(tx, claim, InboxState.DONE, now, fault=TAKEN_OVER)).more
            more = await self._commit(tx, claim, contact, scene, turn, handing)
            reached("inbox.before_commit")
            return more

    async def give_up(self, claim: Claim, error: MedrepError) -> None:
        """The engine failed it for good: say so, and leave a task. Raises MedrepError(LEASE_LOST)."""
        services, now = self._services, self._services.clock.now()
        async with self._ending() as (tx, handing):
            contact, _ = await scenes.at_commit(tx, claim.contact_id, now)
            finished = await turns.finish(tx, claim, InboxState.FAILED, now, fault=str(error.fault))
            reply = services.published.dialogue.reply("utter_failed", contact.audience, Purpose.REPLY)
            queued = await self._queue(tx, claim, contact, [Draft.of(reply)], finished.connection, handing)
            facts: dict[str, Any] = {"fault": str(error.fault), "detail": error.detail}
            subject = f"turn:{claim.turn_id}"
            failed = about("turn.failed", now, subject, contact, **facts, attempts=claim.attempts)
            await note_all(tx, [*queued, failed])
            key, detail = f"{Kind.FAILED_TURN}:{claim.turn_id}", str(error)
            await open_task(
                tx, services.vault, Kind.FAILED_TURN, now=now, contact=contact, key=key, detail=detail
            )

    @asynccontextmanager
    async def _ending(self) -> AsyncIterator[tuple[Tx, Handing]]:
        """The transaction in which a turn ends; after its commit the connection gets its reply."""
        handing = Handing()
        try:
            async with self._services.db.begin() as tx:
                yield tx, handing
        except BaseException:
            handing.free()
            raise
        await self._hand_over(handing)

    async def _commit(
        self,
        tx: Tx,
        claim: Claim,
        contact: Contact,
        scene: Scene,
        turn: Turn | None,
        handing: Handing,
    ) -> bool:
        vault, now = self._services.vault, self._services.clock.now()
        replies = (*scene.heard, *scene.label, *scene.noted, *(turn.replies if turn else self._fixed(scene)))
        replies = await self._introduced(tx, claim, contact, replies)
        if claim.purpose is not None:  # a trigger's: all that it says is bound by what it is for
            replies = tuple(replace(reply, purpose=claim.purpose) for reply in replies)
        drafts = together(replies)
        basis = [part.basis for draft in drafts for part in draft.parts]
        record = None
        if turn is not None or scene.label:
            record = await recorded(tx, vault, contact, scene, turn, basis)
        finished = await turns.finish(tx, claim, InboxState.DONE, now, record=record)
        choices = drafts[-1].choices if drafts else ()
        if turn is None:
            await conversations.write_offer(tx, vault, contact, choices, now)
        else:
            await conversations.write_conversation(tx, vault, contact, turn.conversation, choices, now)
        queued = await self._queue(tx, claim, contact, drafts, finished.connection, handing)
        facts: dict[str, Any] = {
            "messages": [message.id for message in scene.messages],
            "intent": turn.intent if turn else "",
            "confidence": round((turn.confidence if turn else 1.0) * 1000),
            "actions": list(turn.actions) if turn else [],
            "basis": [str(one) for one in basis],
        }
        done = about("turn.done", now, f"turn:{claim.turn_id}", contact, **facts, **_about(claim))
        await note_all(tx, [*queued, done])
        if claim.purpose is not None:
            await triggers.done(tx, claim)
        return finished.more

    async def _queue(
        self,
        tx: Tx,
        claim: Claim,
        contact: Contact,
        drafts: list[Draft],
        waiting: tuple[int, datetime] | None,
        handing: Handing,
    ) -> list[Evidence]:
        """Queue the messages of a turn, the first for the connection that is `waiting` (whose message, until
        when); what is to be recorded."""
        services, now = self._services, self._services.clock.now()
        if waiting is not None and waiting[1] < real_now():
            waiting = None
        if waiting is not None and drafts:
            handing.connection = self._connections.reserve(*waiting)
        found = []
        for number, draft in enumerate(drafts):
            first = waiting if number == 0 else None
            taken = first is not None and handing.connection is not None
            queued = await outbox.add(
                tx,
                services.vault,
                contact,
                draft,
                now=now,
                retry_at=real_now(),
                turn_id=claim.turn_id,
                passive=first,
                written_until=real_now() + self._connections.retry_wait if taken else None,
                expires_at=claim.expires_at,
                subject=claim.subject,
            )
            row = queued.row
            if first is not None and not queued.passive:
                await passive.lend(tx, contact.id, *first, real_now())
            elif taken:
                handing.offer = await self._offer(tx, row, contact)
            facts = {"turn": str(claim.turn_id), "purpose": draft.purpose.value, **_about(claim)}
            found.append(
                about("reply.queued", now, f"outbox:{row.id}", contact, body_enc=row.body_enc, **facts)
            )
        return found

    async def _offer(self, tx: Tx, row: Outgoing, contact: Contact) -> Offer | None:
        """What the connection carries; else the row is pushed, or meets the same refusal there."""
        message = await self._connections.message(tx, self._services, row, contact)
        if message is None:
            await passive.push_instead(tx, row)
            return None
        return Offer(row.id, message, row)

    async def _hand_over(self, handing: Handing) -> None:
        connection, offer = handing.connection, handing.offer
        if connection is None or offer is None:
            handing.free()
        elif connection.give(offer):
            reached("passive.claimed")
        else:  # it has just gone
            async with self._services.db.begin() as tx:
                await passive.push_instead(tx, offer.row)

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
        if scene.reading is None:
            return ()
        dialogue, name = self._services.published.dialogue, scene.reading.fixed
        # a version that was published before this text was there
        name = name if dialogue.has(name) else "utter_media"
        return (dialogue.reply(name, scene.contact.audience),)


def _about(claim: Claim) -> dict[str, Any]:
    """What the evidence of a trigger's turn says besides."""
    return {"about": claim.subject} if claim.subject else {}

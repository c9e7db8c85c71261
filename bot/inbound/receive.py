"""Accepting a message: one transaction before anything is answered.

The message is stored (once, by its key), screened for safety, and its evidence written; what must be
said whatever happens next (a red flag, an adverse event, a stop) is queued in the same transaction, so
it leaves with the engine dead or hung.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.clock import real_now
from bot.dialogue.published import Published
from bot.evidence import Evidence, about
from bot.model import Accepted, Audience, Inbound, InboundKind, InboxState, Purpose
from bot.outbound.receipts import reported
from bot.people import stop
from bot.privacy import unfollowed
from bot.runtime.killpoints import reached
from bot.runtime.services import Services
from bot.safety import Screening, screen
from bot.store import contacts, inbox, outbox, platform
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.inbox import Arrival
from bot.store.outbox import Draft, Part
from bot.store.receipts import Report
from bot.tasks import Kind, open_task

FRAGMENT_WAIT = timedelta(seconds=1.5)
# Openings that say nothing by themselves; their continuation usually follows within a second.
FRAGMENTS = frozenset(
    ["请问", "请问一下", "那个", "那", "嗯", "我想问", "我想问一下", "想问一下", "问一下", "还有", "就是"]
)
WORDS = frozenset({InboundKind.TEXT, InboundKind.MEDIA})
CLICKS = frozenset({"subscribe", "scan", "click"})
LONGEST_STATUS = 60  # characters of a receipt's word that are kept
QUIET = Screening(red_flag="", adverse_event=False, stop=False, resume=False)


def is_fragment(text: str, published: Published) -> bool:
    """Whether a text says nothing by itself and its continuation is worth a short wait: an opening, a
    clause left open, or the bare name of a product."""
    bare = text.strip().rstrip("，,、…. ")
    left_open = len(text) <= 20 and text.rstrip().endswith(("，", ",", "、"))
    return bare in FRAGMENTS or left_open or published.is_name(bare)


class Receiver:
    """Where messages come in."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def accept(
        self, inbound: Inbound, audience: Audience, *, passive_until: datetime | None
    ) -> Accepted:
        """Store, screen and commit. `passive_until` (real time): a connection can carry the reply."""
        services, now = self._services, self._services.clock.now()
        screening = screen(inbound.text, audience) if inbound.kind == InboundKind.TEXT else QUIET
        async with services.db.begin() as tx:
            contact = await contacts.find_or_add(
                tx, services.vault, inbound.account, audience, inbound.address, now
            )
            sealed = await inbox.seal(tx, services.vault, contact, inbound)
            key = inbox.key_of(services.vault, inbound)
            arrival = _arrival(
                inbound, key, contact, sealed, screening, now, passive_until, services.published
            )
            inbox_id = await inbox.store(tx, arrival, _evidence(arrival).row(tx))
            if inbox_id is None:
                await tx.rollback()  # a contact made for it, too: a replay brings back nobody who was erased
            elif inbound.kind == InboundKind.RECEIPT:
                await _receipt(tx, inbound, now)
            elif inbound.event == "unsubscribe":
                await unfollowed(tx, services, contact, now)
            elif screening != QUIET:
                await self._safety(tx, arrival, screening, inbox_id)
            reached("accept.before_commit")
        if inbox_id is None:
            for made in (contact.person_id, contact.key_id):
                services.vault.forget(made)
            async with services.db.begin() as tx:
                found = await inbox.found_again(tx, inbound.account, key, passive_until)
            return Accepted(found, duplicate=True)
        reached("accept.committed")
        return Accepted(inbox_id, duplicate=False, answered=screening != QUIET)

    async def _safety(self, tx: Tx, arrival: Arrival, screening: Screening, inbox_id: int) -> None:
        """What is said and done before any NLU and apart from the queue."""
        contact, now = arrival.contact, arrival.received_at
        names: list[str] = []
        if screening.red_flag:
            names.append(self._emergency(screening.red_flag))
            await self._task(tx, arrival, Kind.EMERGENCY, inbox_id)
        if screening.adverse_event:
            names.append("utter_adverse_event")
            await self._task(tx, arrival, Kind.ADVERSE_EVENT, inbox_id)
        if screening.stop:
            names.append("utter_stop")
            await stop.stop(tx, contact, now)
        elif screening.resume:
            names.append("utter_resume")
            await stop.resume(tx, contact, now)
        if not names:
            return
        dialogue = self._services.published.dialogue
        urgent = screening.red_flag or screening.adverse_event
        draft = Draft(
            parts=tuple(Part(dialogue.text(name, contact.audience), dialogue.basis(name)) for name in names),
            purpose=Purpose.EMERGENCY if urgent else Purpose.REPLY,
            unordered=True,
        )
        passive = (inbox_id, arrival.passive_until) if arrival.passive_until else None
        await outbox.add(
            tx, self._services.vault, contact, draft, now=now, retry_at=real_now(), passive=passive
        )

    def _emergency(self, category: str) -> str:
        name = f"utter_emergency_{category}"
        return name if self._services.published.dialogue.has(name) else "utter_emergency"

    async def _task(self, tx: Tx, arrival: Arrival, kind: Kind, inbox_id: int) -> None:
        await open_task(
            tx,
            self._services.vault,
            kind,
            now=arrival.received_at,
            contact=arrival.contact,
            key=f"{kind}:inbox:{inbox_id}",
            detail=arrival.inbound.text[:4000],
        )


async def _receipt(tx: Tx, inbound: Inbound, now: datetime) -> None:
    """The platform's later word on something we sent."""
    told = inbound.detail
    if platform_id := str(told.get("platform_id", "")):
        status = str(told.get("status", ""))[:LONGEST_STATUS]
        report = Report(inbound.account, platform_id, bool(told.get("delivered")), status)
        await reported(tx, report, now)


def _arrival(
    inbound: Inbound,
    key: str,
    contact: Contact,
    sealed: bytes,
    screening: Screening,
    now: datetime,
    passive_until: datetime | None,
    published: Published,
) -> Arrival:
    """What this message means for its contact and its queue."""
    words = inbound.kind in WORDS
    clicked = inbound.kind == InboundKind.CHOICE or inbound.event.lower() in CLICKS
    answered = bool(screening.stop or screening.resume or screening.red_flag)
    waits = inbound.kind == InboundKind.TEXT and not answered and is_fragment(inbound.text, published)
    found = {"red_flag": screening.red_flag, "adverse_event": screening.adverse_event}
    return Arrival(
        inbound=inbound,
        key=key,
        contact=contact,
        sealed=sealed,
        screening={name: value for name, value in found.items() if value},
        state=InboxState.DONE if answered or inbound.kind == InboundKind.RECEIPT else InboxState.WAITING,
        received_at=now,
        ready_at=real_now() + (FRAGMENT_WAIT if waits else timedelta()),
        passive_until=passive_until,
        grant=platform.MESSAGE if words else platform.CLICK if clicked else None,
        present=words or clicked,
        hurry=inbound.kind == InboundKind.TEXT and not waits,
    )


def _evidence(arrival: Arrival) -> Evidence:
    """That it was received, what it was, and what the screening found."""
    inbound = arrival.inbound
    return about(
        "message.received",
        arrival.received_at,
        f"message:{arrival.key[:32]}",
        arrival.contact,
        body_enc=arrival.sealed,
        account=str(inbound.account),
        kind=inbound.kind.value,
        **arrival.screening,
    )

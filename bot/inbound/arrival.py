"""A message on its way into the inbox, and what it means for its contact and its queue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.clock import real_now
from bot.dialogue.published import Published
from bot.evidence import Evidence, about
from bot.inbound.label import names_ours
from bot.inbound.open_requests import left_over
from bot.model import Audience, Inbound, InboundKind, InboxState
from bot.safety import Screening
from bot.store import inbox, platform
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.inbox import Arrival
from bot.store.vault import Vault

FRAGMENT_WAIT = timedelta(seconds=1.5)
# Openings that say nothing by themselves; their continuation usually follows within a second.
FRAGMENTS = frozenset(
    ["请问", "请问一下", "那个", "那", "嗯", "我想问", "我想问一下", "想问一下", "问一下", "还有", "就是"]
)
WORDS = frozenset({InboundKind.TEXT, InboundKind.MEDIA})
CLICKS = frozenset({"subscribe", "scan", "click"})
QUIET = Screening(red_flag="", adverse_event=False, stop=False, resume=False)


@dataclass(frozen=True, slots=True)
class Incoming:
    """A screened message that is not stored yet. `received_at` is business time."""

    inbound: Inbound
    audience: Audience
    screening: Screening
    key: str  # of `inbox.key_of`
    received_at: datetime
    passive_until: datetime | None  # real time: a connection can carry the reply until then

    @property
    def urgent(self) -> bool:
        """It is stored however much comes in: the screening found something, or they unfollowed."""
        return self.screening != QUIET or self.inbound.event == "unsubscribe"

    @property
    def wishes(self) -> bool:
        """It changes what they hear of us."""
        return self.screening.stop or self.screening.resume or bool(self.screening.only)


def is_fragment(text: str, published: Published) -> bool:
    """Whether a text says nothing by itself and its continuation is worth a short wait: an opening, a
    clause left open, or the bare name of a product."""
    bare = text.strip().rstrip("，,、…. ")
    left_open = len(text) <= 20 and text.rstrip().endswith(("，", ",", "、"))
    return bare in FRAGMENTS or left_open or published.is_name(bare)


async def arrival(
    tx: Tx, vault: Vault, published: Published, incoming: Incoming, contact: Contact
) -> Arrival:
    """What to store for this contact. Raises MedrepError(ERASED)."""
    inbound, screening = incoming.inbound, incoming.screening
    words = inbound.kind in WORDS
    clicked = inbound.kind == InboundKind.CHOICE or inbound.event.lower() in CLICKS
    answered = bool(incoming.wishes or screening.red_flag or screening.money)
    # Of a product that a doctor's emergency names, a turn quotes the label.
    quoted = bool(screening.red_flag) and not incoming.wishes
    quoted = quoted and incoming.audience is Audience.DOCTOR and names_ours(inbound.text, published)
    granted = incoming.wishes or screening.money
    more = bool(granted and left_over(inbound.text, published.ours, money=bool(screening.money)))
    over = (answered and not (quoted or more)) or inbound.kind == InboundKind.RECEIPT
    waits = inbound.kind == InboundKind.TEXT and not answered and is_fragment(inbound.text, published)
    found = {
        "red_flag": screening.red_flag,
        "adverse_event": screening.adverse_event,
        "wish": incoming.wishes,
        "money": screening.money,
    }
    facts = {name: value for name, value in found.items() if value}
    sealed = await inbox.seal(tx, vault, contact, inbound)
    return Arrival(
        inbound=inbound,
        key=incoming.key,
        contact=contact,
        sealed=sealed,
        screening=facts,
        state=InboxState.DONE if over else InboxState.WAITING,
        received_at=incoming.received_at,
        ready_at=real_now() + (FRAGMENT_WAIT if waits else timedelta()),
        passive_until=incoming.passive_until,
        grant=platform.MESSAGE if words else platform.CLICK if clicked else None,
        present=words or clicked,
        hurry=inbound.kind == InboundKind.TEXT and not waits,
        evidence=_evidence(incoming, contact, sealed, facts).row(tx),
    )


def _evidence(incoming: Incoming, contact: Contact, sealed: bytes, facts: dict[str, object]) -> Evidence:
    """That it was received, what it was, and what the screening found."""
    inbound = incoming.inbound
    return about(
        "message.received",
        incoming.received_at,
        f"message:{incoming.key[:32]}",
        contact,
        body_enc=sealed,
        account=str(inbound.account),
        kind=inbound.kind.value,
        **facts,
    )

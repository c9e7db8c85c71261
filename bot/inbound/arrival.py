"""A message on its way into the inbox, and what it means for its contact and its queue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.clock import real_now
from bot.dialogue.published import Published
from bot.evidence import Evidence, about
from bot.inbound.fragments import Piece, bare, piece_of
from bot.inbound.label import names_ours
from bot.inbound.open_requests import left_over
from bot.model import Audience, Inbound, InboundKind, InboxState
from bot.safety import Screening
from bot.store import inbox, platform
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.inbox import Arrival
from bot.store.vault import Vault

# The continuation of an opening usually follows within a second; of what is only likely a piece, sooner.
OPENING_WAIT, PART_WAIT = timedelta(seconds=1.5), timedelta(seconds=1.2)
_WAITS: dict[Piece | None, timedelta] = {Piece.OPENING: OPENING_WAIT, Piece.PART: PART_WAIT}
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
    more = bool(
        granted and left_over(inbound.text, published.products, published.ours, money=bool(screening.money))
    )
    over = (answered and not (quoted or more)) or inbound.kind == InboundKind.RECEIPT
    piece = None
    if inbound.kind == InboundKind.TEXT and not answered:
        piece = piece_of(inbound.text, is_name=published.is_name(bare(inbound.text)))
    now = real_now()
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
        ready_at=now + (OPENING_WAIT if piece == Piece.OPENING else timedelta()),
        joined_at=now + _WAITS[piece] if piece in _WAITS else None,
        # The connection carries what is said at once; what a turn says besides is pushed and waits for none.
        passive_until=None if answered or screening.adverse_event else incoming.passive_until,
        grant=platform.MESSAGE if words else platform.CLICK if clicked else None,
        present=words or clicked,
        hurry=inbound.kind == InboundKind.TEXT and (answered or piece == Piece.WHOLE),
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

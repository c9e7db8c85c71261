"""The vocabulary: what travels between rooms, the closed enums, and the one error vocabulary.

Everything here is frozen; times are aware datetimes; lengths are in characters unless said otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID


class Audience(StrEnum):
    """Whom an account, a text or a document is for."""

    DOCTOR = "doctor"
    PATIENT = "patient"


class Channel(StrEnum):
    WECHAT = "wechat"
    WECOM = "wecom"
    TELEGRAM = "telegram"
    WEBCHAT = "webchat"


@dataclass(frozen=True, slots=True)
class Account:
    """One account of ours on a channel, written `wechat:demo`."""

    channel: Channel
    name: str

    def __str__(self) -> str:
        return f"{self.channel}:{self.name}"

    @classmethod
    def parse(cls, text: str) -> Account:
        channel, _, name = text.partition(":")
        if channel not in set(Channel) or not name:
            raise MedrepError(Fault.BAD_INPUT, f"not a channel account: {text[:60]!r}")
        return cls(Channel(channel), name)


# ---------------------------------------------------------------- inbound


class InboundKind(StrEnum):
    TEXT = "text"  # words of the person (voice recognised by the platform included)
    CHOICE = "choice"  # a choice we offered was picked; `choice` holds its id on the platform
    MEDIA = "media"  # a picture, voice without words, file, location, card
    EVENT = "event"  # subscribe, unsubscribe, menu click, ...; `event` holds its name
    TRIGGER = "trigger"  # a proactive turn of ours (a visit begins)
    RECEIPT = "receipt"  # the platform's report on something we sent


@dataclass(frozen=True, slots=True)
class Inbound:
    """One message as a connector understood it.

    `key` is unique within the account: the platform's message id, or what stands for it in an event.
    `address` is the sender's platform id (openid, chat id). `sent_at` is the platform's time.
    """

    account: Account
    address: str
    key: str
    kind: InboundKind
    sent_at: datetime
    text: str = ""
    choice: str = ""
    event: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


# ---------------------------------------------------------------- outbound


class Purpose(StrEnum):
    """Why a message is sent, or data used. Consent binds what we begin (`PROACTIVE`) and ANALYSIS; quiet
    hours and caps, SERVICE and PROMOTION."""

    EMERGENCY = "emergency"
    REPLY = "reply"
    MEDICATION = "medication"
    SERVICE = "service"
    PROMOTION = "promotion"
    ANALYSIS = "analysis"  # nothing is sent for it: looking at what a doctor does, for marketing


PROACTIVE = frozenset({Purpose.MEDICATION, Purpose.SERVICE, Purpose.PROMOTION})
CONSENTED = PROACTIVE | {Purpose.ANALYSIS}  # what a person agrees to, or not


class BasisKind(StrEnum):
    RESPONSE = "response"  # an approved response of the published dialogue
    CONTENT = "content"  # an approved knowledge entry
    PERSON = "person"  # a named colleague typed it
    ANSWER = "answer"  # medical information wrote it for this person, and a second colleague approved it


@dataclass(frozen=True, slots=True)
class Basis:
    """What entitles a text to leave, written `content:met-renal@3`."""

    kind: BasisKind
    ref: str
    version: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.ref}@{self.version}"

    @classmethod
    def parse(cls, text: str) -> Basis:
        kind, _, rest = text.partition(":")
        ref, _, version = rest.rpartition("@")
        if kind not in set(BasisKind) or not ref:
            raise MedrepError(Fault.NO_BASIS, text[:80])
        return cls(BasisKind(kind), ref, version)


@dataclass(frozen=True, slots=True)
class Choice:
    """Something the person may pick. `id` is what it means to us; `label` is what is read."""

    id: str
    label: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A picture that belongs to approved content, by reference: `ref` in revision `version`, and the sha256
    (hex) of its bytes."""

    ref: str
    version: str
    digest: str


@dataclass(frozen=True, slots=True)
class Message:
    """What a connector is asked to send: text, and choices below it in order.

    With `attachment` it is that picture, and `text` is what is read where no picture can be shown.
    `number` is the outbox row it comes from, 0 for none: it belongs to the ids of the choices on a platform.
    `typed`: a colleague wrote it, so no platform may show it as made by an AI.
    """

    text: str
    choices: tuple[Choice, ...] = ()
    number: int = 0
    typed: bool = False
    attachment: Attachment | None = None

    def pick_ids(self) -> tuple[str, ...]:
        """The ids of the choices on a platform, in order: digits that name this message and the place in it.

        So a click on an old menu means that menu, whatever was offered since.
        """
        return tuple(f"{self.number}{place:02d}" for place in range(1, len(self.choices) + 1))


_PICK = re.compile(r"([0-9]{1,16})([0-9]{2})", re.ASCII)


def read_pick(pick: str) -> tuple[int, int] | None:
    """(number of the message, place from 1) of an id of `Message.pick_ids`; None for any other text."""
    found = _PICK.fullmatch(pick)
    return (int(found[1]), int(found[2])) if found else None


@dataclass(frozen=True, slots=True)
class Receipt:
    """The platform took the message. `platform_id` is its id for it, where it gives one."""

    platform_id: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """An inbound message that is now durable.

    `duplicate`: it was already there before. `answered`: a reply is queued already, engine or not.
    """

    inbox_id: int
    duplicate: bool
    answered: bool = field(default=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class PassiveReply:
    """An outbox row offered to the connection that brought the message."""

    outbox_id: int
    message: Message


class Gateway(Protocol):
    """What a connector may ask of us."""

    async def accept(self, inbound: Inbound, *, passive: bool) -> Accepted:
        """Store it, commit, screen it. `passive`: this connection can carry a reply back."""
        ...

    async def passive_reply(self, accepted: Accepted) -> PassiveReply | None:
        """Wait up to about 3 s for the reply of this message; None: acknowledge only."""
        ...

    async def passive_written(self, reply: PassiveReply, *, written: bool) -> None:
        """Whether the reply could be written to the connection."""
        ...


class Tokens(Protocol):
    """One shared store of platform tokens, with single flight across processes."""

    async def get(self, account: Account, fetch: TokenFetch) -> str:
        """The token; `fetch` runs in one process only, when there is none or it has 5 minutes left."""
        ...

    async def refused(self, account: Account, token: str, fetch: TokenFetch) -> str:
        """The platform refused `token`: a newer one if somebody already renewed it, else renew now."""
        ...


# Fetches a new token from the platform: (token, lifetime in seconds).
TokenFetch = Callable[[], Awaitable[tuple[str, int]]]


class InboxState(StrEnum):
    WAITING = "waiting"
    CLAIMED = "claimed"
    DONE = "done"
    FAILED = "failed"  # given up after its last attempt; a task was opened
    # triggers only
    DEFERRED = "deferred"  # waits for its `not_before`
    EXPIRED = "expired"
    CANCELLED = "cancelled"  # stop, consent or an unreachable contact ended it


class OutboxState(StrEnum):
    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    HELD = "held"  # waits for the person to write (window closed, count used up)
    BLOCKED = "blocked"  # no approved basis, or compliance refused it
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"  # an ambiguous send; never blindly repeated


class Media(Protocol):
    """Pictures as a platform knows them: uploaded once, named by an id of its own for some days."""

    async def id_of(self, account: Account, attachment: Attachment, upload: Upload) -> str:
        """The platform's id; `upload` runs when it has none that is good for an hour.

        Raises MedrepError: what `upload` raises, NO_BASIS when the picture is not in force any more.
        """
        ...

    async def refused(self, account: Account, attachment: Attachment, media_id: str) -> None:
        """The platform knows this id no more: the next `id_of` uploads it anew."""
        ...


# The bytes of a PNG -> its id on the platform and how many seconds that is good for.
Upload = Callable[[bytes], Awaitable[tuple[str, int]]]


# ---------------------------------------------------------------- dialogue


@dataclass(frozen=True, slots=True)
class TurnInput:
    """What one turn of the engine is about: exactly one of text, choice and trigger.

    `intent` (with entities) overrides NLU: set for choices, triggers and people not yet verified.
    """

    text: str = ""
    intent: str = ""
    entities: dict[str, str] = field(default_factory=dict)
    trigger: bool = False
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply of a turn. `basis` is None when nothing entitles it to leave. `attachment`: a picture, which
    its text says in words."""

    text: str
    choices: tuple[Choice, ...] = ()
    basis: Basis | None = None
    purpose: Purpose = Purpose.REPLY
    attachment: Attachment | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """What the engine made of one turn; `conversation` is opaque and goes back in next time."""

    turn_id: UUID
    replies: tuple[Reply, ...]
    intent: str
    confidence: float
    entities: tuple[dict[str, Any], ...]
    actions: tuple[str, ...]
    conversation: bytes
    model: str = ""  # the fingerprint of the model that made it, its first 12 digits


# ---------------------------------------------------------------- errors


class Fault(StrEnum):
    """Every way things go wrong, once. The value is safe to log."""

    BAD_INPUT = "bad_input"  # the caller's text, file or argument cannot be used
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    FORGED = "forged"  # a signature, token or secret does not match
    MALFORMED = "malformed"  # authentic but unreadable
    TOO_LARGE = "too_large"
    BUSY = "busy"  # more is coming in than can be stored in time
    ERASED = "erased"  # the person's key was destroyed
    NO_BASIS = "no_basis"  # nothing approved entitles this text to leave
    REFUSED_TEXT = "refused_text"  # compliance found something in it
    STOPPED = "stopped"  # the person said stop
    UNREGISTERED = "unregistered"  # the registration of the rep who writes has expired
    NO_CONSENT = "no_consent"  # the person has not agreed to this purpose, or agrees no longer
    NOT_NOW = "not_now"  # quiet hours, a cap, a conversation: `until` says when to ask again
    ENGINE_DOWN = "engine_down"  # unreachable, or its circuit is open
    ENGINE_LOST = "engine_lost"  # it took the turn and never answered: hung, or died of it
    ENGINE_FAILED = "engine_failed"  # it answered that this turn failed
    LEASE_LOST = "lease_lost"  # another worker owns this row now
    TAMPERED = "tampered"  # the evidence chain is broken
    CONFIGURATION = "configuration"
    # sending
    TRANSIENT = "transient"  # back off: 3 tries, or 60 where nothing answered
    AMBIGUOUS = "ambiguous"  # may or may not have arrived
    TOKEN = "token"  # noqa: S105 - the platform token was refused twice
    UNREACHABLE = "unreachable"  # not a follower, blocked us
    ADDRESS_NOT_ALLOWED = "address_not_allowed"  # our IP is not on the platform's list
    TOO_LONG = "too_long"
    DAILY_QUOTA = "daily_quota"
    MINUTE_QUOTA = "minute_quota"
    WINDOW_CLOSED = "window_closed"
    COUNT_USED_UP = "count_used_up"
    NO_PERMISSION = "no_permission"
    REJECTED = "rejected"  # the platform will never take this message


ERASED_TEXT = "已依法删除"  # what a person reads where words were that the law had us delete


class MedrepError(Exception):
    """The one error. `fault` says what; `detail` helps a person and holds nothing personal or secret."""

    def __init__(
        self, fault: Fault, detail: str = "", *, code: int | None = None, until: datetime | None = None
    ) -> None:
        super().__init__(f"{fault}: {detail}" if detail else str(fault))
        self.fault = fault
        self.detail = detail
        self.code = code  # the platform's errcode, where there is one
        self.until = until  # business time, of NOT_NOW

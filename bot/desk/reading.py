"""One transaction of the console: what the colleague who asks may see, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from bot.content import Edition
from bot.model import Account
from bot.runtime.services import Services
from bot.staff import Role, Session
from bot.store import channels, desk, desk_chats
from bot.store.database import CONSOLE, UNAVAILABLE, Database, Tx
from bot.store.desk_chats import ChatMessage

# Raises MedrepError where the platform makes none.
ScanUrl = Callable[[str, int], Awaitable[str]]
AWAY = UNAVAILABLE  # errors that pass by themselves: the database is away
CHANGED = channels.DESK  # the channel on which a task, a takeover or a session tells that it changed
READERS = 8  # connections of a process for all that the console shows
_EXPERTS = frozenset({Role.MEDICAL, Role.PV, Role.COMPLIANCE, Role.AUDITOR})
# Who reads the words of a message that is `withheld` for a role; everybody else is told that there is one. A
# hint at money is hidden from whom it may be about.
_READERS = {
    Role.MEDICAL: _EXPERTS,
    Role.PV: _EXPERTS,
    Role.COMPLIANCE: frozenset({Role.COMPLIANCE, Role.AUDITOR}),
}


class Desk:
    """The console's own connections beside those of the service. `close` it in the end.

    `codes`: accounts for doctors, and what a QR code of theirs says for a scene and so many seconds.
    `templates`: the fields of each account's template for service messages, where it has one.
    """

    def __init__(
        self,
        services: Services,
        codes: Mapping[Account, ScanUrl] | None = None,
        templates: Mapping[str, frozenset[str]] | None = None,
    ) -> None:
        self.services = services
        self.codes: Mapping[Account, ScanUrl] = codes or {}
        self.templates = templates or {}
        self._readers = Database(services.db.url, role=CONSOLE, size=READERS, planned_once=True)

    @property
    def edition(self) -> Edition | None:
        """The content in force here; None: none is."""
        return self.services.published.edition if self.services.published.loaded else None

    async def in_force(self, tx: Tx) -> Edition | None:
        """The content in force for everybody. The database says which it is; what it says is read once."""
        return next(iter(await self.services.published.standing(tx, self.services.clock.now())), None)

    @asynccontextmanager
    async def reading(self, who: Session) -> AsyncIterator[Tx]:
        """A transaction that reads what this colleague may see, and writes nothing."""
        async with self._readers.begin() as tx:
            await desk.become(tx, who.staff_id)
            yield tx

    async def close(self) -> None:
        await self._readers.close()


@dataclass(frozen=True, slots=True)
class Mark:
    """How a conversation stood when it was shown: a reply to another one is refused. 0: nothing, nobody."""

    received: int
    sent: int
    takeover: int

    def __str__(self) -> str:
        return f"{self.received}-{self.sent}-{self.takeover}"


async def standing(reading: Desk, who: Session, contact_id: int) -> str:
    """Changes when what is shown of a conversation does. Raises MedrepError(NOT_FOUND)."""
    async with reading.reading(who) as tx:
        await desk.contact_card(tx, contact_id, reading.services.clock.now())
        return str(await desk_chats.state_of(tx, contact_id))


async def work_standing(reading: Desk, who: Session) -> str:
    """Changes when what waits for this colleague does."""
    async with reading.reading(who) as tx:
        return await desk.work_state(tx, reading.services.clock.now())


def withheld_from(who: Session) -> frozenset[str]:
    """The roles whose words this colleague does not read."""
    return frozenset(role.value for role, readers in _READERS.items() if not who.roles & readers)


def masked(message: ChatMessage, who: Session) -> ChatMessage:
    """The message as this colleague may read it: `withheld` names a role where its words are left out."""
    if message.withheld in withheld_from(who):
        return replace(message, text="", choices=(), findings=())
    return replace(message, withheld="")

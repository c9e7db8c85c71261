"""The connections of this process on which a platform waits for a reply, by the message that they brought."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.model import Account, MedrepError, Message, PassiveReply
from bot.outbound.circumstances import read_circumstances
from bot.outbound.release import message_of, release
from bot.runtime.services import Services
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.outbox import Outgoing

RETRY_WAIT = timedelta(seconds=20)  # WeChat's three retries are over by then


@dataclass(frozen=True, slots=True)
class Offer(PassiveReply):
    """What a connection carries, and the row as it was taken for just this connection.

    `shared`: it was taken for another connection, which the platform has not given up: this one carries the
    same, and what becomes of the row if it cannot is for the other to say.
    """

    row: Outgoing
    shared: bool = False


@dataclass(eq=False, slots=True)
class Connection:
    """It waits until `until` (real time), which the row of its message says as well, for the newest one.

    A turn that ends in this process reserves it before its commit and gives it the reply after that.
    """

    inbox_id: int
    until: datetime | None
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    reserved: bool = False
    offer: Offer | None = None
    over: bool = False

    def give(self, offer: Offer) -> bool:
        """Whether it carries this reply; not when it has just gone."""
        self.free()
        self.offer = None if self.over else offer
        return not self.over

    def free(self) -> None:
        """Nothing is given after all: it looks for itself."""
        self.reserved = False
        self.ready.set()

    @property
    def promised(self) -> bool:
        """A reply comes on it, or is here."""
        return self.reserved or self.offer is not None

    def end(self) -> Offer | None:
        """It waits no longer; what it was given and has not carried."""
        self.over = True
        left, self.offer = self.offer, None
        return left

    def take(self) -> Offer | None:
        """What it was given, to be carried now."""
        taken, self.offer = self.offer, None
        return taken


class Connections:
    """Of one process.

    `fits` says whether a message can be a passive reply on its account's channel. `retry_wait`: for so long
    the platform may come again for a reply that was written to a connection.
    """

    def __init__(
        self, fits: Callable[[Account, Message], bool], *, retry_wait: timedelta = RETRY_WAIT
    ) -> None:
        self.retry_wait = retry_wait
        self._fits = fits
        self._waiting: dict[int, list[Connection]] = defaultdict(list)
        self._missed: deque[int] = deque(maxlen=1000)

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, connection: Connection) -> None:
        """It waits from now on. If its turn ended in the moment before, it is ready at once."""
        self._waiting[connection.inbox_id].append(connection)
        if connection.inbox_id in self._missed:
            connection.ready.set()

    def remove(self, connection: Connection) -> Offer | None:
        """It waits no longer; what it was given and has not carried."""
        waiting = self._waiting[connection.inbox_id]
        waiting.remove(connection)
        if not waiting:
            del self._waiting[connection.inbox_id]
        return connection.end()

    def reserve(self, inbox_id: int, until: datetime) -> Connection | None:
        """The newest connection of this message, if it waits here: a turn is about to give it its reply."""
        for connection in self._waiting.get(inbox_id, ()):
            if connection.until == until:
                connection.reserved = True
                return connection
        return None

    def notified(self, inbox_id: int) -> None:
        """The turn of this message ended, in whichever process."""
        waiting = self._waiting.get(inbox_id)
        if waiting is None:
            self._missed.append(inbox_id)  # its connection is about to wait, or in another process
            return
        for connection in waiting:
            connection.ready.set()

    async def message(self, tx: Tx, services: Services, row: Outgoing, contact: Contact) -> Message | None:
        """What this row says, if it may leave now and on a connection. Else the loop pushes it, or meets the
        same refusal and does what follows from that."""
        try:
            facts = await read_circumstances(tx, services, {contact.id: contact}, [row])
            message = message_of(row, await release(tx, services, row, facts[contact.id]))
        except MedrepError:
            return None
        return message if self._fits(row.account, message) else None

"""Pictures on a platform: drawn from approved content, uploaded once, known by its id until that ends."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import timedelta

from bot.clock import real_now
from bot.content import picture
from bot.knowledge import KeyMessage
from bot.model import Account, Attachment, Basis, BasisKind, Fault, MedrepError, Upload
from bot.runtime.services import Services
from bot.store import platform_media
from bot.store.database import UNAVAILABLE

EARLY = timedelta(hours=1)  # an id is not used so shortly before it ends


class PlatformMedia:
    """Kept in the database. What is in force when a picture is drawn, not when it was queued, decides."""

    def __init__(self, services: Services) -> None:
        self._services = services
        # Two that need a new picture at once upload it once; in two processes twice, which harms nobody.
        self._alone: defaultdict[tuple[Account, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def id_of(self, account: Account, attachment: Attachment, upload: Upload) -> str:
        """The platform's id; `upload` runs when there is none that is good for an hour.

        Raises MedrepError: what `upload` raises; NO_BASIS; TRANSIENT when the database is away.
        """
        try:
            async with self._alone[account, attachment.digest]:
                return await self._known(account, attachment) or await self._new(account, attachment, upload)
        except UNAVAILABLE:
            raise MedrepError(Fault.TRANSIENT, "the store of pictures is away") from None

    async def refused(self, account: Account, attachment: Attachment, media_id: str) -> None:
        """Forget this id, unless it was replaced already."""
        try:
            async with self._services.db.begin() as tx:
                await platform_media.forget(tx, account, attachment.digest, media_id)
        except UNAVAILABLE:
            raise MedrepError(Fault.TRANSIENT, "the store of pictures is away") from None

    async def _known(self, account: Account, attachment: Attachment) -> str | None:
        async with self._services.db.begin() as tx:
            return await platform_media.known(tx, account, attachment.digest, real_now())

    async def _new(self, account: Account, attachment: Attachment, upload: Upload) -> str:
        png = await self._png(attachment)
        # No transaction is open while the platform is asked.
        media_id, seconds = await upload(png)
        good_until = real_now() + timedelta(seconds=seconds) - EARLY
        async with self._services.db.begin() as tx:
            await platform_media.keep(tx, account, attachment.digest, media_id, good_until, real_now())
        return media_id

    async def _png(self, attachment: Attachment) -> bytes:
        basis = Basis(BasisKind.CONTENT, attachment.ref, attachment.version)
        async with self._services.db.begin() as tx:
            standing = await self._services.published.standing(tx, self._services.clock.now())
        for edition in standing:
            message = edition.quoted(basis)
            if isinstance(message, KeyMessage):
                drawn = await asyncio.to_thread(picture, message, edition.content)
                if drawn.digest == attachment.digest:
                    return drawn.png
        raise MedrepError(Fault.NO_BASIS, f"{basis} has no such picture")

"""Pictures: uploaded once for an account, and named by WeChat's id for three days."""

from __future__ import annotations

import asyncio
import logging

from bot.model import Account, Attachment, Fault, Media, MedrepError
from connectors.wechat.client import Api

log = logging.getLogger(__name__)

LARGEST = 10 * 1024 * 1024  # bytes of an image
LIFE_S = 3 * 86_400
UPLOAD_S = 5.0  # what a send leaves for it, see `client.CALL`
UNKNOWN = 40007  # errcode: no such media id, or its three days are over


class Pictures:
    """Of one account. `media` keeps the ids for all processes; without it no picture can be sent."""

    def __init__(self, account: Account, api: Api, media: Media | None) -> None:
        self._account = account
        self._api = api
        self._media = media

    async def id_of(self, attachment: Attachment) -> str:
        """WeChat's id of this picture, uploaded if need be.

        Raises MedrepError, never AMBIGUOUS: nobody was sent anything yet, and an upload may be repeated.
        """
        if self._media is None:
            raise MedrepError(Fault.CONFIGURATION, f"{self._account} has no store of pictures")
        try:
            async with asyncio.timeout(UPLOAD_S):
                return await self._media.id_of(self._account, attachment, self._upload)
        except TimeoutError:
            raise MedrepError(Fault.TRANSIENT, "no upload in time, nothing was sent") from None

    async def forget(self, attachment: Attachment, media_id: str) -> None:
        """WeChat does not know this id: the next send uploads the picture anew."""
        if self._media is not None:
            await self._media.refused(self._account, attachment, media_id)

    async def _upload(self, png: bytes) -> tuple[str, int]:
        if len(png) > LARGEST:
            raise MedrepError(Fault.REJECTED, f"a picture of {len(png)} bytes")
        answer = await self._api.upload("/cgi-bin/media/upload", png)
        media_id = answer.get("media_id")
        if not isinstance(media_id, str) or not media_id:
            raise MedrepError(Fault.TRANSIENT, "the platform's answer to an upload holds no media id")
        log.info("%s: uploaded a picture of %d bytes", self._account, len(png))
        return media_id, LIFE_S

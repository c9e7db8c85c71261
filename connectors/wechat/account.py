"""What the owner of an Official Account sets and asks for at the platform, beside messages: menu, QR codes.

Each of these may be repeated at will, so none is AMBIGUOUS.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import aiohttp

from bot.model import Account, Fault, MedrepError, Tokens
from bot.settings import WeChatAccount
from connectors.wechat.client import TIMEOUT, Api, harmless

NO_MENU = 46003  # errcode: none was ever set, or it was deleted
LONGEST_SCENE = 64  # characters of a QR code's scene
LONGEST_LIFE_S = 30 * 86_400  # of a QR code that ends
_NEEDS_URL = ("http://", "https://")


class OfficialAccount:
    """One account, as its owner sees it. `Api` keeps its token where the messages' token is."""

    def __init__(
        self,
        account: Account,
        settings: WeChatAccount,
        tokens: Tokens,
        http: aiohttp.ClientSession,
        timeout: aiohttp.ClientTimeout = TIMEOUT,
    ) -> None:
        self.account = account
        self._api = Api(account, settings, tokens, http, timeout)

    async def publish_menu(self, buttons: Sequence[dict[str, Any]]) -> None:
        """Replace the account's menu; people see it within minutes. Raises MedrepError."""
        await self._post("/cgi-bin/menu/create", {"button": list(buttons)})

    async def menu(self) -> list[dict[str, Any]] | None:
        """The menu that the platform has; None: it has none. Raises MedrepError."""
        try:
            answer = await self._api.read("/cgi-bin/menu/get")
        except MedrepError as error:
            if error.code == NO_MENU:
                return None
            raise
        menu = answer.get("menu")
        buttons = menu.get("button") if isinstance(menu, dict) else None
        if not isinstance(buttons, list):
            raise MedrepError(Fault.TRANSIENT, "the platform's answer holds no menu")
        return buttons

    async def scan_url(self, scene: str, seconds: int) -> str:
        """What a QR code says that opens this account: whoever scans it comes with `scene`, for so long.

        Raises MedrepError.
        """
        if not 0 < len(scene) <= LONGEST_SCENE:
            raise MedrepError(Fault.BAD_INPUT, f"a scene has 1 to {LONGEST_SCENE} characters")
        body = {
            "expire_seconds": min(seconds, LONGEST_LIFE_S),
            "action_name": "QR_STR_SCENE",
            "action_info": {"scene": {"scene_str": scene}},
        }
        url = (await self._post("/cgi-bin/qrcode/create", body)).get("url")
        if not isinstance(url, str) or not url.startswith(_NEEDS_URL):
            raise MedrepError(Fault.TRANSIENT, "the platform's answer to a QR code holds no address")
        return url

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            return await self._api.call(path, body)
        except MedrepError as error:
            failed = harmless(error)
        raise failed

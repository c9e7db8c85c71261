"""Web OAuth (网页授权): from a page opened in WeChat to the openid of whoever opened it.

`state` proves that the answer belongs to a request of ours: it is signed, expires, and is bound to what the
caller passes as `bound_to` (the page and a value in the browser's own cookie). Otherwise one could have
somebody else finish one's own log-in.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import quote, urlsplit

from bot.clock import real_now
from bot.model import Account, Fault, MedrepError
from bot.settings import WeChatAccount
from connectors.wechat.client import Api

OFFICIAL = ".weixin.qq.com"
LIFETIME = timedelta(minutes=10)
CODE = re.compile(r"[0-9A-Za-z_-]{1,256}")
# WeChat takes [a-zA-Z0-9]{1,128}: expiry (8 hex), nonce (16 hex), HMAC-SHA256 (64 hex).
STATE = re.compile(r"([0-9a-f]{8})([0-9a-f]{16})([0-9a-f]{64})")
CODE_REFUSED = frozenset({40029, 40163, 41008, 42003})  # invalid, used, missing, expired


class OAuth:
    """Web OAuth of one account. `key` (32 secret bytes) signs the states; `now` is real time."""

    def __init__(
        self,
        account: Account,
        settings: WeChatAccount,
        api: Api,
        key: bytes,
        *,
        now: Callable[[], datetime] = real_now,
    ) -> None:
        self._account = account
        self._settings = settings
        self._api = api
        self._key = key
        self._now = now

    def authorize_url(self, redirect_uri: str, *, bound_to: str) -> str:
        """Where to send the browser; WeChat sends it back to `redirect_uri` with `code` and `state`.

        Silent (`snsapi_base`): it asks the person nothing and gives the openid alone.
        """
        # WeChat checks the parameters by a pattern: this order, and the fragment, are required.
        return (
            f"{self._host()}/connect/oauth2/authorize?appid={quote(self._settings.app_id, safe='')}"
            f"&redirect_uri={quote(redirect_uri, safe='')}&response_type=code&scope=snsapi_base"
            f"&state={self._state(bound_to)}#wechat_redirect"
        )

    async def openid(self, code: str, state: str, *, bound_to: str) -> str:
        """Whose code it is.

        Raises MedrepError: FORGED for the state, BAD_INPUT for the code, or a sending Fault.
        """
        self._check(state, bound_to)
        if not CODE.fullmatch(code):
            raise MedrepError(Fault.BAD_INPUT, "not an OAuth code")
        query = {
            "appid": self._settings.app_id,
            "secret": self._settings.app_secret,
            "code": code,
            "grant_type": "authorization_code",
        }
        try:
            answer = await self._api.get("/sns/oauth2/access_token", query)
        except MedrepError as error:
            if error.code in CODE_REFUSED:
                raise MedrepError(
                    Fault.BAD_INPUT, "the OAuth code is used or expired", code=error.code
                ) from None
            raise
        openid = answer.get("openid")
        if not isinstance(openid, str) or not openid:
            raise MedrepError(Fault.TRANSIENT, "the platform named no openid")
        return openid

    def _host(self) -> str:
        """The authorisation page lives on a host of its own, save for a double of the platform."""
        base = self._settings.api_base.rstrip("/")
        official = (urlsplit(base).hostname or "").endswith(OFFICIAL)
        return "https://open.weixin.qq.com" if official else base

    def _state(self, bound_to: str) -> str:
        head = f"{int((self._now() + LIFETIME).timestamp()):08x}{secrets.token_hex(8)}"
        return head + self._mac(head, bound_to)

    def _check(self, state: str, bound_to: str) -> None:
        found = STATE.fullmatch(state)
        if found is None:
            raise MedrepError(Fault.FORGED, "not a state of ours")
        expiry, nonce, mac = found.groups()
        if not hmac.compare_digest(mac, self._mac(expiry + nonce, bound_to)):
            raise MedrepError(Fault.FORGED, "not a state of ours")
        if int(expiry, 16) < self._now().timestamp():
            raise MedrepError(Fault.FORGED, "the state has expired")

    def _mac(self, head: str, bound_to: str) -> str:
        text = f"oauth\0{self._account}\0{head}\0{bound_to}"
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()

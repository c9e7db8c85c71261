"""Calls to WeChat's API: JSON in and out, the access token, and every way a call goes wrong.

Tokens and the app secret ride in URLs and bodies, and aiohttp's exceptions carry the URL. So no exception of
aiohttp leaves this module, not even as the context of ours.

How an answer is judged, by its HTTP status first. WeChat answers every call that reached it with 200, so
another status was written by something between us, and an errcode 0 beside it proves nothing:
- no connection: TRANSIENT; broken off after the request was begun: AMBIGUOUS;
- 200: the errcode decides; without one AMBIGUOUS, a gateway's page may hide a call that was carried out;
- any other 2xx, 5xx: AMBIGUOUS, whatever errcode is in it;
- 4xx with an errcode other than 0: what the errcode means, it refuses the call either way;
- 408 425 429: TRANSIENT; 3xx 401 403 404 405 407 410: NO_PERMISSION, since the address or the way to it is
  wrong for every call of the account: its messages wait and somebody is told; other 4xx: REJECTED.
Only what was handed to the call that sends may be AMBIGUOUS. Waiting for a token is not part of it, and a
call that changes nothing (a token, an OAuth code) is TRANSIENT where a send would be AMBIGUOUS.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import aiohttp
from yarl import URL

from bot.model import Account, Fault, MedrepError, Tokens
from bot.settings import WeChatAccount
from connectors.wechat.errors import TOKEN_REFUSED, refusal

log = logging.getLogger(__name__)

# `connect` counts the wait for a free connection too. A send may need two posts, with a renewed token between
# them: all of it takes at most CALL times `total`, which is less than the 24 s the sender gives.
TIMEOUT = aiohttp.ClientTimeout(total=10, connect=3, sock_connect=3)
CALL = 2.25
ANSWER_LIMIT = 1 << 20  # bytes; the API's answers are a few hundred

BUSY_STATUS = frozenset({408, 425, 429})
CLOSED_STATUS = frozenset({*range(300, 400), 401, 403, 404, 405, 407, 410})
NO_STABLE_TOKEN_STATUS = frozenset({404, 405, 501})
NO_STABLE_TOKEN_CODE = frozenset({40066, 48001, 48004})  # no such address, not authorised, forbidden
# What a token may be refused for besides TOKEN.
ACCOUNT = frozenset({Fault.ADDRESS_NOT_ALLOWED, Fault.DAILY_QUOTA, Fault.MINUTE_QUOTA, Fault.NO_PERMISSION})
Answered = tuple[int, dict[str, Any] | None]  # HTTP status and JSON object
TOKEN = re.compile(r"[!-~]{1,2048}")
LONGEST_LIFE = 30 * 86_400  # seconds; WeChat's tokens live 7200


class Api:
    """WeChat's API as one account sees it."""

    def __init__(
        self,
        account: Account,
        settings: WeChatAccount,
        tokens: Tokens,
        http: aiohttp.ClientSession,
        timeout: aiohttp.ClientTimeout = TIMEOUT,
    ) -> None:
        self._account = account
        self._settings = settings
        self._tokens = tokens
        self._http = http
        self._timeout = timeout
        self._base = settings.api_base.rstrip("/")

    async def ready(self) -> None:
        """Have the access token at hand. Raises MedrepError, never AMBIGUOUS: nothing is sent yet."""
        await self._token(self.ends(), partial(self._tokens.get, self._account, self._fetch))

    async def call(self, path: str, body: dict[str, Any], *, ends: float | None = None) -> dict[str, Any]:
        """POST with the access token; the answer, whose errcode is 0. `ends`: see `ends`.

        A refused token is renewed and the call repeated once: a refused call did nothing. Raises MedrepError
        with a sending Fault; AMBIGUOUS when the platform may have done it although no answer says so.
        """
        return await self._with_token(partial(self._request, "POST", path, body=body), ends or self.ends())

    async def upload(self, path: str, png: bytes) -> dict[str, Any]:
        """POST a picture with the access token; the answer. It may be repeated at will.

        Raises MedrepError, never AMBIGUOUS.
        """
        post = partial(self._request, "POST", path, png=png, query={"type": "image"})
        try:
            return await self._with_token(post, self.ends())
        except MedrepError as error:
            failed = harmless(error)
        if failed.fault is Fault.TRANSIENT:
            # Without the errcode, which would count as an answer to the message.
            raise MedrepError(failed.fault, f"no upload: {failed.detail}")
        raise failed

    async def read(self, path: str) -> dict[str, Any]:
        """GET with the access token, for calls that change nothing. Raises MedrepError, never AMBIGUOUS."""
        try:
            return await self._with_token(partial(self._request, "GET", path), self.ends())
        except MedrepError as error:
            failed = harmless(error)
        raise failed

    async def _with_token(self, post: Callable[..., Awaitable[Answered]], ends: float) -> dict[str, Any]:
        token = await self._token(ends, partial(self._tokens.get, self._account, self._fetch))
        try:
            return _judged(*await post(token=token))
        except MedrepError as error:
            if error.code not in TOKEN_REFUSED:
                raise
        fetch = partial(self._fetch, refused=token)
        token = await self._token(ends, partial(self._tokens.refused, self._account, token, fetch))
        return _judged(*await post(token=token))

    def ends(self) -> float:
        """When a call that begins now is over at the latest (loop time)."""
        return asyncio.get_running_loop().time() + CALL * (self._timeout.total or 0)

    async def _token(self, ends: float, ask: Callable[[], Awaitable[str]]) -> str:
        """The token, if it comes while a post still has its time. Raises MedrepError, never AMBIGUOUS."""
        try:
            async with asyncio.timeout_at(ends - (self._timeout.total or 0)):
                return await ask()
        except TimeoutError:
            raise MedrepError(Fault.TRANSIENT, "no token in time, nothing was sent") from None

    async def get(self, path: str, query: dict[str, str]) -> dict[str, Any]:
        """GET without a token, for calls that change nothing for anybody. Raises MedrepError."""
        try:
            return _judged(*await self._request("GET", path, query=query))
        except MedrepError as error:
            raise harmless(error) from None

    async def _fetch(self, refused: str = "") -> tuple[str, int]:
        """A token and its lifetime in seconds; another than `refused`.

        Raises MedrepError with a fault that concerns the account, never the message that waits, and never
        AMBIGUOUS: a token asked for twice harms nobody. TOKEN: the id or secret is wrong, or another refusal.
        """
        try:
            token, lifetime = await self._stable_token(force=False)
            if token == refused:
                # The platform still hands out the token it refuses. Forcing (20 a day at most): only then.
                log.warning("%s: the stable token was refused, asking for a new one", self._account)
                token, lifetime = await self._stable_token(force=True)
        except MedrepError as error:
            fault = harmless(error).fault
            if fault is Fault.TRANSIENT:
                # Without the errcode, which would count as an answer to the message.
                raise MedrepError(fault, f"no token: {error.detail}") from None
            raise MedrepError(
                fault if fault in ACCOUNT else Fault.TOKEN, f"no token: {error.detail}", code=error.code
            ) from None
        return token, lifetime

    async def _stable_token(self, *, force: bool) -> tuple[str, int]:
        body = {**self._credentials(), "force_refresh": force}
        status, answer = await self._request("POST", "/cgi-bin/stable_token", body=body)
        if status in NO_STABLE_TOKEN_STATUS or (answer or {}).get("errcode") in NO_STABLE_TOKEN_CODE:
            log.warning("%s: the platform knows no stable_token, using token", self._account)
            return _token(await self.get("/cgi-bin/token", self._credentials()))
        return _token(_judged(status, answer))

    def _credentials(self) -> dict[str, str]:
        return {
            "grant_type": "client_credential",
            "appid": self._settings.app_id,
            "secret": self._settings.app_secret,
        }

    async def _request(
        self,
        method: str,
        path: str,
        *,
        body: dict[str, Any] | None = None,
        png: bytes | None = None,
        query: dict[str, str] | None = None,
        token: str = "",
    ) -> Answered:
        """HTTP status and the JSON object, or None where the answer is none with an errcode.

        Raises MedrepError: TRANSIENT when nothing was sent, AMBIGUOUS when it broke off later.
        """
        if self._http.closed:
            raise MedrepError(Fault.TRANSIENT, "the HTTP session is closed")
        failure: MedrepError
        named = {**(query or {}), **({"access_token": token} if token else {})}
        data: bytes | aiohttp.FormData | None = None
        headers = {}
        if body is not None:
            # Raw UTF-8: the platform may refuse escapes of JSON (40033).
            data = json.dumps(body, ensure_ascii=False).encode()
            headers["Content-Type"] = "application/json; charset=utf-8"
        elif png is not None:
            data = aiohttp.FormData()
            data.add_field("media", io.BytesIO(png), filename="picture.png", content_type="image/png")
        try:
            async with self._http.request(
                method,
                URL(self._base + path).with_query(named),
                data=data,
                headers=headers,
                # A redirect would carry the token to another host.
                allow_redirects=False,
                timeout=self._timeout,
            ) as response:
                return response.status, _json(await _bounded(response))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as error:
            failure = MedrepError(Fault.TRANSIENT, f"no connection ({type(error).__name__})")
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            failure = MedrepError(Fault.AMBIGUOUS, f"no answer ({type(error).__name__})")
        # Raised out here, where no exception of aiohttp is its context.
        raise failure


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    data = bytearray()
    async for chunk in response.content.iter_any():
        data += chunk
        if len(data) > ANSWER_LIMIT:
            break
    return bytes(data)


def _json(data: bytes) -> dict[str, Any] | None:
    """The object, with errcode 0 where it holds what was asked for instead; None for anything else."""
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(answer, dict):
        return None
    if "errcode" not in answer and answer.keys() & {"access_token", "openid", "media_id", "menu", "ticket"}:
        answer["errcode"] = 0
    return answer if type(answer.get("errcode")) is int else None


def _judged(status: int, answer: dict[str, Any] | None) -> dict[str, Any]:
    """The answer of a call that was carried out. Raises MedrepError as the module's head says."""
    errcode = None if answer is None else answer["errcode"]
    if answer is not None and status == 200 and errcode == 0:
        return answer
    if answer is not None and errcode != 0 and (status == 200 or 400 <= status < 500):
        raise refusal(answer["errcode"], answer.get("errmsg"))
    errcode_text = "without an errcode" if errcode is None else f"with errcode {errcode}"
    raise MedrepError(_fault(status), f"HTTP {status} {errcode_text}")


def _fault(status: int) -> Fault:
    if status in BUSY_STATUS:
        return Fault.TRANSIENT
    if status in CLOSED_STATUS:
        return Fault.NO_PERMISSION
    return Fault.REJECTED if 400 <= status < 500 else Fault.AMBIGUOUS


def harmless(error: MedrepError) -> MedrepError:
    """The error of a call that may be repeated at will."""
    fault = Fault.TRANSIENT if error.fault is Fault.AMBIGUOUS else error.fault
    return MedrepError(fault, error.detail, code=error.code)


def _token(answer: dict[str, Any]) -> tuple[str, int]:
    """Token and lifetime (seconds) of an answer that holds just these types."""
    token, lifetime = answer.get("access_token"), answer.get("expires_in")
    if not isinstance(token, str) or not TOKEN.fullmatch(token):
        raise MedrepError(Fault.TRANSIENT, "the platform's token answer holds no token")
    if type(lifetime) is not int or not 0 < lifetime <= LONGEST_LIFE:
        raise MedrepError(Fault.TRANSIENT, "the platform's token answer holds no lifetime")
    return token, lifetime

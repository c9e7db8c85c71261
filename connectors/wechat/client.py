"""Calls to WeChat's API: JSON in and out, the access token, and every way a call goes wrong.

Tokens and the app secret ride in URLs and bodies, and aiohttp's exceptions carry the URL. So no exception of
aiohttp leaves this module, not even as the context of ours.
"""

from __future__ import annotations

import json
import logging
from functools import partial
from typing import Any

import aiohttp
from yarl import URL

from bot.model import Account, Fault, MedrepError, Tokens
from bot.settings import WeChatAccount
from connectors.wechat.errors import TOKEN_REFUSED, refusal

log = logging.getLogger(__name__)

# `connect` counts the wait for a free connection too.
TIMEOUT = aiohttp.ClientTimeout(total=10, connect=3, sock_connect=3)
ANSWER_LIMIT = 1 << 20  # bytes; the API's answers are a few hundred

NO_STABLE_TOKEN_STATUS = frozenset({404, 405, 501})
NO_STABLE_TOKEN_CODE = frozenset({40066, 48001, 48004})  # no such address, not authorised, forbidden


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

    async def call(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """POST with the access token; the answer, whose errcode is 0.

        A refused token is renewed and the call repeated once: a refused call did nothing. Raises MedrepError
        with a sending Fault; AMBIGUOUS when the platform may have done it although no answer says so.
        """
        token = await self._tokens.get(self._account, self._fetch)
        answer = await self._post(path, body, token)
        if answer["errcode"] in TOKEN_REFUSED:
            token = await self._tokens.refused(self._account, token, partial(self._fetch, refused=token))
            answer = await self._post(path, body, token)
        if answer["errcode"] != 0:
            raise refusal(answer["errcode"], answer.get("errmsg"))
        return answer

    async def get(self, path: str, query: dict[str, str]) -> dict[str, Any]:
        """GET without a token, for calls that change nothing for anybody. Raises MedrepError."""
        try:
            return _accepted(*await self._request("GET", path, query=query))
        except MedrepError as error:
            raise _harmless(error) from None

    async def _post(self, path: str, body: dict[str, Any], token: str) -> dict[str, Any]:
        status, answer = await self._request("POST", path, body=body, query={"access_token": token})
        if answer is None:
            raise _unreadable(status)
        return answer

    async def _fetch(self, refused: str = "") -> tuple[str, int]:
        """A token and its lifetime in seconds; another than `refused`.

        Raises MedrepError: TOKEN when the id or secret is wrong or the refusal is unknown, since it says
        nothing about the message that waits. Never AMBIGUOUS: a token asked for twice harms nobody.
        """
        try:
            token, lifetime = await self._stable_token(force=False)
            if token == refused:
                # The platform still hands out the token it refuses. Forcing (20 a day at most): only then.
                log.warning("%s: the stable token was refused, asking for a new one", self._account)
                token, lifetime = await self._stable_token(force=True)
        except MedrepError as error:
            if error.fault is Fault.REJECTED:
                raise MedrepError(Fault.TOKEN, error.detail, code=error.code) from None
            raise _harmless(error) from None
        return token, lifetime

    async def _stable_token(self, *, force: bool) -> tuple[str, int]:
        body = {**self._credentials(), "force_refresh": force}
        status, answer = await self._request("POST", "/cgi-bin/stable_token", body=body)
        if status in NO_STABLE_TOKEN_STATUS or (answer or {}).get("errcode") in NO_STABLE_TOKEN_CODE:
            log.warning("%s: the platform knows no stable_token, using token", self._account)
            return _token(await self.get("/cgi-bin/token", self._credentials()))
        return _token(_accepted(status, answer))

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
        query: dict[str, str] | None = None,
    ) -> tuple[int, dict[str, Any] | None]:
        """HTTP status and the JSON object, or None where the answer is none with an errcode.

        Raises MedrepError: TRANSIENT when nothing was sent, AMBIGUOUS when it broke off later.
        """
        if self._http.closed:
            raise MedrepError(Fault.TRANSIENT, "the HTTP session is closed")
        failure: MedrepError
        try:
            async with self._http.request(
                method,
                URL(self._base + path).with_query(query or {}),
                # Raw UTF-8: the platform may refuse escapes of JSON (40033).
                data=None if body is None else json.dumps(body, ensure_ascii=False).encode(),
                headers={} if body is None else {"Content-Type": "application/json; charset=utf-8"},
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
    """The object, with errcode 0 where it names a token or an openid instead; None for anything else."""
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(answer, dict):
        return None
    if "errcode" not in answer and ("access_token" in answer or "openid" in answer):
        answer["errcode"] = 0
    return answer if type(answer.get("errcode")) is int else None


def _unreadable(status: int) -> MedrepError:
    """No JSON of WeChat's came back.

    A redirect or 4xx is some proxy that let nothing through: it may be tried again. With 200 or 5xx it is
    unknown how far the call came (a gateway's page may hide a call that was carried out): AMBIGUOUS, which is
    never blindly repeated.
    """
    if 300 <= status < 500:
        return MedrepError(Fault.TRANSIENT, f"HTTP {status} without an errcode")
    return MedrepError(Fault.AMBIGUOUS, f"HTTP {status} without an errcode")


def _harmless(error: MedrepError) -> MedrepError:
    """The error of a call that may be repeated at will."""
    fault = Fault.TRANSIENT if error.fault is Fault.AMBIGUOUS else error.fault
    return MedrepError(fault, error.detail, code=error.code)


def _accepted(status: int, answer: dict[str, Any] | None) -> dict[str, Any]:
    if answer is None:
        raise _unreadable(status)
    if answer["errcode"] != 0:
        raise refusal(answer["errcode"], answer.get("errmsg"))
    return answer


def _token(answer: dict[str, Any]) -> tuple[str, int]:
    token, lifetime = answer.get("access_token"), answer.get("expires_in")
    if not isinstance(token, str) or not token or not isinstance(lifetime, int) or lifetime <= 0:
        raise MedrepError(Fault.TRANSIENT, "the platform's token answer is incomplete")
    return token, lifetime

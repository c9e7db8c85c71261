"""Signing in with the company's own accounts: OpenID Connect, authorization code with PKCE.

What went to the provider comes back sealed in a cookie of the browser that went there (`Leaving`), so nothing
is stored here meanwhile. The ID token is checked by Authlib and joserfc; nothing else of the provider counts.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from bot.clock import real_now
from bot.endpoints import SingleSignOn, address
from bot.model import Fault, MedrepError
from bot.staff import Known
from bot.store.keyring import Keyring

_LASTS = 600  # seconds that somebody may take at the provider
_TIMEOUT = aiohttp.ClientTimeout(total=10, connect=3)
_LARGEST = 1 << 20  # bytes of an answer
_KNOWN_FOR = 3600  # seconds that the provider's addresses and keys are taken for granted
_ANEW_AFTER = 60  # seconds before keys are asked for again because of a token that none of them opens
_SKEW = 120  # seconds that the provider's clock may be off
# Asymmetric alone: a token "signed" with the public key, or not at all, is none.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
_PLACE = "staff.leaving"


@dataclass(frozen=True, slots=True)
class Leaving:
    """What must come back: `until` in seconds since 1970."""

    state: str
    nonce: str
    verifier: str
    until: int

    def seal(self, keyring: Keyring) -> str:
        return keyring.seal_for_us(json.dumps(asdict(self)), _PLACE).hex()


@dataclass(frozen=True, slots=True)
class _Provider:
    authorization: str
    token: str
    keys: KeySet
    read_at: float


class CompanyAccounts:
    """The company's provider, as this process knows it."""

    lasts = _LASTS

    def __init__(self, settings: SingleSignOn, back: str) -> None:
        """`back`: the address of ours that the provider sends people to."""
        self._settings, self._back = settings, back
        self._provider: _Provider | None = None
        self._reading = asyncio.Lock()

    async def leave(self) -> tuple[str, Leaving]:
        """The address to go to, and what must come back. Raises MedrepError(TRANSIENT): no answer."""
        provider = await self._known()
        leaving = Leaving(
            secrets.token_urlsafe(24),
            secrets.token_urlsafe(24),
            secrets.token_urlsafe(48),
            int(real_now().timestamp()) + _LASTS,
        )
        asked = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._back,
            "scope": self._settings.scope,
            "state": leaving.state,
            "nonce": leaving.nonce,
            "code_challenge": create_s256_code_challenge(leaving.verifier),
            "code_challenge_method": "S256",
        }
        joint = "&" if urlsplit(provider.authorization).query else "?"
        return provider.authorization + joint + urlencode(asked), leaving

    async def arrive(self, keyring: Keyring, sealed: str, query: Mapping[str, str]) -> Known:
        """Who came back, with what was `sealed` when they left.

        Raises MedrepError: FORGED (not whom we sent, too late, or a token that is not for us), TRANSIENT.
        """
        leaving = _opened(keyring, sealed)
        if not secrets.compare_digest(query.get("state", "").encode(), leaving.state.encode()):
            raise MedrepError(Fault.FORGED, "another state")
        if query.get("iss", self._settings.issuer) != self._settings.issuer:
            raise MedrepError(Fault.FORGED, "another provider")  # RFC 9207
        if "error" in query or not query.get("code"):
            raise MedrepError(Fault.FORGED, "the provider let nobody in")
        provider = await self._known()
        answer = await self._redeem(provider, query["code"], leaving)
        return await self._read(answer, leaving)

    async def _redeem(self, provider: _Provider, code: str, leaving: Leaving) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._back,
            "code_verifier": leaving.verifier,
        }
        # client_secret_basic, each half form-encoded before (RFC 6749, 2.3.1)
        client, secret = self._settings.client_id, self._settings.client_secret
        ours = aiohttp.encode_basic_auth(quote(client, safe=""), quote(secret, safe=""))
        return await _ask("POST", provider.token, data=form, headers={"Authorization": ours})

    async def _read(self, answer: Mapping[str, Any], leaving: Leaving) -> Known:
        given = answer.get("id_token")
        if not isinstance(given, str):
            raise MedrepError(Fault.FORGED, "no id token")
        try:
            token = jwt.decode(given, (await self._known()).keys, algorithms=_ALGORITHMS)
        except (JoseError, ValueError):
            try:  # signed with a key that is newer than what we know
                token = jwt.decode(given, (await self._known(anew=True)).keys, algorithms=_ALGORITHMS)
            except (JoseError, ValueError):
                raise MedrepError(Fault.FORGED, "not signed by the provider") from None
        settings = self._settings
        claims = CodeIDToken(
            token.claims,
            token.header,
            options={
                "iss": {"essential": True, "value": settings.issuer},
                "aud": {"essential": True, "value": settings.client_id},
            },
            params={
                "nonce": leaving.nonce,
                "client_id": settings.client_id,
                "access_token": answer.get("access_token"),
            },
        )
        try:
            claims.validate(now=int(real_now().timestamp()), leeway=_SKEW)
        except (JoseError, ValueError, TypeError):
            raise MedrepError(Fault.FORGED, "the id token is not for us, or too old") from None
        subject, login = claims["sub"], claims.get(settings.claim)
        # What cannot be printed (NUL, half a character) the database cannot be asked for.
        if not all(isinstance(name, str) and name and name.isprintable() for name in (subject, login)):
            raise MedrepError(Fault.FORGED, "the id token names nobody")
        return Known(f"{settings.issuer} {subject}", login, "mfa" in (claims.get("amr") or ()))

    async def _known(self, *, anew: bool = False) -> _Provider:
        """The provider's addresses and keys, asked for once an hour. Raises MedrepError(TRANSIENT)."""
        loop = asyncio.get_running_loop()
        async with self._reading:
            age = loop.time() - self._provider.read_at if self._provider else _KNOWN_FOR
            if self._provider is None or age >= (_ANEW_AFTER if anew else _KNOWN_FOR):
                self._provider = await self._ask_provider(loop.time())
            return self._provider

    async def _ask_provider(self, now: float) -> _Provider:
        issuer = self._settings.issuer
        found = await _ask("GET", issuer.rstrip("/") + "/.well-known/openid-configuration")
        addresses = [found.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
        if found.get("issuer") != issuer:
            raise MedrepError(Fault.CONFIGURATION, "the provider calls itself by another name")
        try:
            authorization, token, keys = (address(str(one)) for one in addresses)
        except ValueError:
            raise MedrepError(Fault.CONFIGURATION, "the provider has no https address") from None
        try:
            known = KeySet.import_key_set(await _ask("GET", keys))  # type: ignore[arg-type]
        except (JoseError, ValueError, KeyError, TypeError):
            raise MedrepError(Fault.TRANSIENT, "the provider's keys cannot be read") from None
        return _Provider(authorization, token, known, now)


def _opened(keyring: Keyring, sealed: str) -> Leaving:
    """Raises MedrepError(FORGED)."""
    try:
        leaving = Leaving(**json.loads(keyring.open_for_us(bytes.fromhex(sealed), _PLACE)))
    except (MedrepError, ValueError, TypeError):
        raise MedrepError(Fault.FORGED, "nobody went to the provider from this browser") from None
    if leaving.until < real_now().timestamp():
        raise MedrepError(Fault.FORGED, "too late")
    return leaving


async def _ask(method: str, url: str, **sent: Any) -> dict[str, Any]:
    """The JSON object at an address of the provider. Raises MedrepError: TRANSIENT, FORGED (it refuses)."""
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT) as http,
            http.request(method, url, allow_redirects=False, **sent) as answer,
        ):
            status, body = answer.status, bytearray()
            async for chunk in answer.content.iter_chunked(1 << 16):
                body += chunk
                if len(body) > _LARGEST:
                    break
    except (aiohttp.ClientError, TimeoutError, OSError):
        raise MedrepError(Fault.TRANSIENT, "the provider does not answer") from None
    if method == "POST" and 400 <= status < 500:
        raise MedrepError(Fault.FORGED, "the provider does not know this code, or not us")
    try:
        found = json.loads(body) if status == 200 and len(body) <= _LARGEST else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise MedrepError(Fault.TRANSIENT, f"the provider answered {status} and no JSON object")
    return found

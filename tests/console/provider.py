"""An OpenID Connect provider as a local server: it checks PKCE and the client, and lies on request."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import RSAKey

from bot.clock import real_now

CLIENT, SECRET = "medrep", "s3cret:with/odd characters"


@dataclass
class Provider:
    """`person` is who sits before the browser; `claims` are put over what the ID token says."""

    url: str = ""
    person: dict[str, Any] = field(default_factory=lambda: {"sub": "u-1", "preferred_username": "li"})
    claims: dict[str, Any] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, parameters={"kid": "1"}))
    shown: RSAKey | None = None  # the key that is published; None: the one that signs
    algorithm: str = "RS256"
    away: bool = False
    calls: list[str] = field(default_factory=list)
    _given: dict[str, dict[str, str]] = field(default_factory=dict)

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._about)
        app.router.add_get("/keys", self._keys)
        app.router.add_get("/authorize", self._authorize)
        app.router.add_post("/token", self._token)
        return app

    async def _about(self, request: web.Request) -> web.Response:
        self.calls.append("about")
        if self.away:
            return web.Response(status=503, text="<html>down</html>")
        return web.json_response(
            {
                "issuer": self.url,
                "authorization_endpoint": self.url + "/authorize",
                "token_endpoint": self.url + "/token",
                "jwks_uri": self.url + "/keys",
            }
        )

    async def _keys(self, request: web.Request) -> web.Response:
        self.calls.append("keys")
        return web.json_response({"keys": [(self.shown or self.key).as_dict(private=False)]})

    async def _authorize(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        assert asked["client_id"] == CLIENT and asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256" and "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(16)
        self._given[code] = asked
        back = urlencode({"code": code, "state": asked["state"], "iss": self.url})
        return web.Response(status=302, headers={"Location": f"{asked['redirect_uri']}?{back}"})

    async def _token(self, request: web.Request) -> web.Response:
        self.calls.append("token")
        form = await request.post()
        asked = self._given.pop(str(form["code"]), None)  # good once
        challenge = base64.urlsafe_b64encode(hashlib.sha256(str(form["code_verifier"]).encode()).digest())
        ours = base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode()
        known = ours == f"{CLIENT}:s3cret%3Awith%2Fodd%20characters"
        if not known:
            return web.json_response({"error": "invalid_client"}, status=401)
        if (
            asked is None
            or asked["redirect_uri"] != form["redirect_uri"]
            or challenge.rstrip(b"=").decode() != asked["code_challenge"]
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        now = real_now()
        claims = {
            "iss": self.url,
            "aud": CLIENT,
            "iat": int(now.timestamp()),
            "exp": int((now + timedelta(minutes=5)).timestamp()),
            "nonce": asked["nonce"],
            **self.person,
            **self.claims,
        }
        said = {name: value for name, value in claims.items() if value is not None}
        token = jwt.encode({"alg": self.algorithm, "kid": self.key.kid}, said, self.key)
        return web.json_response({"access_token": "a", "token_type": "Bearer", "id_token": token})

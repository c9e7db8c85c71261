from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from sandbox.accounts import Account, read_accounts, write_demo_accounts
from sandbox.calls import Double
from sandbox.demo import DOCTORS, PATIENTS
from sandbox.server import DOUBLE, build
from tests.sandbox.gateway import Gateway

DOCTOR = DOCTORS[0].openid
PATIENT = PATIENTS[0].openid


@dataclass
class Bench:
    """The running double, seen from outside through HTTP."""

    url: str
    http: aiohttp.ClientSession
    gateway: Gateway
    accounts: dict[str, Account]
    double: Double

    async def get(self, path: str, **query: Any) -> Any:
        async with self.http.get(f"{self.url}/sandbox/{path}", params=query) as response:
            return await response.json()

    async def post(self, path: str, body: Any = None) -> Any:
        async with self.http.post(f"{self.url}/sandbox/{path}", json=body) as response:
            return await response.json()

    async def say(
        self, content: str = "你好", account: str = "sandbox", openid: str = DOCTOR, **more: Any
    ) -> Any:
        """Send as a user and wait for the delivery."""
        sent = {"account": account, "openid": openid, "content": content, "wait": True, **more}
        return await self.post("api/messages", sent)

    async def chat(self, account: str = "sandbox", openid: str = DOCTOR) -> list[dict[str, Any]]:
        chat: list[dict[str, Any]] = await self.get("api/messages", account=account, openid=openid)
        return chat

    async def faults(self, **change: Any) -> Any:
        return await self.post("control/faults", change)

    async def log(self, **query: Any) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = (await self.get("control/log", **query))["entries"]
        return entries

    async def token(self, account: str = "sandbox", **more: Any) -> str:
        settings = self.accounts[account]
        asked = {
            "grant_type": "client_credential",
            "appid": settings.app_id,
            "secret": settings.app_secret,
            **more,
        }
        return str((await self.post("wechat/cgi-bin/stable_token", asked))["access_token"])

    async def call(self, api: str, body: Any, account: str = "sandbox", token: str | None = None) -> Any:
        """A call of the gateway; a dict is sent as raw UTF-8 JSON, bytes as they are."""
        import json

        raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        token = await self.token(account) if token is None else token
        url = f"{self.url}/sandbox/wechat/cgi-bin/{api}"
        async with self.http.post(url, data=raw, params={"access_token": token} if token else {}) as response:
            assert response.status == 200
            return await response.json()

    async def send_text(
        self, content: str, openid: str = DOCTOR, account: str = "sandbox", **more: Any
    ) -> Any:
        body = {"touser": openid, "msgtype": "text", "text": {"content": content}, **more}
        return await self.call("message/custom/send", body, account)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """The double on a free port and a gateway; beside the demo accounts a plain and a compatible one."""
    write_demo_accounts(tmp_path / "sandbox.toml", "http://127.0.0.1:1/sandbox/wechat")
    accounts = read_accounts(tmp_path / "sandbox.toml")
    for mode in ("plain", "compatible"):
        changed = {"name": mode, "mode": mode, "app_id": f"wx{mode}", "audience": "doctor"}
        accounts[mode] = accounts["sandbox"].model_copy(update=changed)
    gateway = Gateway(accounts)
    await gateway.start()
    app = build(accounts, gateway.url)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as http:
        yield Bench(url, http, gateway, accounts, app[DOUBLE])
    await runner.cleanup()
    await gateway.stop()
    await asyncio.sleep(0)

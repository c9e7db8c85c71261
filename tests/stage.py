"""The loops on a stage of their own: real PostgreSQL, the real connector, the platform's double over HTTP.

No engine: what these tests send (pictures, red flags, stop words, events) is answered without one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from sqlalchemy import text

from bot.app import listeners, tidying
from bot.clock import CHINA, Clock, real_now
from bot.dialogue.engine_client import EngineClient
from bot.dialogue.published import Published
from bot.inbound.connections import Connections
from bot.inbound.gateway import PASSIVE_WAIT, Gateway
from bot.inbound.turns import TurnWorkers
from bot.knowledge import Encoder
from bot.model import PROACTIVE, Account, Audience, Channel, Message, Purpose
from bot.outbound.media import PlatformMedia
from bot.outbound.platform_tokens import PlatformTokens
from bot.people import consent
from bot.runtime.notifications import Notifications
from bot.runtime.services import Services
from bot.service.postgres import free_port
from bot.settings import read_accounts
from bot.store import contacts, outbox
from bot.store.contacts import Contact
from bot.store.database import Database, Tx
from bot.store.keyring import Keyring, evidence_key
from bot.store.outbox import Draft, Part
from bot.store.vault import Vault
from connectors.wechat import WeChat
from console import Live
from sandbox.accounts import read_accounts as read_double
from sandbox.accounts import write_demo_accounts
from sandbox.server import build
from tests.phone import Phone
from tests.pushing import Pushed
from tests.running import index as seed_index

DOCTORS = Account(Channel.WECHAT, "sandbox")
IN_VAIN = timedelta()  # what a connection waits while no loop runs that could answer
RETRY_WAIT = timedelta(seconds=1.5)
ENCODER = Encoder()  # holds no state, and takes a while to load


@dataclass
class Stage:
    """One process's loops, not running yet, its account's double, and one follower's phone."""

    services: Services
    engine: EngineClient
    gateway: Gateway
    workers: TurnWorkers
    sender: Pushed
    wechat: WeChat
    http: aiohttp.ClientSession
    double: str
    phone: Phone
    live: Live = field(default_factory=Live)  # of the console, where a test has one

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """All loops, as `bot.app` runs them."""
        changed, heard = asyncio.Event(), self.live.beside(listeners(self.workers, self.sender, self.gateway))
        loops = [
            loop.run() for loop in (Notifications(self.services, changed, heard), self.workers, self.sender)
        ]
        tasks = [asyncio.create_task(loop) for loop in (*loops, *tidying(self.services, changed))]
        self.gateway._passive_wait = PASSIVE_WAIT
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def index(self) -> None:
        """Answer questions about the content in force, which must be the seed's."""
        published = self.services.published
        published._encoder, published._folder = ENCODER, seed_index()
        published._newest = None
        await published.load()
        await published.indexed()

    async def control(self, path: str, body: Any = None, method: str = "POST") -> Any:
        async with self.http.request(method, f"{self.double}/sandbox/control/{path}", json=body) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def fault(self, kind: str, *, api: str = "message/custom/send", **more: Any) -> None:
        await self.control("faults", {"api": [{"api": api, "kind": kind, **more}]})

    async def calls(self, api: str) -> list[dict[str, Any]]:
        """The calls of this API that the double saw."""
        entries: list[dict[str, Any]] = (await self.control(f"log?kind=api&api={api}", method="GET"))[
            "entries"
        ]
        return entries

    async def move(self, moment: datetime) -> None:
        """Business time, ours and the platform's."""
        self.services.clock.move_to(moment)
        await self.control("clock", {"offset_seconds": (moment - real_now()).total_seconds()})

    async def contact(self, address: str | None = None) -> Contact:
        async with self.services.db.begin() as tx:
            found = await contacts.by_address(tx, self.services.vault, DOCTORS, address or self.phone.openid)
        assert found is not None
        return found

    async def agree(self) -> None:
        """The phone's owner agrees to all that we begin."""
        contact, now = await self.contact(), self.services.clock.now()
        async with self.services.db.begin() as tx:
            for purpose in sorted(PROACTIVE):
                await consent.give(tx, contact, purpose, now, text_version="test", source="test")

    async def queue(
        self,
        response: str = "utter_media",
        purpose: Purpose = Purpose.REPLY,
        *,
        draft: Draft | None = None,
        **more: Any,
    ) -> int:
        """An outbox row for the phone's owner."""
        contact = await self.contact()
        async with self.services.db.begin() as tx:
            return await self.queue_in(tx, contact, draft or self.draft(response, purpose), **more)

    async def queue_in(self, tx: Tx, contact: Contact, draft: Draft, **more: Any) -> int:
        now = self.services.clock.now()
        queued = await outbox.add(
            tx, self.services.vault, contact, draft, now=now, retry_at=real_now(), **more
        )
        return queued.row.id

    def draft(self, response: str = "utter_media", purpose: Purpose = Purpose.REPLY) -> Draft:
        dialogue = self.services.published.dialogue
        part = Part(dialogue.text(response), dialogue.basis(response))
        return Draft((part,), purpose, unordered=purpose == Purpose.EMERGENCY)

    async def rows(self, query: str, **values: Any) -> list[Any]:
        async with self.services.db.begin() as tx:
            return [tuple(row) for row in await tx.execute(text(query), values)]

    async def row(self, outbox_id: int) -> Any:
        async with self.services.db.begin() as tx:
            return (await tx.execute(text("SELECT * FROM outbox WHERE id = :id"), {"id": outbox_id})).one()

    async def write(self, query: str, **values: Any) -> None:
        async with self.services.db.begin() as tx:
            await tx.execute(text(query), values)

    async def at_once(self) -> None:
        """What waits for its next try need not wait any longer (real time cannot be moved)."""
        await self.write("UPDATE outbox SET retry_at = now() WHERE state = 'waiting'")

    async def reply_texts(self, seconds: float = 0.0) -> list[str]:
        """What the account has said to the phone."""
        await asyncio.sleep(seconds)
        return [item["text"] for item in await self.phone.replies()]

    async def tasks(self) -> set[str]:
        return {kind for (kind,) in await self.rows("SELECT kind FROM task")}

    async def used(self) -> int:
        """What our ledger says is used of the phone's windows."""
        return int((await self.rows("SELECT coalesce(sum(used), 0) FROM send_window"))[0][0])


async def opened(stack: AsyncExitStack, home: Path, url: str) -> Services:
    """What one process stands on; of `seeded`, which knows the keys of each `home`. It has no index, which
    would be built for each test that publishes content: `Stage.index` for who is asked something."""
    db = Database(url, evidence_key=evidence_key(home / "keys"))
    stack.push_async_callback(db.close)
    services = Services(db, Vault(Keyring(home / "keys")), Clock(), Published(db, None), home)
    await services.published.load()
    return services


async def _serve(stack: AsyncExitStack, app: web.Application, port: int) -> None:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", port).start()


@pytest.fixture
async def stage(seeded: Database, home: Path) -> AsyncIterator[Stage]:
    here, there = free_port(), free_port()
    double = f"http://127.0.0.1:{there}"
    home.mkdir(mode=0o700, exist_ok=True)  # its keys may be there
    write_demo_accounts(home / "sandbox.toml", f"{double}/sandbox/wechat")
    settings = read_accounts(home / "sandbox.toml").wechat["sandbox"]
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        services = await opened(stack, home, seeded.url)
        engine = EngineClient(http, "http://127.0.0.1:1", "nobody")
        connectors: dict[Account, WeChat] = {}

        def fits(account: Account, message: Message) -> bool:
            return connectors[account].passive_fits(message)

        open_connections = Connections(fits, retry_wait=RETRY_WAIT)
        workers = TurnWorkers(services, engine, open_connections)
        gateway = Gateway(
            services,
            engine,
            {DOCTORS: Audience.DOCTOR},
            open_connections,
            passive_wait=IN_VAIN,
        )
        patience = aiohttp.ClientTimeout(total=1)
        tokens = PlatformTokens(services.db, services.vault.keyring)
        media = PlatformMedia(services)
        wechat = WeChat(DOCTORS, settings, gateway, tokens, http, media=media, timeout=patience)
        connectors[DOCTORS] = wechat
        app = web.Application()
        app.add_routes(wechat.routes())
        await _serve(stack, app, here)
        platform = build(read_double(home / "sandbox.toml"), f"http://127.0.0.1:{here}")
        await _serve(stack, platform, there)
        sender = Pushed(services, connectors, lease=timedelta(seconds=3))
        phone = await Phone.newcomer(http, double, "路人")
        made = Stage(services, engine, gateway, workers, sender, wechat, http, double, phone)
        await made.move(services.clock.now().astimezone(CHINA).replace(hour=10, minute=0))  # no quiet hours
        yield made


@pytest.fixture
async def open_window(stage: Stage) -> Stage:
    """The phone's owner has just written; nothing was answered, and no loop runs."""
    await stage.phone.send(type="image", wait=True)
    await stage.agree()
    return stage

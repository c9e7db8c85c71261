"""Due reminders to a platform that answers at once: one sender, PostgreSQL, the connector over HTTP."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import aiohttp
from sqlalchemy import insert, text

from bench.processes import Machine
from bench.table import Figure, at_least
from bot.clock import Clock, real_now
from bot.dialogue.published import Published
from bot.dialogue.publishing import seed_dialogue
from bot.knowledge import Encoder
from bot.model import Account, Audience, Channel, Purpose
from bot.outbound.platform_tokens import PlatformTokens
from bot.outbound.sender import Sender
from bot.runtime.services import Services
from bot.service.postgres import Cluster, free_port
from bot.settings import WeChatAccount
from bot.store import arriving_contacts, outbox
from bot.store.database import Database, Tx
from bot.store.keyring import Keyring, evidence_key, make_keys
from bot.store.migrate import migrate
from bot.store.outbox import Draft
from bot.store.tables import consent, send_window
from bot.store.vault import Vault
from connectors.wechat import WeChat

ACCOUNT = Account(Channel.WECHAT, "bench")
ROWS = 20_000
PATIENCE = 300.0  # seconds


class NoGateway:
    """Nothing comes in here."""


async def _queue(tx: Tx, services: Services, number: int) -> None:
    """A patient who has written, agreed to reminders, and has one due."""
    now = services.clock.now()
    contact = await arriving_contacts.find_or_add(
        tx, services.vault, ACCOUNT, Audience.PATIENT, f"o-bench-{number}", now
    )
    agreed = {"purpose": "medication", "given_at": now, "text_version": "1", "source": "bench"}
    await tx.execute(insert(consent), {"person_id": contact.person_id, **agreed})
    window = {"act": "message", "closes_at": now + timedelta(hours=48), "allowance": 5}
    await tx.execute(insert(send_window), {"contact_id": contact.id, **window})
    reply = services.published.dialogue.reply("utter_thanks", Audience.PATIENT, Purpose.MEDICATION)
    await outbox.add(tx, services.vault, contact, Draft.of(reply), now=now, retry_at=real_now())


async def _send(services: Services, api: str, rows: int) -> tuple[float, float]:
    """Messages a second, from the first claim to the last record, and our CPU a message (milliseconds)."""
    settings = WeChatAccount(
        app_id="bench",
        app_secret="bench",
        token="bench",
        encoding_aes_key="a" * 43,
        audience=Audience.PATIENT,
        api_base=api,
    )
    async with aiohttp.ClientSession() as http:
        tokens = PlatformTokens(services.db, services.vault.keyring)
        channel = WeChat(ACCOUNT, settings, NoGateway(), tokens, http)  # type: ignore[arg-type]
        began, spent = time.perf_counter(), time.process_time()
        running = asyncio.create_task(Sender(services, {ACCOUNT: channel}).run())
        while await _left(services) < rows and time.perf_counter() - began < PATIENCE:
            await asyncio.sleep(0.2)
        sent, seconds = await _left(services), time.perf_counter() - began
        spent = time.process_time() - spent
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert sent == rows, f"{sent} of {rows} left"
        return rows / seconds, 1000 * spent / rows


async def _left(services: Services) -> int:
    async with services.db.begin() as tx:
        return int((await tx.execute(text("SELECT count(*) FROM outbox WHERE state = 'sent'"))).scalar_one())


async def main(*, quick: bool) -> list[Figure]:
    rows = ROWS // 20 if quick else ROWS
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        make_keys(home / "keys")
        cluster = Cluster(home)
        await cluster.start()
        stack.push_async_callback(cluster.stop)
        await asyncio.to_thread(migrate, cluster.url("medrep_owner"))
        db = Database(cluster.url(), evidence_key=evidence_key(home / "keys"))
        stack.push_async_callback(db.close)
        services = Services(db, Vault(Keyring(home / "keys")), Clock(), Published(db, Encoder()), home)
        await seed_dialogue(db, home, real_now())
        await services.published.load()
        for first in range(0, rows, 500):
            async with db.begin() as tx:
                for number in range(first, min(first + 500, rows)):
                    await _queue(tx, services, number)
        services.vault.forget_all()  # as after a night: nobody's key is at hand
        port = free_port()
        platform = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.fast_platform", str(port), stdin=asyncio.subprocess.DEVNULL
        )
        await _answering(port)
        machine = Machine()
        try:
            rate, spent = await _send(services, f"http://127.0.0.1:{port}", rows)
        finally:
            platform.terminate()
            await platform.wait()
    return [
        at_least("due reminders sent", rate, 350, unit="/s", digits=0, machine=str(machine)),
        Figure("CPU of the sender a message", f"{spent:.2f} ms  n={rows:,}"),
    ]


async def _answering(port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
                continue
            writer.close()
            return

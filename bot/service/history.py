"""The demo's month of history: `data/demo/history.chat` is said through the product itself.

What doctors write is accepted, screened, made a turn of by the engine and answered as ever; what colleagues
do goes through the rooms that the console calls. Only the clock is this process's own, set back for each
moment, and the platform takes whatever is sent. It runs before the app does, once: so no loop of the app
looks at it with today's clock.
"""

from __future__ import annotations

import asyncio
import csv
import re
import secrets
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path

import aiohttp
import structlog
from aiohttp import web

import actions
from bot import materials, profiles, schedule, visits
from bot.clock import CHINA, Clock
from bot.dialogue.engine_client import EngineClient
from bot.dialogue.published import Published
from bot.doctors import import_doctors
from bot.inbound import trigger
from bot.inbound.connections import Connections, Offer
from bot.inbound.gateway import Gateway
from bot.inbound.turns import TurnWorkers
from bot.knowledge import Encoder
from bot.model import Account, Audience, Channel, Fault, Inbound, InboundKind, MedrepError, Message, Receipt
from bot.outbound.sender import Sender
from bot.runtime import logs
from bot.runtime.services import Services
from bot.schedule.beginning import Beginning
from bot.schedule.timers import Timers
from bot.service.colleagues import do
from bot.service.demo import DOCTORS, FOLDER, Progress
from bot.service.postgres import free_port
from bot.service.scenes import Act, read_scenes
from bot.settings import Settings, read_settings, with_demo_accounts
from bot.store import business_clock, contacts, progress, visit_plans
from bot.store.database import Database
from bot.store.key_holders import open_keyring
from bot.store.keyring import evidence_key
from bot.store.vault import Vault

log = structlog.get_logger()
ACCOUNT = Account(Channel.WECHAT, "sandbox")
PATIENTS = Account(Channel.WECHAT, "sandbox-patient")
AUDIENCES = {ACCOUNT: Audience.DOCTOR, PATIENTS: Audience.PATIENT}
NEWCOMER = "oSbx1Hist_Newcomer0000000001"  # of `sandbox.demo`, as the patient is
PATIENT = "oSbx2Hist_HeShen0000000003hH"
SETTLED = 60.0  # seconds that what one line leads to may take
LISTED = timedelta(days=30)  # before the first of them wrote
BEFORE = timedelta(minutes=1)
AFTER = timedelta(seconds=30)  # when the loops of the app would have summed up what ended
_LINK = re.compile(r"/m/(\S+)")


class Taken:
    """The platform of the history: it takes all that is sent. The links in it are what a doctor may open."""

    def __init__(self) -> None:
        self.links: dict[str, str] = {}  # by address, the newest

    def noted(self, address: str, message: Message) -> None:
        if found := _LINK.search(message.text):
            self.links[address] = found[1]

    def split(self, message: Message, halved: int) -> tuple[Message, ...]:
        return (message,)

    async def ready(self) -> None:
        """It always is."""

    async def send(self, address: str, message: Message, *, key: str) -> Receipt:
        self.noted(address, message)
        return Receipt(f"demo-{key}")

    def template_fields(self, template: str) -> frozenset[str] | None:
        return None

    async def template(
        self, address: str, template: str, fields: Mapping[str, str], *, client_msg_id: str
    ) -> Receipt:
        raise MedrepError(Fault.CONFIGURATION, "no template")


class History:
    """What happened, one act after another."""

    def __init__(
        self, services: Services, engine: EngineClient, addresses: Mapping[str, tuple[Account, str]]
    ) -> None:
        self._services = services
        self._addresses = addresses  # by whom the file names
        self._platform = Taken()
        connections = Connections(lambda account, message: message.attachment is None)
        self._gateway = Gateway(services, engine, AUDIENCES, connections)
        self._workers = TurnWorkers(services, engine, connections)
        self._sender = Sender(services, dict.fromkeys(AUDIENCES, self._platform))
        self._timers = Timers(services)
        self._beginning = Beginning(services, trigger.trigger, {})
        self._last = datetime.min.replace(tzinfo=CHINA)

    async def play(self, acts: list[Act], file: Progress) -> None:
        """From where it was cut off; each act, and what it led to, before the next."""
        began = file.done
        sending = asyncio.create_task(self._sender.run())
        try:
            for number, act in enumerate(acts[began:], start=began):
                await self._meanwhile(act.at - BEFORE)
                self._services.clock.move_to(act.at)
                if number == 0 or act.at.date() != acts[number - 1].at.date():
                    await profiles.derive(self._services)
                await self._tried(act, again=number == began > 0)
                await self._settled()
                self._last = act.at + AFTER
                self._services.clock.move_to(self._last)
                await visits.tidy_visits(self._services)
                await visits.write_summaries(self._services.db, self._services.vault, self._services.clock)
                file.write(number + 1)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _meanwhile(self, moment: datetime) -> None:
        """What came of itself since the last act: a visit that was moved goes on, another has ended."""
        if self._last < moment:
            self._services.clock.move_to(moment)
            await self._settled()
            await visits.tidy_visits(self._services)
            await visits.write_summaries(self._services.db, self._services.vault, self._services.clock)

    async def _tried(self, act: Act, *, again: bool) -> None:
        """One that does not fit (an answer was reworded, no summary came of it) is skipped: it ends no start
        half played. `again`: it may have been done before the player was killed."""
        try:
            await self._act(act)
        except MedrepError as error:
            name = "history.repeated" if again else "history.refused"
            log.warning(name, act=act.key, fault=str(error.fault), detail=error.detail)
        except Exception:
            log.exception("history.refused", act=act.key)

    async def _act(self, act: Act) -> None:
        if act.kind == ">":
            await self._said(act)
        elif act.kind == "$":
            await self._visit(act)
        elif act.kind == "^":
            await self._opened(act)
        else:
            await self._colleague(act)

    async def _said(self, act: Act) -> None:
        account, address = self._addresses[act.doctor]
        inbound = Inbound(account, address, f"demo-{act.key}", InboundKind.TEXT, act.at, text=act.words)
        accepted = await self._gateway.accept(inbound, passive=True)
        if accepted.duplicate:
            return
        waiting = asyncio.create_task(self._gateway.passive_reply(accepted))
        await asyncio.sleep(0)  # the connection is there before the turn ends
        await self._turned()
        await self._gateway.notified(str(accepted.inbox_id))
        reply = await waiting
        if isinstance(reply, Offer):
            self._platform.noted(address, reply.message)
            await self._gateway.passive_written(reply, written=True)

    async def _turned(self) -> None:
        """Until no message waits, a fragment for its continuation included."""
        deadline = asyncio.get_running_loop().time() + SETTLED
        while asyncio.get_running_loop().time() < deadline:
            await self._timers.tick()
            await self._beginning.begin()
            while await self._workers.turn():
                pass
            async with self._services.db.begin() as tx:
                if not await progress.unanswered(tx):
                    return
            await asyncio.sleep(0.1)

    async def _settled(self) -> None:
        """All that may leave by now has left."""
        await self._turned()
        deadline = asyncio.get_running_loop().time() + SETTLED
        while asyncio.get_running_loop().time() < deadline:
            async with self._services.db.begin() as tx:
                if not await progress.leaving(tx, self._services.clock.now()):
                    return
            self._sender.wake.set()
            await asyncio.sleep(0.02)

    async def _visit(self, act: Act) -> None:
        services = self._services
        async with services.db.begin() as tx:
            plan = await visit_plans.plan(tx, act.words)
            contact = await contacts.by_address(tx, services.vault, *self._addresses[act.doctor])
            if plan is None or contact is None:
                raise MedrepError(Fault.NOT_FOUND, act.words)
            await visits.begin_now(tx, contact, plan, act.at)

    async def _opened(self, act: Act) -> None:
        """In the doctor's own browser."""
        services, token = self._services, self._platform.links[self._addresses[act.doctor][1]]
        async with services.db.begin() as tx:
            reading = await materials.read_for(tx, services, token)
            number = await materials.opened(tx, services, reading, secrets.token_hex(16))
            await materials.read(tx, services, token, number, int(act.words))

    async def _colleague(self, act: Act) -> None:
        services = self._services
        async with services.db.begin() as tx:
            contact = await contacts.by_address(tx, services.vault, *self._addresses[act.doctor])
            if contact is None:
                raise MedrepError(Fault.NOT_FOUND, act.doctor)
            await do(tx, services, contact, act)


async def play(settings: Settings) -> int:
    """Play what is left of it; how many acts that were."""
    url, token, actions_token = settings.database_url, settings.engine_token, settings.actions_token
    if url is None or token is None or actions_token is None:
        raise MedrepError(Fault.CONFIGURATION, "the supervisor says where database and engine are")
    port = free_port()
    db = Database(url, evidence_key=evidence_key(settings.key_dir))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(db.close)
        http = await stack.enter_async_context(aiohttp.ClientSession())
        async with db.begin() as tx:
            today = await business_clock.clock(tx)
            vault = Vault(await open_keyring(tx, settings.key_dir))
        published = Published(db, Encoder(), settings.index_dir)
        await published.load()
        await published.indexed()
        await asyncio.to_thread(schedule.warm)
        past = Clock()
        services = Services(db, vault, past, published, settings.home, settings.limits, settings.base_url)
        runner = web.AppRunner(actions.routes(services, actions_token), access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", port).start()
        engine = EngineClient(
            http,
            settings.engine_url or f"http://127.0.0.1:{settings.engine_port}",
            token,
            f"http://127.0.0.1:{port}/actions",
        )
        while await engine.ready() is None:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.2)
        file = Progress.read(settings.home) or Progress(settings.home / "demo-history.json", today.now())
        acts = read_scenes(FOLDER / "history.chat", file.now)
        began = file.done
        file.write(began)  # before anything is: who is cut off in the first act goes on as well
        past.move_to(acts[0].at - LISTED)
        await import_doctors(db, vault, past, settings.accounts, DOCTORS, by="demo")
        history = History(services, engine, addresses(DOCTORS))
        await history.play(acts, file)
        async with db.begin() as tx:
            await progress.date_turns_back(tx)
        past.move_to(today.now())
        await profiles.derive(services)
        file.write(len(acts), whole=True)
    return len(acts) - began


def addresses(path: Path) -> dict[str, tuple[Account, str]]:
    """Account and openid, by external id; whoever has none in the list writes as a newcomer. And the patient,
    whom no list names."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        doctors = {row["外部编号"]: (ACCOUNT, row["渠道账号"] or NEWCOMER) for row in rows}
    return {**doctors, "DEMO-P001": (PATIENTS, PATIENT)}


def main() -> None:
    """Entry of `python -m bot.service.history`."""
    logs.configure()
    settings = read_settings()
    asyncio.run(play(with_demo_accounts(settings) if settings.sandbox else settings))


if __name__ == "__main__":
    main()

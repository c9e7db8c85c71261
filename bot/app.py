"""The composition root: wires connectors, loops, actions and pages into one process.

Several of these processes may share the ports and the database; each does all the work there is.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import aiohttp
import structlog
from aiohttp import web

import actions
import console
from bot import crm, medical_information, meetings, schedule, tasks, visits
from bot.assistant import Endpoint
from bot.clock import Clock
from bot.compliance import check_text
from bot.dialogue.engine_client import EngineClient
from bot.dialogue.published import Published
from bot.evidence import Sealer
from bot.inbound import trigger
from bot.inbound.connections import Connections
from bot.inbound.gateway import Gateway
from bot.inbound.turns import TurnWorkers
from bot.inbound.warming import warm
from bot.knowledge import Encoder
from bot.model import Account, Audience, Channel, Fault, MedrepError
from bot.outbound.media import PlatformMedia
from bot.outbound.platform_tokens import PlatformTokens
from bot.outbound.sender import Sender
from bot.people import hand_over, takeover
from bot.platforms import owned
from bot.privacy import prune
from bot.profiles import derive
from bot.runtime import key_report, logs, metrics
from bot.runtime.loops import repeat
from bot.runtime.notifications import Listener, Notifications
from bot.runtime.services import Services
from bot.schedule.beginning import Beginning, Job
from bot.schedule.changes import set_jobs
from bot.schedule.timers import Timers
from bot.settings import Settings, read_settings
from bot.store import business_clock, channels
from bot.store.database import Database
from bot.store.key_checks import admit
from bot.store.key_holders import open_keyring
from bot.store.keyring import evidence_key
from bot.store.reaching import until_answering
from bot.store.vault import Vault
from connectors.wechat import WeChat
from web.materials import build as material_pages
from web.pages import Pages

log = structlog.get_logger()
LARGEST_BODY = 1024 * 1024  # bytes
JOBS: Mapping[str, tuple[Job, str]] = {  # what runs, and when
    "retention": (prune, "FREQ=HOURLY"),
    "profiles": (derive, "FREQ=HOURLY"),
}
# Seconds of a connection without a whole request head, be it idle or slow. aiohttp's own 3630 s let anybody
# hold connections by sending a header line a minute. The engine's client ends idle connections after 15 s, so
# that none is cut just as it is used again; a proxy must do the same.
IDLE = 20.0


@dataclass(frozen=True)
class Secrets:
    """What the supervisor hands this process in its environment."""

    engine_url: str
    engine_token: str
    actions_token: str
    actions_url: str
    sandbox_url: str | None
    assistant: Endpoint | None = None

    @classmethod
    def of(cls, settings: Settings) -> Secrets:
        if settings.engine_token is None or settings.actions_token is None:
            missing = "MEDREP_ACTIONS_TOKEN" if settings.engine_token else "MEDREP_ENGINE_TOKEN"
            raise MedrepError(Fault.CONFIGURATION, f"{missing} is not set")
        assistant = settings.accounts.assistant
        return cls(
            engine_url=settings.engine_url or f"http://127.0.0.1:{settings.engine_port}",
            engine_token=settings.engine_token,
            actions_token=settings.actions_token,
            actions_url=settings.actions_url or f"http://127.0.0.1:{settings.actions_port}/actions",
            sandbox_url=settings.sandbox_url,
            assistant=Endpoint(assistant, assistant.api_key()) if assistant else None,
        )


async def serve(settings: Settings, secrets: Secrets) -> None:
    """Run until SIGTERM or SIGINT, then finish what is under way."""
    url = settings.database_url
    if url is None:
        raise MedrepError(Fault.CONFIGURATION, "MEDREP_DATABASE_URL is not set")
    await until_answering(lambda: url, lambda what: log.warning("database.waiting", reason=what))
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await admit(url, settings.key_dir)
    db = Database(url, evidence_key=evidence_key(settings.key_dir))
    clock = Clock()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        async with db.begin() as tx:
            clock.offset = timedelta(seconds=await business_clock.offset(tx))
            vault = Vault(await open_keyring(tx, settings.key_dir))
        published = Published(db, Encoder(), settings.index_dir)
        await published.load()
        for audience in Audience:
            check_text("", audience)
        await asyncio.to_thread(warm)
        services = Services(
            *(db, vault, clock, published, settings.home, settings.limits, settings.base_url),
            crm=settings.accounts.crm is not None,
        )
        engine = EngineClient(http, secrets.engine_url, secrets.engine_token, secrets.actions_url)
        await _run(settings, secrets, services, engine, http, stopping)
    await db.close()


async def _run(
    settings: Settings,
    secrets: Secrets,
    services: Services,
    engine: EngineClient,
    http: aiohttp.ClientSession,
    stopping: asyncio.Event,
) -> None:
    tokens, media = PlatformTokens(services.db, services.vault.keyring), PlatformMedia(services)
    connectors: dict[Account, WeChat] = {}
    open_connections = Connections(lambda account, message: connectors[account].passive_fits(message))
    gateway = Gateway(services, engine, audiences(settings), open_connections)
    for name, wechat in settings.accounts.wechat.items():
        account = Account(Channel.WECHAT, name)
        connectors[account] = WeChat(account, wechat, gateway, tokens, http, media=media)
    workers, sender = TurnWorkers(services, engine, open_connections), Sender(services, connectors)
    timers = Timers(services)
    beginning = Beginning(services, trigger.trigger, {name: job for name, (job, _) in JOBS.items()})
    async with services.db.begin() as tx:
        await set_jobs(tx, {name: rrule for name, (_, rrule) in JOBS.items()}, services.clock.now())
    pages = Pages(settings, services, engine, http, secrets.sandbox_url)

    web_app = web.Application(client_max_size=LARGEST_BODY)
    for connector in connectors.values():
        web_app.add_routes(connector.routes())
    web_app.add_routes(pages.routes())
    web_app.add_subapp("/m/", material_pages(services))
    live = console.Live()
    official = owned(settings, tokens, http)
    served = audiences(settings)
    codes = {one: official[one].scan_url for one in official if served[one] == Audience.DOCTOR}
    web_app.add_subapp("/console/", console.build(settings, services, live, codes))
    webhook, keys_changed = settings.accounts.task_webhook, asyncio.Event()
    heard = live.beside(listeners(workers, sender, gateway))
    notifications = Notifications(services, keys_changed, heard)
    loops = [
        notifications.run(),
        sender.run(),
        beginning.run(),
        Sealer(services.db, services.home, settings.evidence_copy).run(),
        repeat("tasks", partial(tasks.tell, services.db, services.clock, http, webhook), tasks.EVERY),
        *tidying(services, keys_changed),
        *calling(settings, secrets, services, http),
    ]
    async with contextlib.AsyncExitStack() as stack:
        running = [asyncio.create_task(loop) for loop in loops]
        stack.push_async_callback(_cancel, running)
        timers.start()
        stack.callback(timers.stop)
        await listen(stack, web_app, settings.host, settings.port)
        log.info("app.started", port=settings.port, accounts=[str(account) for account in connectors])
        stop = asyncio.create_task(stopping.wait())

        async def answer() -> None:
            # Nobody may be sent here for an answer, and no turn begins here, before we have the answers.
            await services.published.indexed()
            listener = actions.routes(services, secrets.actions_token)
            await listen(stack, listener, settings.actions_host, settings.actions_port)
            await asyncio.gather(workers.run(), asyncio.to_thread(schedule.warm))

        running.append(asyncio.create_task(answer()))
        done, _ = await asyncio.wait({stop, *running}, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stop}:
            task.result()  # a loop that ends has failed: die loudly, the supervisor starts us again
        log.info("app.stopping")


def tidying(services: Services, keys_changed: asyncio.Event) -> list[Coroutine[Any, Any, None]]:
    """What is looked after every few seconds, beside the messages."""
    return [
        repeat("keys", partial(key_report.report, services), key_report.EVERY, keys_changed),
        repeat("takeovers", partial(takeover.tidy, services), takeover.EVERY),
        repeat("hand_overs", partial(hand_over.look_after, services), hand_over.EVERY),
        repeat("triggers", partial(trigger.tidy, services), trigger.EVERY),
        repeat("visits", partial(visits.look_after, services), visits.EVERY),
        repeat("meetings", partial(meetings.look_after, services), meetings.EVERY),
        repeat("answers", partial(medical_information.settle, services), medical_information.EVERY),
    ]


def calling(
    settings: Settings, secrets: Secrets, services: Services, http: aiohttp.ClientSession
) -> list[Coroutine[Any, Any, None]]:
    """What is told to, or asked of, others that the settings name."""
    loops = []
    if (told := settings.accounts.crm) is not None:
        teller = crm.Teller(services.db, services.vault, services.clock, http, told)
        loops.append(repeat("crm", partial(crm.deliver, teller), crm.EVERY))
    if (asked := secrets.assistant) is not None:
        work = partial(visits.phrase_drafts, services, http, asked)
        loops.append(repeat("phrasing", work, visits.PHRASING))
    return loops


def listeners(workers: TurnWorkers, sender: Sender, gateway: Gateway) -> dict[str, Listener]:
    """What each loop is notified of."""
    return {
        channels.INBOX: workers.notified,
        channels.PASSIVE: gateway.notified,
        channels.OUTBOX: sender.notified,
    }


async def listen(
    stack: contextlib.AsyncExitStack, app: web.Application, host: str, port: int, *, idle: float = IDLE
) -> None:
    """Serve `app` until the stack ends; `idle` seconds without a whole request head cut a connection."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=5.0, keepalive_timeout=idle)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, host, port, reuse_port=True).start()


async def _cancel(running: list[asyncio.Task[None]]) -> None:
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


def audiences(settings: Settings) -> dict[Account, Audience]:
    """Whom each configured account serves."""
    return {
        Account(channel, name): settings.accounts.audience(channel, name)
        for channel in Channel
        for name in getattr(settings.accounts, channel.value)
    }


def main() -> None:
    """Entry of `python -m bot.app`."""
    logs.configure()
    settings = read_settings()
    metrics.reserve(settings.counters)
    asyncio.run(serve(settings, Secrets.of(settings)))


if __name__ == "__main__":
    main()

"""The supervisor: starts database, engine and app, restarts what dies, stops all in order.

It holds no business: killed with -9 it takes its children along, and what they had accepted is in the
database for the next start.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Literal, TypeVar

import aiohttp
import structlog
from sqlalchemy.exc import OperationalError

from bot.clock import real_now
from bot.content import seed_content
from bot.dialogue.engine_client import EngineClient
from bot.dialogue.publishing import seed_dialogue
from bot.model import Fault, MedrepError
from bot.service import demo, programs
from bot.service.disk import Disk, cap_logs
from bot.service.home import ServiceTokens, claim, tokens
from bot.service.ports import refuse_used_ports
from bot.service.postgres import Cluster, free_port
from bot.service.process import Child, Process, Say, keep
from bot.service.succession import Succession
from bot.settings import Settings, with_demo_accounts
from bot.store.database import Database
from bot.store.key_checks import admit
from bot.store.keyring import evidence_key
from bot.store.migrate import migrate
from bot.store.reaching import until_answering
from bot.visits import seed_plans

T = TypeVar("T")

log = structlog.get_logger()

READY_SECONDS = 180.0
ENGINE_CHECK_SECONDS = DATABASE_CHECK_SECONDS = DISK_CHECK_SECONDS = 5.0
HUNG_SECONDS = 60.0  # without a word from an engine that was ready
APP_PATIENCE, PATIENCE = 6.0, 4.0  # seconds to stop; with the database's one, all together under 15


@dataclass(frozen=True, slots=True)
class Options:
    """`only` leaves the rest to other machines: the app, or the engine (with the database, if embedded)."""

    workers: int = 1
    only: Literal["", "app", "engine"] = ""
    demo: bool = False
    history: bool = False  # of the demo's doctors, played once

    @property
    def app(self) -> bool:
        return self.only != "engine"

    @property
    def engine(self) -> bool:
        return self.only != "app"


class Supervisor:
    def __init__(self, settings: Settings, options: Options, say: Say) -> None:
        self._settings, self._options, self._say = settings, options, say
        self._disk = Disk(settings.home, say)
        self._shared: ServiceTokens
        self._cluster: Cluster | None = None
        self._db: Database
        self._apps: list[Child] = []
        self._kept: list[Process] = []
        self._began = time.monotonic()

    async def run(self) -> None:
        """Until SIGINT, SIGTERM or SIGHUP. Raises MedrepError when it cannot go on, all stopped."""
        stopping = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        stop = asyncio.create_task(stopping.wait())
        service = asyncio.create_task(self._serve())
        await asyncio.wait({stop, service}, return_when=asyncio.FIRST_COMPLETED)
        if not service.done():
            self._say("stopping …")
            service.cancel()
            await asyncio.wait({service})
            self._say("stopped")
        stop.cancel()
        if not service.cancelled():
            service.result()

    async def _serve(self) -> None:
        settings, options = self._settings, self._options
        async with AsyncExitStack() as stack:
            sandbox = settings.sandbox and options.app
            await stack.enter_async_context(claim(settings.home, "serve", sandbox=sandbox))
            refuse_used_ports(self._ports())
            self._shared = tokens(settings)
            await self._database(stack)
            succession = await self._dialogue()
            sandbox_url = await self._sandbox(stack) if sandbox else None
            engine = programs.engine(settings, self._shared, succession.model) if options.engine else None
            if engine is not None:
                await self._add(stack, engine, PATIENCE)
            if options.app and options.history:
                await self._history(stack)
            if options.app:
                await self._add_apps(stack, sandbox_url)
            try:
                async with asyncio.TaskGroup() as group:
                    for process in self._kept:
                        group.create_task(keep(process, self._disk, settings.longest_pause, self._say))
                    group.create_task(self._watch_disk())
                    if self._cluster is None:
                        group.create_task(self._watch_database())
                    if engine is not None:
                        group.create_task(succession.follow())
                        group.create_task(self._end_hung(engine))
                    group.create_task(self._announce())
            except* MedrepError as errors:
                raise errors.exceptions[0] from None

    # ------------------------------------------------------------ the parts, in order

    def _ports(self) -> dict[str, int]:
        app = {"MEDREP_PORT": self._settings.port, "MEDREP_ACTIONS_PORT": self._settings.actions_port}
        engine = {"MEDREP_ENGINE_PORT": self._settings.engine_port}
        return {**(app if self._options.app else {}), **(engine if self._options.engine else {})}

    async def _database(self, stack: AsyncExitStack) -> None:
        settings = self._settings
        if settings.database_url is None:
            if self._options.only == "app":
                raise MedrepError(Fault.CONFIGURATION, "--only app needs MEDREP_DATABASE_URL")
            self._cluster = Cluster(settings.home)
            await self._cluster.start()
            stack.push_async_callback(self._cluster.stop)
            self._kept.append(programs.DatabaseProcess(self._cluster, settings.home, self._database_moved))
        upgrade = self._options.engine
        await self._while_refused(
            lambda: asyncio.to_thread(migrate, self._url("medrep_owner"), upgrade=upgrade)
        )
        await self._while_refused(lambda: admit(self._url(), settings.key_dir))
        self._db = self._pool()
        stack.push_async_callback(self._close_pool)
        self._tell("database ready")

    async def _while_refused(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do `work`, which may be repeated, as soon as database and disk let us. Raises MedrepError."""
        while True:
            await self._disk.until_writable()
            await until_answering(self._url, self._say, first=True)
            try:
                return await work()
            except OperationalError as error:
                # It went away again, is starting, is full: never a fault of the statement.
                log.warning("database.failed", error=type(error.orig).__name__)
            except (OSError, MedrepError):
                if not self._disk.full():
                    raise
            await asyncio.sleep(1.0)

    async def _watch_database(self) -> None:
        """Say once when a database that is not ours does not answer, and when it does again."""
        while True:
            await asyncio.sleep(DATABASE_CHECK_SECONDS)
            await until_answering(self._url, self._say)

    def _url(self, role: str = "medrep_app") -> str:
        if self._cluster is not None:
            return self._cluster.url(role)
        assert self._settings.database_url is not None  # noqa: S101 - for the type checker
        return self._settings.database_url

    async def _dialogue(self) -> Succession:
        """What is said: the seed published, the model trained."""
        settings = self._settings
        if self._options.engine:
            for outcome in (
                await self._while_refused(lambda: seed_content(self._db, real_now())),
                await self._while_refused(lambda: seed_dialogue(self._db, settings.home, real_now())),
            ):
                if outcome.state == "kept":
                    self._say(f"{outcome}: the files of this checkout differ from it and are not in force")
                elif outcome.state == "published":
                    self._say(str(outcome))
            await self._while_refused(lambda: seed_plans(self._db, real_now()))
        address = f"http://127.0.0.1:{settings.engine_port}"
        succession = Succession(
            lambda: self._db, settings.home, address, self._shared.engine, self._disk, self._say
        )
        if self._options.engine:
            await self._while_refused(succession.begin)
            self._tell("language model ready")
        elif settings.engine_url is None:
            raise MedrepError(Fault.CONFIGURATION, "--only app needs MEDREP_ENGINE_URL")
        return succession

    async def _sandbox(self, stack: AsyncExitStack) -> str:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        await demo.write_accounts(self._settings.home, f"{url}/sandbox/wechat")
        self._settings = with_demo_accounts(self._settings)
        await self._add(
            stack,
            programs.sandbox(self._settings, port, demo.DOCTORS if self._options.history else None),
            PATIENCE,
        )
        return url

    async def _history(self, stack: AsyncExitStack) -> None:
        """Before any app looks at it: with today's clock it would be all long overdue."""
        if not await self._while_refused(lambda: demo.history_wanted(self._db, self._settings.home)):
            return
        began = time.monotonic()
        await self._while_refused(lambda: demo.people(self._db, self._settings))
        await self._while_refused(lambda: demo.logins(self._db, self._settings))
        self._say("playing the demo's history, once: a minute or two")
        player = programs.history(self._settings, self._shared, self._url)
        stack.push_async_callback(player.stop, PATIENCE)
        await player.start()
        if code := await player.wait():
            self._say(f"the demo's history ended early (exit code {code}); see {player.log}")
        else:
            self._say(f"the demo's history was played in {time.monotonic() - began:.0f} s")

    async def _add_apps(self, stack: AsyncExitStack, sandbox_url: str | None) -> None:
        counts = programs.metrics_folder(self._settings.home)
        shutil.rmtree(counts, ignore_errors=True)  # counters begin anew with the service
        counts.mkdir(mode=0o700)
        for number in range(1, self._options.workers + 1):
            self._apps.append(programs.app(self._settings, self._shared, self._url, sandbox_url, number))
        stack.push_async_callback(_each, self._apps, lambda app: app.stop(APP_PATIENCE))
        for app in self._apps:
            await app.start()
            self._kept.append(app)

    async def _add(self, stack: AsyncExitStack, child: Child, patience: float) -> None:
        stack.push_async_callback(child.stop, patience)
        await child.start()
        self._kept.append(child)

    def _pool(self) -> Database:
        return Database(self._url(), size=4, evidence_key=evidence_key(self._settings.key_dir))

    async def _close_pool(self) -> None:
        await self._db.close()

    async def _database_moved(self) -> None:
        """The embedded database has another port; the apps and our own connections have the old one."""
        old, self._db = self._db, self._pool()
        await old.close()
        for app in self._apps:
            if app.process is not None and app.process.returncode is None:
                app.process.terminate()

    # ------------------------------------------------------------ while it runs

    async def _announce(self) -> None:
        """Wait until all answer, load the demo's people, and say where everything is."""
        late = time.monotonic() + READY_SECONDS
        while not await self._ready():
            await asyncio.sleep(0.25)
            if time.monotonic() > late:
                self._say(f"not ready yet; see {self._settings.log_dir}")
                late = float("inf")
        lines = list(self._addresses()) if self._options.app else []
        if self._options.demo:
            lines += await self._people()
            lines += await self._while_refused(lambda: demo.menus(self._db, self._settings))
        self._tell("ready")
        for line in lines:
            self._say(line)
        self._say("stop with Ctrl-C (or SIGTERM)")

    async def _people(self) -> list[str]:
        """The demo's doctors, then colleagues: the list names the reps among these."""
        await self._while_refused(lambda: demo.meetings(self._db))
        lines = await self._while_refused(lambda: demo.people(self._db, self._settings))
        return lines + await self._while_refused(lambda: demo.logins(self._db, self._settings))

    async def _end_hung(self, engine: Child) -> None:
        """An engine that was ready and says nothing any more is ended; it is then started again."""
        process, ready_at = engine.process, None
        async with aiohttp.ClientSession() as http:
            client = self._engine(http)
            while True:
                await asyncio.sleep(ENGINE_CHECK_SECONDS)
                if engine.process is not process:  # started again meanwhile
                    process, ready_at = engine.process, None
                if await client.ready() is not None:
                    ready_at = time.monotonic()
                elif (
                    ready_at is not None
                    and time.monotonic() - ready_at > HUNG_SECONDS
                    and process is not None
                ):
                    self._say(f"engine hangs since {HUNG_SECONDS:.0f} s, ending it")
                    with suppress(ProcessLookupError):
                        process.kill()

    def _engine(self, http: aiohttp.ClientSession) -> EngineClient:
        return EngineClient(http, f"http://127.0.0.1:{self._settings.engine_port}", self._shared.engine)

    async def _ready(self) -> bool:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http:
            if not self._options.app:
                return await self._engine(http).ready() is not None
            try:
                async with http.get(f"{self._settings.local_url}/readyz") as answer:
                    return answer.status == 200
            except (aiohttp.ClientError, TimeoutError):
                return False

    def _addresses(self) -> Iterator[str]:
        settings, base = self._settings, self._settings.local_url
        yield f"health      {base}/healthz  {base}/readyz  {base}/metrics"
        for name in settings.accounts.wechat:
            yield f"webhook     {settings.public_url or base}/wechat/{name}"
        if settings.sandbox:
            yield f"phone page  {base}/sandbox/"
        yield f"console     {settings.public_url or base}/console/"
        for channel in ("wecom", "telegram", "webchat"):
            for name in getattr(settings.accounts, channel):
                yield f"not served  [{channel}.{name}]: nothing here speaks {channel} yet"

    async def _watch_disk(self) -> None:
        while True:
            with suppress(OSError):  # somebody took a log away
                await asyncio.to_thread(cap_logs, self._settings.log_dir)
            self._disk.full()
            await asyncio.sleep(DISK_CHECK_SECONDS)

    def _tell(self, what: str) -> None:
        self._say(f"{what} ({time.monotonic() - self._began:.1f} s)")


async def _each(children: Iterable[Child], do: Callable[[Child], Awaitable[None]]) -> None:
    await asyncio.gather(*(do(child) for child in children))

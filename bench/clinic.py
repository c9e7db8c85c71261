"""A running service with doctors to measure it with: imported, verified, following the sandbox's account."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import psycopg

from bench.processes import cpu, resident
from bench.wechat import Platform
from bot.dialogue.version import read_dialogue
from bot.service import training
from bot.service.postgres import Cluster, free_port
from bot.service.process import bound_to_us, plain_environment
from bot.settings import ROOT

MEDREP = ROOT / ".venv" / "bin" / "medrep"
READY = "stop with Ctrl-C"  # the last line of its greeting
READY_SECONDS = 300.0
ACCOUNT = "sandbox"
DIGITS = "甲乙丙丁戊己庚辛壬癸"  # the import takes only what can be a name
HEADER = ("external_id", "name", "hospital", "phone", "channel", "channel_user_id")


class Service:
    """`medrep serve` in a home of its own, on free ports, as a user starts it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        self._env = {
            **plain_environment(),
            "MEDREP_HOME": str(home),
            "MEDREP_CONFIG": str(home / "no-medrep.toml"),
            "MEDREP_HOST": "127.0.0.1",
            "MEDREP_PORT": str(port),
            "MEDREP_ENGINE_PORT": str(free_port()),
            "MEDREP_ACTIONS_PORT": str(free_port()),
            "MEDREP_SANDBOX": "1",
        }
        self._output = home / "terminal.txt"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> psutil.Process:
        assert self._process is not None
        return psutil.Process(self._process.pid)

    def start(self) -> float:
        """Start it; the seconds until it says that it is ready."""
        began = time.perf_counter()
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [*bound_to_us("TERM"), str(MEDREP), "serve"],
                cwd=ROOT,
                env=self._env,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        while READY not in (console := self._output.read_text(encoding="utf-8")):
            assert self._process.poll() is None, console
            assert time.perf_counter() - began < READY_SECONDS, console
            time.sleep(0.05)
        return time.perf_counter() - began

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(30)

    def children(self, part: str) -> list[psutil.Process]:
        """Our child processes whose command line has `part` in it."""
        return [child for child in self.process.children() if part in " ".join(child.cmdline())]

    def medrep(self, *arguments: str) -> None:
        """Run the command in this home."""
        done = subprocess.run(
            [MEDREP, *arguments],
            cwd=ROOT,
            env=self._env,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stderr


@dataclass(frozen=True)
class Clinic:
    service: Service
    doctors: tuple[str, ...]  # openids
    set_up: float  # seconds of the first start, model given
    start: float  # seconds of a later start

    @property
    def home(self) -> Path:
        return self.service.home

    @cached_property
    def platform(self) -> Platform:
        return Platform.of(self.home)

    def ask(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of the service's own database."""
        with psycopg.connect(Cluster(self.home).url("postgres")) as connection:
            return connection.execute(query, values).fetchall()

    async def engine_available(self, http: aiohttp.ClientSession) -> bool:
        """What the app itself says of its circuit breaker."""
        async with http.get(f"{self.service.url}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        return any(line.startswith("medrep_engine_available 1") for line in lines)

    @contextmanager
    def engine_hung(self) -> Iterator[None]:
        """Stopped in its tracks: its port still takes connections, and nothing answers."""
        (engine,) = self.service.children("-m engine")
        engine.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                engine.send_signal(signal.SIGCONT)

    def cpu(self) -> tuple[float, float]:
        """CPU seconds that the app processes and PostgreSQL have used so far."""
        app, database = (
            sum(cpu(child) for child in self.service.children(part)) for part in ("-m bot.app", "postgres")
        )
        return app, database

    async def one(self, http: aiohttp.ClientSession, openid: str, text: str, number: int) -> str:
        """The passive reply to one message; "" when the platform got its bare acknowledgement."""
        return await exchange(http, self.service.url, self.platform, openid, text, number)

    def memory(self) -> dict[str, float]:
        """Megabytes of resident memory by part; pages the database shares count in each process of it."""
        parts = {"supervisor": self.service.process.memory_info().rss / 1e6}
        for part in ("-m engine", "-m bot.app", "-m sandbox", "postgres"):
            found = self.service.children(part)
            parts[part.removeprefix("-m ").removeprefix("bot.")] = sum(resident(child) for child in found)
        return parts


async def exchange(
    http: aiohttp.ClientSession, url: str, platform: Platform, openid: str, text: str, number: int
) -> str:
    """The passive reply of the service at `url` to one signed message; "" for a bare `success`."""
    path, body = platform.letter(openid, text, number)
    async with http.post(url + path, data=body, headers={"Content-Type": "text/xml"}) as answer:
        assert answer.status == 200, answer.status
        return platform.passive_text(await answer.read())


@asynccontextmanager
async def clinic(count: int) -> AsyncIterator[Clinic]:
    """`medrep serve` in a home of its own, started twice, with `count` doctors."""
    dialogue = read_dialogue(ROOT)
    model = await training.train(ROOT / "var", dialogue, lambda line: print(line, flush=True))
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        (home / "models").mkdir(mode=0o700, parents=True)
        home.chmod(0o700)
        shutil.copy2(model, home / "models" / model.name)
        service = Service(home)
        try:
            set_up = await asyncio.to_thread(service.start)
            await asyncio.to_thread(service.stop)
            start = await asyncio.to_thread(service.start)
            yield Clinic(service, await _doctors(service, count), set_up, start)
        finally:
            await asyncio.to_thread(service.stop)


async def _doctors(service: Service, count: int) -> tuple[str, ...]:
    openids = tuple(f"oBench{number:022d}" for number in range(count))
    file = service.home / "bench-doctors.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(HEADER)
        for number, openid in enumerate(openids):
            name = "测" + "".join(DIGITS[int(digit)] for digit in f"{number:03d}")
            rows.writerow(
                (f"BENCH-{number}", name, "示例县人民医院", f"139{number:08d}", f"wechat:{ACCOUNT}", openid)
            )
    await asyncio.to_thread(service.medrep, "import-doctors", str(file))
    async with aiohttp.ClientSession() as http:
        for number, openid in enumerate(openids):
            body = {"account": ACCOUNT, "nickname": f"测{number}", "openid": openid}
            async with http.post(f"{service.url}/sandbox/api/followers", json=body) as answer:
                assert answer.status == 200, await answer.text()
    return openids

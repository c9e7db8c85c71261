"""Processes to be measured: started, waited for, weighed and ended."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import psutil

from bot.service.process import bound_to_us
from bot.settings import ROOT

READY_SECONDS = 300.0


@dataclass(frozen=True)
class Running:
    """A process that answers, and how long it took to (seconds)."""

    process: subprocess.Popen[bytes]
    ready: float

    def megabytes(self) -> float:
        """Resident memory of it and its children."""
        return resident(psutil.Process(self.process.pid))


def resident(process: psutil.Process) -> float:
    """Megabytes of resident memory, children included."""
    return float(sum(one.memory_info().rss for one in (process, *process.children(recursive=True))) / 1e6)


def cpu(process: psutil.Process) -> float:
    """CPU seconds that it and its children have used, those included that have ended."""
    try:
        times = process.cpu_times()
        children = process.children()
    except psutil.NoSuchProcess:
        return 0.0
    own = times.user + times.system + times.children_user + times.children_system
    return float(own + sum(cpu(child) for child in children))


class Machine:
    """What else the machine did since this was made: the measured processes are all our children."""

    def __init__(self) -> None:
        self._load = os.getloadavg()[0]
        self._at, self._busy, self._cpu = self._now()

    def others(self) -> float:
        """Cores that were busy with what is not ours."""
        at, busy, cpu_seconds = self._now()
        return max(0.0, (busy - self._busy - cpu_seconds + self._cpu) / (at - self._at))

    def __str__(self) -> str:
        return f"load {self._load:.1f} before, others {self.others():.2f} cores"

    @staticmethod
    def _now() -> tuple[float, float, float]:
        times = psutil.cpu_times()
        busy = times.user + times.nice + times.system + times.irq + times.softirq + times.steal
        return time.perf_counter(), busy, cpu(psutil.Process())


@asynccontextmanager
async def running(
    command: Sequence[str],
    env: Mapping[str, str],
    log: Path,
    http: aiohttp.ClientSession,
    url: str,
    token: str = "",
) -> AsyncIterator[Running]:
    """The process while it lives; `url` answers 200 when it is ready."""
    began = time.perf_counter()
    with log.open("ab") as out:
        process = subprocess.Popen(
            [*bound_to_us(), *command],
            cwd=ROOT,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    try:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        while not await _answers(http, url, headers):
            assert process.poll() is None, log.read_text(encoding="utf-8")[-2000:]
            assert time.perf_counter() - began < READY_SECONDS, f"{url} does not answer"
            await asyncio.sleep(0.05)
        yield Running(process, time.perf_counter() - began)
    finally:
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, 15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def _answers(http: aiohttp.ClientSession, url: str, headers: Mapping[str, str]) -> bool:
    try:
        async with http.get(url, headers=headers) as answer:
            return answer.status == 200
    except (aiohttp.ClientError, OSError):
        return False

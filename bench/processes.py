"""Processes to be measured: started, waited for, weighed and ended."""

from __future__ import annotations

import asyncio
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

"""One child process that is kept alive: started, watched, restarted with back-off, stopped.

Children end with us whatever happens to us (the kernel sees to it), sit in sessions of their own (Ctrl-C
is for us alone), and write to a log file whose size is capped.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psycopg
import structlog

from bot.model import Fault, MedrepError
from bot.settings import ROOT

log = structlog.get_logger()

Say = Callable[[str], None]  # tells the person at the terminal

STEADY_SECONDS = 20.0  # who lives this long has started
FAILED_STARTS = 5  # in a row, then we give up
SHORTEST_PAUSE = 0.5
LOG_TAIL = 300  # characters shown of a log when its process keeps failing


def bound_to_us(signal_name: str = "KILL") -> list[str]:
    """The command prefix that has the kernel end a child with its parent (Linux; empty elsewhere)."""
    return ["setpriv", "--pdeathsig", signal_name, "--"] if shutil.which("setpriv") else []


def plain_environment() -> dict[str, str]:
    """Our environment for a child that is to know nothing of ours: no address, no password, no token."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MEDREP_", "PG"))}
    kept.pop("VIRTUAL_ENV", None)
    return kept


class Process(Protocol):
    """What `keep` keeps alive."""

    name: str
    log: Path

    async def start(self) -> None:
        """Start it. Raises MedrepError(CONFIGURATION)."""
        ...

    async def wait(self) -> int:
        """Until it ends; the exit code, negative for a signal."""
        ...


@dataclass
class Child:
    """A child process. `environment` is asked at each start: addresses and models change."""

    name: str
    command: tuple[str, ...]
    environment: Callable[[], Mapping[str, str]]
    log: Path
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as file:
            self.process = await asyncio.create_subprocess_exec(
                *bound_to_us(),
                *self.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                cwd=ROOT,
                env=dict(self.environment()),
                start_new_session=True,
            )

    async def wait(self) -> int:
        return 0 if self.process is None else await self.process.wait()

    async def stop(self, patience: float) -> None:
        """SIGTERM, and SIGKILL to its whole session after `patience` seconds."""
        if self.process is None or self.process.returncode is not None:
            return
        self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), patience)
        except TimeoutError:
            log.warning("process.killed", name=self.name, after_seconds=patience)
            os.killpg(self.process.pid, signal.SIGKILL)
            await self.process.wait()


class Room(Protocol):
    """What a process needs to start: a disk that can be written."""

    def full(self) -> bool: ...

    async def until_writable(self) -> None: ...


async def keep(process: Process, disk: Room, longest_pause: float, say: Say) -> None:
    """Restart `process`, which runs, whenever it ends. Raises MedrepError(CONFIGURATION) to give up.

    Only a process that never lived for long is given up, which says that its settings are wrong, and only
    ends of its own making count. What worked before, was killed from outside, or ended on a full disk, is
    started again as long as it takes, with longer pauses: ending all the others would help nobody.
    """
    failures, pause, began, worked = 0, SHORTEST_PAUSE / 2, time.monotonic(), False
    while True:
        code = await process.wait()
        steady = time.monotonic() - began >= STEADY_SECONDS
        worked = worked or steady
        failures = 0 if worked or disk.full() else failures + (code >= 0)
        pause = SHORTEST_PAUSE if steady else min(pause * 2, longest_pause)
        if failures >= FAILED_STARTS:
            raise _given_up(process, code)
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        say(f"{process.name} ended ({how}), starting it again in {pause:.1f} s")
        log.warning("process.ended", name=process.name, code=code, failures=failures)
        while True:
            await asyncio.sleep(pause)
            await disk.until_writable()
            began = time.monotonic()
            try:
                await process.start()
                break
            except (MedrepError, OSError, psycopg.Error) as error:
                why = error.detail if isinstance(error, MedrepError) else type(error).__name__
                log.warning("process.not_started", name=process.name, detail=why)
                failures += not (worked or disk.full())
                pause = min(pause * 2, longest_pause)
                if failures >= FAILED_STARTS:
                    raise MedrepError(
                        Fault.CONFIGURATION, f"{process.name} cannot be started: {why}"
                    ) from None


def _given_up(process: Process, code: int) -> MedrepError:
    log_lines = (
        process.log.read_text(encoding="utf-8", errors="replace").split("\n") if process.log.exists() else []
    )
    last = next((line.strip() for line in reversed(log_lines) if line.strip()), "nothing")[:LOG_TAIL]
    why = f"{process.name} ended {FAILED_STARTS} times in a row (exit code {code})"
    return MedrepError(Fault.CONFIGURATION, f"{why}; {process.log} ends with: {last}")

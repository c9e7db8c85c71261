"""The real thing under test: `medrep` in a home of its own, run as its users run it.

Training takes minutes and the first index seconds of every process, so both are kept in the checkout's
`var/`, keyed by what they were made of, and lent to every home: as to a service that starts again.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from bot.content import FOLDER
from bot.dialogue.version import read_dialogue
from bot.knowledge import Encoder, kept_index, load
from bot.service.postgres import free_port
from bot.service.process import bound_to_us
from bot.service.training import train
from bot.settings import ROOT

MEDREP = ROOT / ".venv" / "bin" / "medrep"
PORTS = ("MEDREP_PORT", "MEDREP_ENGINE_PORT", "MEDREP_ACTIONS_PORT")
READY_SECONDS = 150.0
STOP_SECONDS = 30.0


@dataclass
class Service:
    """One MEDREP_HOME: the commands run in it, and the service while it serves.

    `settings` are variables of its environment beside the home, the ports and the configuration, which
    are its own: it disturbs no other.
    """

    home: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.env = {
            **{key: value for key, value in os.environ.items() if not key.startswith("MEDREP_")},
            "MEDREP_HOME": str(self.home),
            "MEDREP_CONFIG": str(self.home / "medrep.toml"),
            "MEDREP_HOST": "127.0.0.1",
            **dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True)),
            **self.settings,
        }
        self.output = self.home / "terminal.txt"  # of the last start
        self.url = f"http://127.0.0.1:{self.env['MEDREP_PORT']}"

    # ------------------------------------------------------------ commands

    def medrep(
        self, *arguments: str | Path, stdin: str | bytes = "", seconds: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """One command, to its end; `stdin` is its standard input, its output is text."""
        done = subprocess.run(
            [MEDREP, *arguments],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            timeout=seconds,
            check=False,
            env=self.env,
        )
        out, err = done.stdout.decode(), done.stderr.decode()
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    def prints(self, *arguments: str | Path, stdin: str = "") -> str:
        """What the command prints; it must succeed."""
        done = self.medrep(*arguments, stdin=stdin, seconds=180)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    # ------------------------------------------------------------ the service

    def start(
        self, *arguments: str, command: tuple[str, ...] = (str(MEDREP),), seconds: float = READY_SECONDS
    ) -> None:
        """Start `medrep serve`, or what `arguments` say; returns when it says that it is ready.

        `command` stands for `medrep`; it has so many `seconds`. Raises AssertionError with all it said.
        """
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        began = time.monotonic()
        self.output = self.home / f"terminal-{time.monotonic_ns()}.txt"
        with self.output.open("wb") as file:
            self.process = subprocess.Popen(
                # A test run that is killed takes its services along.
                [*bound_to_us("TERM"), *command, *(arguments or ("serve",))],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=self.env,
                start_new_session=True,
            )
        with ExitStack() as unready:
            unready.callback(self.stop)
            while "stop with Ctrl-C" not in self.terminal():
                assert self.process.poll() is None, self.terminal()
                assert time.monotonic() - began < seconds, self.terminal() + self.logs()
                time.sleep(0.1)
            unready.pop_all()

    def stop(self) -> float:
        """SIGTERM; how many seconds it took to end. Raises subprocess.TimeoutExpired, and kills it."""
        process, began = self.running, time.monotonic()
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        return time.monotonic() - began

    @contextmanager
    def serving(self, *arguments: str) -> Iterator[None]:
        """It serves until the block ends, from the moment it says it is ready."""
        self.start(*arguments)
        try:
            yield
        finally:
            self.stop()

    @property
    def running(self) -> subprocess.Popen[bytes]:
        """The supervisor's process of the last start."""
        assert self.process is not None, "it was never started"
        return self.process

    def processes(self) -> dict[int, str]:
        """Every process of the service: its id and its command line."""
        return descendants(self.running.pid)

    def terminal(self) -> str:
        """What stands on its terminal."""
        return self.output.read_text(encoding="utf-8")

    def logs(self) -> str:
        """The last lines of every log, for a failing test's message."""
        tails = (f"== {path.name}\n{path.read_text()[-1500:]}" for path in self.home.glob("logs/*.log"))
        return "\n".join(tails)

    # ------------------------------------------------------------ its pages

    def status(self, path: str) -> int:
        """The status of GET `path`; 0 when nobody answers."""
        return ask(self.url + path)[0]

    def await_ready(self, seconds: float = READY_SECONDS) -> None:
        """Wait for /readyz. Raises AssertionError."""
        began = time.monotonic()
        while self.status("/readyz") != 200:
            assert self.running.poll() is None, self.terminal()
            assert time.monotonic() - began < seconds, f"not ready:\n{self.terminal()}\n{self.logs()}"
            time.sleep(0.1)


# ---------------------------------------------------------------- what a service is given


def with_model(home: Path, *, indexed: bool = True) -> Path:
    """`home`, made, with the seed's trained model in it, and the index of its content."""
    home.mkdir(mode=0o700, parents=True)
    (home / "models").mkdir()
    shutil.copy(trained(), home / "models")
    if indexed:
        shutil.copytree(index(), home / "index")
    return home


@cache
def trained() -> Path:
    """The seed's model: trained at most once per checkout."""
    return asyncio.run(train(ROOT / "var", read_dialogue(ROOT), print))


@cache
def index() -> Path:
    """The folder of the index of the seed's content, in it built at most once per checkout."""
    folder = ROOT / "var" / "index"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder.parent / ".index.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another worker of this run may be building it
        kept_index(load(ROOT / FOLDER), Encoder(), folder)
    return folder


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on now, all different."""
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(free_port())
    return list(ports)


# ---------------------------------------------------------------- HTTP


def ask(url: str, token: str = "", body: str | None = None) -> tuple[int, Any]:
    """(status, JSON answered if it was JSON) of a GET, or of a POST of `body`; 0 when nobody answers."""
    request = urllib.request.Request(url, None if body is None else body.encode())  # noqa: S310 - ours
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            json_type = answer.headers.get_content_type() == "application/json"
            return answer.status, json.load(answer) if json_type else None
    except urllib.error.HTTPError as error:
        return error.code, None
    except OSError:
        return 0, None


# ---------------------------------------------------------------- processes


def descendants(pid: int) -> dict[int, str]:
    """Every process below `pid`: its id and its command line."""
    found: dict[int, str] = {}
    waiting = [pid]
    while waiting:
        tasks = []
        with suppress(OSError):  # the process has ended
            tasks = list(Path(f"/proc/{waiting.pop()}/task").glob("*/children"))
        for task in tasks:
            with suppress(OSError):  # the thread has ended
                for child in map(int, task.read_text().split()):
                    found[child] = command_line(child)
                    waiting.append(child)
    return found


def command_line(pid: int) -> str:
    """Empty when the process is gone, or only waits to be buried."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def left(processes: Mapping[int, str]) -> list[str]:
    """Those of `processes` that still run."""
    return [line for pid, line in processes.items() if line and command_line(pid) == line]

"""Run the real thing: `medrep serve` in a home of its own, on ports of its own, with a trained model.

Training takes a minute or more, so one model per dialogue is kept in the checkout's `var/` and copied.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.dialogue import read_dialogue
from bot.settings import ROOT
from bot.store.cluster import free_port
from bot.training import model_path, train

MEDREP = ROOT / ".venv" / "bin" / "medrep"
READY_SECONDS = 150.0


def lend_model(home: Path, root: Path = ROOT) -> Path:
    """Put the model of the dialogue below `root` into `home`; trained at most once per checkout."""
    dialogue = read_dialogue(root)
    kept = asyncio.run(train(ROOT / "var", dialogue, print))
    lent = model_path(home, dialogue.fingerprint)
    lent.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(kept, lent)
    return lent


def environment(home: Path, **more: str) -> dict[str, str]:
    """For a service in `home` that disturbs no other: free ports, no medrep.toml of somebody's."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith("MEDREP_")}
    return {
        **ours,
        "MEDREP_HOME": str(home),
        "MEDREP_CONFIG": str(home / "medrep.toml"),
        "MEDREP_HOST": "127.0.0.1",
        "MEDREP_PORT": str(free_port()),
        "MEDREP_ENGINE_PORT": str(free_port()),
        "MEDREP_ACTIONS_PORT": str(free_port()),
        **more,
    }


def medrep(
    env: Mapping[str, str], *arguments: str | Path, stdin: str | bytes = "", seconds: float = 120
) -> subprocess.CompletedProcess[str]:
    """One command, to its end; its output as text."""
    said = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run(
        [str(part) for part in (MEDREP, *arguments)],
        input=said,
        capture_output=True,
        timeout=seconds,
        check=False,
        env=dict(env),
    )
    out, err = done.stdout.decode(), done.stderr.decode()
    return subprocess.CompletedProcess(done.args, done.returncode, out, err)


@dataclass
class Running:
    """A service that runs. `base` is its address; `output` the file its terminal lines go to."""

    env: dict[str, str]
    process: subprocess.Popen[bytes]
    output: Path
    started: float  # seconds until it said it was ready

    @property
    def home(self) -> Path:
        return Path(self.env["MEDREP_HOME"])

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.env['MEDREP_PORT']}"

    def said(self) -> str:
        return self.output.read_text(encoding="utf-8")

    def status(self, path: str) -> int:
        """The status of GET `path`; 0 when nobody answers."""
        return status(self.base + path)

    def await_ready(self, seconds: float = READY_SECONDS) -> float:
        """Wait for /readyz; how long that took. Raises AssertionError."""
        began = time.monotonic()
        while self.status("/readyz") != 200:
            assert self.process.poll() is None, self.said()
            assert time.monotonic() - began < seconds, f"not ready:\n{self.said()}\n{self.logs()}"
            time.sleep(0.1)
        return time.monotonic() - began

    def logs(self) -> str:
        """The last lines of every log, for a failing test's message."""
        tails = (f"== {path.name}\n{path.read_text()[-1500:]}" for path in self.home.glob("logs/*.log"))
        return "\n".join(tails)

    def stop(self, seconds: float = 30) -> float:
        """SIGTERM; how long it took to end. Raises subprocess.TimeoutExpired."""
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(seconds)
        return time.monotonic() - began


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - an address of ours
            code: int = answer.status
            return code
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def get_json(url: str, token: str) -> dict[str, str]:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        found: dict[str, str] = json.load(answer)
        return found


@contextmanager
def serving(env: dict[str, str], *arguments: str, ready: str = "stop with Ctrl-C") -> Iterator[Running]:
    """`medrep serve` (or other `arguments`) until the block ends, from the moment it says it is ready."""
    output = Path(env["MEDREP_HOME"]) / f"terminal-{time.monotonic_ns()}.txt"
    output.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    began = time.monotonic()
    with output.open("wb") as file:
        process = subprocess.Popen(
            [str(MEDREP), *(arguments or ("serve",))],
            stdout=file,
            stderr=file,
            env=env,
            start_new_session=True,
        )
    running = Running(env, process, output, 0.0)
    try:
        while ready not in running.said():
            assert process.poll() is None, running.said()
            assert time.monotonic() - began < READY_SECONDS, running.said() + running.logs()
            time.sleep(0.1)
        running.started = time.monotonic() - began
        yield running
    finally:
        try:
            running.stop()
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def descendants(pid: int) -> dict[int, str]:
    """Every process below `pid`: its id and its command line."""
    found: dict[int, str] = {}
    waiting = [pid]
    while waiting:
        for task in Path(f"/proc/{waiting.pop()}/task").glob("*/children"):
            try:
                children = [int(child) for child in task.read_text().split()]
            except OSError:
                continue
            for child in children:
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

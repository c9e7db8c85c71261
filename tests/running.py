"""The real thing under test: `medrep serve --demo` with a home of its own, as a user would start it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bot.store.cluster import free_port  # noqa: F401 - tests/loops takes it from here

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "var" / "models"  # a model is keyed by its dialogue: trained once, good for every test home
READY_SECONDS = 400.0


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on now, all different."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


@dataclass
class Service:
    """A supervisor process and its children. `env` is what a shell would have set."""

    home: Path
    workers: int = 1
    extra: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.port, self.engine_port, self.actions_port = free_ports(3)
        self.url = f"http://127.0.0.1:{self.port}"
        self.output = self.home.parent / f"{self.home.name}.output"

    @property
    def env(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("MEDREP_")}
        return {
            **kept,
            "MEDREP_HOME": str(self.home),
            "MEDREP_CONFIG": str(self.home.parent / "no-medrep.toml"),
            "MEDREP_PORT": str(self.port),
            "MEDREP_ENGINE_PORT": str(self.engine_port),
            "MEDREP_ACTIONS_PORT": str(self.actions_port),
            "MEDREP_SANDBOX": "1",
            "MEDREP_TEST": "1",
            **self.extra,
        }

    def start(self) -> None:
        """Start it; returns when it says that it is ready."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if MODELS.exists() and not (self.home / "models").exists():
            shutil.copytree(MODELS, self.home / "models", ignore=shutil.ignore_patterns(".*"))
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [
                    # A test run that is killed takes its service along.
                    *(["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []),
                    *(ROOT / ".venv/bin/medrep", "serve", "--demo", "--workers", str(self.workers)),
                ],
                cwd=ROOT,
                env=self.env,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + READY_SECONDS
        while "stop with Ctrl-C" not in self.output.read_text(encoding="utf-8"):
            assert self.process.poll() is None, self.output.read_text(encoding="utf-8")
            assert time.monotonic() < deadline, self.output.read_text(encoding="utf-8")
            time.sleep(0.1)
        MODELS.mkdir(parents=True, exist_ok=True)
        for model in (self.home / "models").glob("*.tar.gz"):
            if not (MODELS / model.name).exists():
                shutil.copy2(model, MODELS / model.name)

    def stop(self) -> None:
        """SIGTERM, and wait for the end."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)

    def children(self, part: str) -> list[psutil.Process]:
        """Our child processes whose command line has `part` in it."""
        assert self.process is not None
        found = []
        for child in psutil.Process(self.process.pid).children(recursive=False):
            with contextlib.suppress(psutil.Error):
                if part in " ".join(child.cmdline()):
                    found.append(child)
        return found

    def log(self, name: str) -> str:
        path = self.home / "logs" / f"{name}.log"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def medrep(self, *arguments: str, said: str = "", check: bool = True) -> str:
        """Run the command in this home; its standard output."""
        done = subprocess.run(
            [ROOT / ".venv/bin/medrep", *arguments],
            cwd=ROOT,
            env=self.env,
            input=said,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

"""The programs the supervisor keeps alive: their commands, and what each is told.

Secrets go by environment or file, never by command line. The engine and the sandbox are told nothing of
the database.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from bot.service.home import ServiceTokens
from bot.service.postgres import Cluster
from bot.service.process import Child, plain_environment
from bot.service.training import ENGINE_PYTHON
from bot.settings import Settings

# More threads than cores only wait for each other, and each app process does small sums.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class DatabaseProcess:
    """The embedded PostgreSQL as something that is kept alive."""

    name = "database"

    def __init__(self, cluster: Cluster, home: Path, moved: Callable[[], Awaitable[None]]) -> None:
        self._cluster = cluster
        self._moved = moved
        self.log = home / "logs" / "postgres.log"

    async def start(self) -> None:
        """Start it again; `moved` is called when its old port was taken meanwhile."""
        before = self._cluster.url()
        await self._cluster.start()
        if self._cluster.url() != before:
            await self._moved()

    async def wait(self) -> int:
        process = self._cluster.process
        assert process is not None  # noqa: S101 - for the type checker; it was started
        while (code := process.poll()) is None:  # noqa: ASYNC110 - a Popen tells nobody when it ends
            await asyncio.sleep(0.2)
        return code


def engine(settings: Settings, shared: ServiceTokens, model: Callable[[], Path]) -> Child:
    def environment() -> dict[str, str]:
        return {
            **plain_environment(),
            "MEDREP_ENGINE_PORT": str(settings.engine_port),
            "MEDREP_ENGINE_HOST": settings.engine_host,
            "MEDREP_ENGINE_TOKEN": shared.engine,
            "MEDREP_ACTIONS_URL": settings.actions_url or f"http://127.0.0.1:{settings.actions_port}/actions",
            "MEDREP_ACTIONS_TOKEN": shared.actions,
            "MEDREP_MODEL": str(model()),
        }

    return Child("engine", (str(ENGINE_PYTHON), "-m", "engine"), environment, settings.log_dir / "engine.log")


def sandbox(settings: Settings, port: int, people: Path | None = None) -> Child:
    """`people`: a list of doctors who follow its accounts as well."""
    command: tuple[str, ...] = (
        *(
            sys.executable,
            "-m",
            "sandbox",
            "--port",
            str(port),
            "--config",
            str(settings.home / "sandbox.toml"),
        ),
        *("--gateway", f"http://127.0.0.1:{settings.port}", "--state", str(settings.home / "sandbox")),
    )
    if people is not None:
        command = (*command, "--people", str(people))
    return Child("sandbox", command, plain_environment, settings.log_dir / "sandbox.log")


def metrics_folder(home: Path) -> Path:
    """Where app processes count together."""
    return home / "metrics"


def app(
    settings: Settings,
    shared: ServiceTokens,
    database: Callable[[], str],
    sandbox_url: str | None,
    number: int,
) -> Child:
    name = f"app-{number}"
    environment = partial(_of_app, settings, shared, database, sandbox_url)
    return Child(name, (sys.executable, "-m", "bot.app"), environment, settings.log_dir / f"{name}.log")


def history(settings: Settings, shared: ServiceTokens, database: Callable[[], str]) -> Child:
    """Plays the demo's history and ends; its counters are nobody's."""

    def environment() -> dict[str, str]:
        variables = _of_app(settings, shared, database, None)
        return {key: value for key, value in variables.items() if key != "PROMETHEUS_MULTIPROC_DIR"}

    command = (sys.executable, "-m", "bot.service.history")
    return Child("history", command, environment, settings.log_dir / "history.log")


def _of_app(
    settings: Settings, shared: ServiceTokens, database: Callable[[], str], sandbox_url: str | None
) -> dict[str, str]:
    variables = {
        **os.environ,
        **ONE_THREAD,
        "MEDREP_HOME": str(settings.home),
        "MEDREP_CONFIG": str(settings.config),
        "MEDREP_PORT": str(settings.port),
        "MEDREP_ENGINE_PORT": str(settings.engine_port),
        "MEDREP_ACTIONS_PORT": str(settings.actions_port),
        "MEDREP_DATABASE_URL": database(),
        "MEDREP_ENGINE_TOKEN": shared.engine,
        "MEDREP_ACTIONS_TOKEN": shared.actions,
        "MEDREP_SANDBOX": "1" if settings.sandbox else "0",
        "PROMETHEUS_MULTIPROC_DIR": str(metrics_folder(settings.home)),
    }
    if settings.evidence_copy is not None:
        variables["MEDREP_EVIDENCE_COPY"] = str(settings.evidence_copy)
    return variables if sandbox_url is None else {**variables, "MEDREP_SANDBOX_URL": sandbox_url}

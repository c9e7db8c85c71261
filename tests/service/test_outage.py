"""The service outlives an external database that is away: it waits, says why once, and comes back."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.dialogue.version import read_dialogue, write_dialogue
from bot.model import Fault, MedrepError
from bot.service.postgres import Cluster
from bot.settings import ROOT
from bot.store.reaching import until_answering
from tests.running import Service, with_model

SECONDS = 120
# Pauses are half a second: by then an app that ends without a database had ended for the fifth time.
OUTAGE = 12.0


async def until(service: Service, true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert service.running.poll() is None, service.terminal()
        assert time.monotonic() < deadline, service.terminal() + service.logs()
        await asyncio.sleep(0.1)


def apps(service: Service) -> set[int]:
    return {pid for pid, line in service.processes().items() if "-m bot.app" in line}


def listening(service: Service) -> int:
    """How many app processes say that they have started."""
    return sum(log.read_text().count("app.started") for log in service.home.glob("logs/*.log"))


@pytest.fixture
def trained_home(tmp_path: Path) -> Path:
    return with_model(tmp_path / "home")


async def test_an_external_database_that_refuses_ends_nobody(trained_home: Path, tmp_path: Path) -> None:
    """F10: the service starts before its database does; later the database refuses for longer than an app
    needs to fail five times, while one app process is killed. Supervisor and the other app live on."""
    elsewhere = Cluster(tmp_path / "elsewhere")
    await elsewhere.start()
    await elsewhere.stop()
    service = Service(
        trained_home,
        {"MEDREP_DATABASE_URL": elsewhere.url("medrep_owner"), "MEDREP_LONGEST_PAUSE": "0.5"},
    )
    starting = asyncio.create_task(asyncio.to_thread(service.start, "serve", "--workers", "2"))
    try:
        while service.process is None or "does not answer" not in service.terminal():
            await asyncio.sleep(0.1)
        assert "does not answer (Connection refused); waiting for it" in service.terminal()
        await elsewhere.start()
        await starting
        # It is ready with one of the two: the other may still be starting, and would end with the database.
        await until(service, lambda: listening(service) == 2)
        healthy, victim = sorted(apps(service))
        await elsewhere.stop()
        os.kill(victim, signal.SIGKILL)
        until_back = time.monotonic() + OUTAGE
        while time.monotonic() < until_back:
            assert service.running.poll() is None, service.terminal() + service.logs()
            await asyncio.sleep(0.2)
        await until(service, lambda: service.terminal().count("does not answer") == 2)
        assert service.status("/readyz") == 503
        await elsewhere.start()
        await until(service, lambda: service.terminal().count("answers again") == 2)
        await until(service, lambda: service.status("/readyz") == 200 and len(apps(service)) == 2)
        assert healthy in apps(service)
        assert service.terminal().count("does not answer") == 2, "each outage is told once"
    finally:
        starting.cancel()
        if service.process is not None:
            service.stop()
        await elsewhere.stop()


async def test_what_is_published_is_followed_at_the_databases_new_port(
    trained_home: Path, tmp_path: Path
) -> None:
    """F24: somebody else took the port of the embedded database while it was being started again. The
    supervisor's own connections follow it to the new port, so a new dialogue is still noticed."""
    service = Service(trained_home)
    port_file = service.home / "database.port"
    with service.serving("engine"):
        port = int(port_file.read_text())
        os.kill(
            next(pid for pid, line in service.processes().items() if "/postgres -D" in line), signal.SIGKILL
        )
        with socket.socket() as squatter:
            await until(service, lambda: taken(squatter, port))
            await until(service, lambda: port_file.read_text() not in ("", str(port)))
            files = tmp_path / "files"
            write_dialogue(read_dialogue(ROOT), files)
            (files / "domain.yml").write_text(
                (files / "domain.yml").read_text(encoding="utf-8") + "# newer\n"
            )
            over = read_dialogue(ROOT).fingerprint
            await until(service, Cluster(service.home).running)
            await asyncio.to_thread(service.prints, "dialogue", "import", files, "--over", over)
            newer = read_dialogue(files).fingerprint[:12]
            await until(service, lambda: f"dialogue {newer} was published" in service.terminal())


def taken(squatter: socket.socket, port: int) -> bool:
    """Whether `squatter` has the port now; its last owner needs a moment to let go."""
    squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        squatter.bind(("127.0.0.1", port))
    except OSError:
        return False
    squatter.listen()
    return True


async def test_a_wrong_password_is_not_waited_for(cluster: Cluster) -> None:
    url = cluster.url().replace("medrep_app:", "medrep_app:not-", 1)
    with pytest.raises(MedrepError) as refused:
        await until_answering(lambda: url, pytest.fail, first=True)
    assert refused.value.fault == Fault.CONFIGURATION
    assert "password authentication failed" in refused.value.detail
    assert "not-" not in refused.value.detail


async def test_what_may_be_part_of_a_password_is_not_said(cluster: Cluster) -> None:
    """An unescaped `/` in the password makes its start the port."""
    lines: list[str] = []
    mistyped = "postgresql://user:s3cret/x@127.0.0.1/db"
    with pytest.raises((MedrepError, TimeoutError)) as ended:
        async with asyncio.timeout(2):
            await until_answering(lambda: mistyped, lines.append, first=True)
    assert "s3cret" not in "".join([*lines, str(ended.value)])

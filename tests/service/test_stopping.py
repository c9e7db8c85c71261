"""Starting again, stopping, and being killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.clock import real_now
from bot.service.demo import Progress
from bot.settings import ROOT
from tests.running import MEDREP, Service, ask, descendants, left, with_model

STOP_SECONDS = 15.0


def test_a_second_start_does_nothing_again_and_a_stop_leaves_nothing(tmp_path: Path) -> None:
    """The second one the way `make run` does it, where SIGTERM goes to make."""
    service = Service(with_model(tmp_path / "home", indexed=False), {"MEDREP_SANDBOX": "1"})
    # tests/service/test_history.py plays it; that takes a minute.
    Progress(service.home / "demo-history.json", real_now()).write(0, whole=True)
    codes = []
    for start in (1, 2):
        if start == 1:
            service.start("serve", "--demo")
        else:
            service.start("run", command=("make", "-f", str(as_make_run(tmp_path))))
        printed, processes = service.terminal(), service.processes()
        took = service.stop()
        assert len(processes) >= 4, processes
        codes.append(re.findall(r"invitation .*", printed))
        assert took < STOP_SECONDS
        assert start == 2 or service.running.returncode == 0
        assert "medrep: stopped" in service.terminal()
        assert left(processes) == []
        assert "training" not in printed
        assert ("published" in printed) == (start == 1)
        assert service.status("/healthz") == 0
    assert codes[0] == codes[1] != []


def as_make_run(folder: Path) -> Path:
    """A Makefile whose `run` starts the service as ours does: by an exec in the recipe's last line."""
    recipe = (ROOT / "Makefile").read_text().split("\nrun:")[1].split("\n\n")[0].splitlines()
    last = recipe[-1].lstrip()
    assert last == "@exec env MEDREP_SANDBOX=1 .venv/bin/medrep serve --demo --history"
    file = folder / "Makefile"
    file.write_text(f"run:\n\t{last.replace('.venv/bin/medrep', str(MEDREP))}\n")
    return file


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service as its users run it: no sandbox, nothing for tests."""
    service = Service(with_model(tmp_path_factory.mktemp("plain") / "home"))
    with service.serving():
        yield service


def test_what_is_for_tests_and_demos_alone_is_not_there(plain: Service) -> None:
    assert plain.status("/readyz") == 200
    assert ask(f"{plain.url}/test/clock", body='{"now": "2030-01-01T08:00:00+08:00"}') == (404, None)
    assert plain.status("/sandbox/") == 404


def test_kill_9_of_the_supervisor_leaves_no_orphan_and_loses_nothing(plain: Service) -> None:
    before = plain.prints("evidence", "verify")
    processes = plain.processes()
    os.kill(plain.running.pid, signal.SIGKILL)
    plain.running.wait()
    deadline = time.monotonic() + 10
    while left(processes):
        assert time.monotonic() < deadline, left(processes)
        time.sleep(0.05)
    assert plain.prints("evidence", "verify") == before


@pytest.mark.parametrize("moment", [0.5, 2.0, 4.0])
def test_a_stop_while_starting_leaves_nothing(tmp_path: Path, moment: float) -> None:
    service = Service(with_model(tmp_path / "home"))
    process = subprocess.Popen([MEDREP, "serve"], env=service.env, stdout=subprocess.DEVNULL)
    time.sleep(moment)
    processes = descendants(process.pid)
    process.terminate()
    began = time.monotonic()
    process.wait(30)
    assert time.monotonic() - began < STOP_SECONDS
    assert left(processes) == []

"""Starting again, stopping, and being killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.settings import ROOT
from tests.service.running import MEDREP, descendants, environment, left, medrep, serving

STOP_SECONDS = 15.0


def test_a_second_start_does_nothing_again_and_a_stop_leaves_nothing(new_home: Callable[[], Path]) -> None:
    home = new_home()
    env = environment(home, MEDREP_SANDBOX="1")
    codes = []
    for start in (1, 2):
        with serving(env, "serve", "--demo") as running:
            said = running.said()
            processes = descendants(running.process.pid)
            assert len(processes) >= 4, processes
            codes.append(re.findall(r"invitation .*", said))
            took = running.stop()
        assert took < STOP_SECONDS
        assert running.process.returncode == 0
        assert left(processes) == []
        assert "training" not in said
        assert ("published" in said) == (start == 1)
        assert running.status("/healthz") == 0
    assert codes[0] == codes[1] != []


def test_kill_9_of_the_supervisor_leaves_no_orphan_and_loses_nothing(new_home: Callable[[], Path]) -> None:
    env = environment(new_home())
    with serving(env) as running:
        before = medrep(env, "evidence", "verify").stdout
        processes = descendants(running.process.pid)
        os.kill(running.process.pid, signal.SIGKILL)
        running.process.wait()
        deadline = time.monotonic() + 10
        while left(processes):
            assert time.monotonic() < deadline, left(processes)
            time.sleep(0.05)
    assert medrep(env, "evidence", "verify").stdout == before


def test_sigterm_to_make_stops_the_service(new_home: Callable[[], Path]) -> None:
    """The way `make run` starts it: the recipe's last line is an exec."""
    recipe = (ROOT / "Makefile").read_text().split("\nrun:")[1].split("\n\n")[0].splitlines()
    assert recipe[-1].lstrip().startswith("@exec ")
    env = environment(new_home())
    ours = "run:\n\t@exec env MEDREP_SANDBOX=1 " + str(MEDREP) + " serve --demo\n"
    output = Path(env["MEDREP_HOME"]) / "make.txt"
    with output.open("wb") as file:
        make = subprocess.Popen(["make", "-f", "-"], stdin=subprocess.PIPE, stdout=file, stderr=file, env=env)
        assert make.stdin is not None
        make.stdin.write(ours.encode())
        make.stdin.close()
        try:
            deadline = time.monotonic() + 120
            while "stop with Ctrl-C" not in output.read_text():
                assert make.poll() is None and time.monotonic() < deadline, output.read_text()
                time.sleep(0.1)
            processes = descendants(make.pid)
        finally:
            make.terminate()
            make.wait(30)
    assert "medrep: stopped" in output.read_text()
    assert left(processes) == []


@pytest.mark.parametrize("moment", [0.5, 2.0, 4.0])
def test_a_stop_while_starting_leaves_nothing(new_home: Callable[[], Path], moment: float) -> None:
    env = environment(new_home())
    process = subprocess.Popen([str(MEDREP), "serve"], env=env, stdout=subprocess.DEVNULL)
    time.sleep(moment)
    processes = descendants(process.pid)
    process.terminate()
    began = time.monotonic()
    process.wait(30)
    assert time.monotonic() - began < STOP_SECONDS
    assert left(processes) == []

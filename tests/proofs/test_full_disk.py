"""A full disk under MEDREP_HOME: the service waits, says why, comes back; nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.proofs.judgement import acknowledged, judge
from tests.proofs.scene import Scene, scene

SIZE = "400m"
# By then a process that fails at once had been given up: five starts with pauses of 0.5 to 8 s.
FULL_SECONDS = 20.0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of SIZE, in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=700", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine lets us mount no small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(path: Path) -> None:
    """Write until the disk takes no byte more."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        for size in (1024 * 1024, 4096, 1):
            try:
                while True:
                    os.write(descriptor, bytes(size))
            except OSError as error:
                assert error.errno == errno.ENOSPC
    finally:
        os.close(descriptor)


async def until(home: Scene, true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert home.service.running.poll() is None, home.service.terminal()
        assert time.monotonic() < deadline, home.service.terminal() + home.service.logs()
        await asyncio.sleep(0.1)


@pytest.mark.timeout(300)
async def test_a_full_disk_ends_nothing_for_good(disk: Path) -> None:
    """F3: a whole service lives on a small disk (a tmpfs of its own), which a file fills to the last byte.

    Messages are sent before that, on the full disk, and after PostgreSQL and an app process were killed
    there, so that both must start on it and cannot; that goes on for longer than five starts take. The
    supervisor says once why it waits (its terminal is a file on that disk, so it is read afterwards). The
    filler is removed, everything comes back by itself, and each message whose webhook was answered 200,
    whenever that was, is answered once and in order.
    """
    async with scene(disk / "home", workers=2) as home:
        phones = await home.doctors(4)

        async def ask(question: str) -> None:
            await asyncio.gather(*(home.say(phone, type="text", content=question) for phone in phones))

        await ask("二甲双胍肾功能不全能用吗")
        fill(disk / "filler")
        await ask("氨氯地平漏服了怎么办")
        assert home.signal("/bin/postgres", signal.SIGKILL) == 1
        home.kill(home.apps()[0])
        await ask("谢谢")
        over = time.monotonic() + FULL_SECONDS
        while time.monotonic() < over:
            assert home.service.running.poll() is None, home.service.terminal()
            await asyncio.sleep(0.5)
        assert home.processes("/bin/postgres") == []

        (disk / "filler").unlink()
        await until(home, lambda: "can be written again" in home.service.terminal())
        await home.back()
        await home.settled(120)
        await judge(home, phones)
        assert len(await acknowledged(home)) >= len(phones), "what was sent before the disk was full"
        assert "OK" in await asyncio.to_thread(home.service.prints, "evidence", "verify")
        assert home.service.terminal().count("cannot be written (No space left on device)") == 1, (
            "it is said once"
        )

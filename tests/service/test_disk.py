"""A full disk turns no log line into an exception, stops no cutting of logs, gives no process up."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import bot.service.disk
import bot.service.process
from bot.model import MedrepError
from bot.runtime.logs import LINES_KEPT, Lasting
from bot.service.disk import Disk, cap_logs
from bot.service.process import FAILED_STARTS, Child, keep


def test_lines_that_a_full_disk_did_not_take_are_written_later(tmp_path: Path) -> None:
    """F3: the stream's file is /dev/full, which takes nothing as a full disk does, then a file with room."""
    with Path("/dev/full").open("a", encoding="utf-8") as stream, (tmp_path / "log").open("w+") as room:
        lines = Lasting(stream)
        for number in range(LINES_KEPT + 3):
            lines.write(f"{number}\n")
        os.dup2(room.fileno(), stream.fileno())
        lines.write("last\n")
        room.seek(0)
        written = room.read().split()
    assert written == [*map(str, range(4, LINES_KEPT + 3)), "last"], "the newest are kept"


def test_half_a_line_gets_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """F3: the disk took the first bytes of a line only."""
    path, write = tmp_path / "log", os.write
    calls: Iterator[int | OSError] = iter([3, OSError(28, "No space left on device")])

    def full_soon(descriptor: int, data: bytes) -> int:
        step = next(calls, len(data))
        if isinstance(step, OSError):
            raise step
        return write(descriptor, data[:step])

    monkeypatch.setattr(os, "write", full_soon)
    with path.open("w") as stream:
        lines = Lasting(stream)
        lines.write("first\n")
        lines.write("second\n")
    assert path.read_text().splitlines() == ["fir", "first", "second"]


def test_logs_are_cut_where_there_is_no_room_for_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F3: the copy's name is a folder here, so it cannot be written; the log is emptied all the same."""
    monkeypatch.setattr(bot.service.disk, "LOG_BYTES", 10)
    (tmp_path / "app.log").write_text("more than ten bytes")
    (tmp_path / "app.log.1").mkdir()
    cap_logs(tmp_path)
    assert (tmp_path / "app.log").read_text() == ""


async def test_a_process_that_fails_on_a_full_disk_is_not_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F3: nothing can be written in a home that is away; once it is there, failures count again."""
    monkeypatch.setattr(bot.service.process, "SHORTEST_PAUSE", 0.01)
    monkeypatch.setattr(bot.service.disk, "PAUSE", 0.01)
    lines: list[str] = []
    disk, starts = Disk(tmp_path / "home", lines.append), tmp_path / "starts"
    command = (sys.executable, "-c", f"open({str(starts)!r}, 'a').write('x'); raise SystemExit(1)")
    child = Child("app", command, lambda: os.environ, tmp_path / "app.log")
    await child.start()
    keeping = asyncio.create_task(keep(child, disk, 0.01, lines.append))
    while not any("cannot be written (No such file or directory)" in line for line in lines):
        await asyncio.sleep(0.01)
    assert not keeping.done()
    (tmp_path / "home").mkdir()
    with pytest.raises(MedrepError, match=f"ended {FAILED_STARTS} times in a row"):
        await asyncio.wait_for(keeping, 60)
    assert len(starts.read_text()) == FAILED_STARTS + 1, "the first end did not count"
    assert sum("cannot be written" in line for line in lines) == 1, "it is said once"
    assert f"{tmp_path / 'home'} can be written again" in lines

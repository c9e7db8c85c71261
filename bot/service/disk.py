"""The disk of MEDREP_HOME: whether there is room on it, and logs that must not fill it."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from bot.service.process import Say

ROOM = 1024 * 1024  # bytes; with less nothing of ours can start
PAUSE = 1.0
LOG_BYTES = 10_000_000  # a log is cut at this size; one older part is kept


class Disk:
    """Tells once that nothing can be written, and once that it can again; whoever fails meanwhile waits."""

    def __init__(self, home: Path, say: Say) -> None:
        self._home, self._say = home, say
        self._full = False

    def full(self) -> bool:
        """Whether files in the home cannot be written now, for whatever reason."""
        why = self._obstacle()
        if bool(why) != self._full:
            self._full = bool(why)
            if why:
                self._say(f"{self._home} cannot be written ({why}); what ends now waits until it can")
            else:
                self._say(f"{self._home} can be written again")
        return self._full

    async def until_writable(self) -> None:
        """Return once files can be written."""
        while self.full():  # noqa: ASYNC110 - a disk tells nobody
            await asyncio.sleep(PAUSE)

    def _obstacle(self) -> str:
        try:
            with tempfile.TemporaryFile(dir=self._home) as probe:
                os.posix_fallocate(probe.fileno(), 0, ROOM)
        except OSError as error:
            return error.strerror or type(error).__name__
        return ""


def cap_logs(folder: Path) -> None:
    """Cut logs that have grown too long. Writers append, so emptying a file under them is safe."""
    for path in folder.glob("*.log"):
        if path.stat().st_size <= LOG_BYTES:
            continue
        older = path.with_suffix(".log.1")
        try:
            shutil.copyfile(path, older)
        except OSError:  # no room for a copy: then room is what is needed most
            with suppress(OSError):
                older.unlink(missing_ok=True)
        os.truncate(path, 0)

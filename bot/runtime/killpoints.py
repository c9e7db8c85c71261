"""Named points at which a test may kill this process, to prove that nothing is lost there.

Only with MEDREP_TEST=1, and MEDREP_KILL_AT naming a folder: whichever process first gets to a point for
which a file of that name lies there takes the file away and ends as by kill -9. So the proofs in
tests/ do not depend on luck.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from functools import cache
from pathlib import Path

from bot.settings import read_environment


@cache
def _folder() -> Path | None:
    settings = read_environment()
    return settings.kill_at if settings.test else None


def reached(name: str) -> None:
    """Nothing, except in a test that asked for death at this point."""
    folder = _folder()
    if folder is None:
        return
    with suppress(FileNotFoundError):
        (folder / name).unlink()  # atomic: one process dies of one file
        os.kill(os.getpid(), signal.SIGKILL)

"""Named points at which a test may kill this process, to prove that nothing is lost there.

Only with MEDREP_TEST=1, and MEDREP_KILL_AT naming a point: the process ends as by kill -9 when it
gets there, so the proofs in tests/ do not depend on luck.
"""

from __future__ import annotations

import os
import signal

_POINT = os.environ.get("MEDREP_KILL_AT") if os.environ.get("MEDREP_TEST") == "1" else None


def reached(name: str) -> None:
    """Nothing, except in a test that asked for death at this point."""
    if name == _POINT:
        os.kill(os.getpid(), signal.SIGKILL)

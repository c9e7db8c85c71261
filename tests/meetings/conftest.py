from __future__ import annotations

from datetime import timedelta

import pytest

from tests.meetings.hall import NOON, OTHER, THEN, announce, meeting, verified
from tests.stage import Stage


@pytest.fixture
async def hall(open_window: Stage) -> Stage:
    """A lecture and a symposium are announced; the phone's owner is a doctor whom we may tell of it."""
    stage = open_window
    await stage.move(NOON)
    await stage.agree()
    await verified(stage)
    await announce(stage, meeting(), meeting(OTHER, THEN + timedelta(days=30), topic="高血压规范管理（试）"))
    return stage

"""Acts of the demo's history that do not fit what came before them are skipped, and told in the log."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import structlog

from bot.clock import real_now
from bot.dialogue.engine_client import EngineClient
from bot.model import Audience
from bot.runtime.services import Services
from bot.service.demo import Progress
from bot.service.history import ACCOUNT, History
from bot.service.scenes import Act
from bot.store import contacts

DOCTOR, OPENID = "DEMO-H001", "oSbx1Hist_Someone00000000001"
UNFIT = (
    ("^", "30"),  # no material was sent
    ("&", "zhou"),
    ("&", "zhou done hand_over 已联系"),  # there is no such task
    ("&", "zhou approve"),  # nor a summary
    ("&", "zhou dismiss known"),  # nor a suggestion
    ("&", "zhou sing"),
    ("$", "none-such"),
)


@pytest.mark.parametrize("written", [True, False], ids=["known", "nobody"])
async def test_an_act_that_does_not_fit_ends_nothing(
    services: Services, tmp_path: Path, written: bool
) -> None:
    if written:
        async with services.db.begin() as tx:
            person_id = await services.vault.create(tx, "doctor", services.clock.now())
            await contacts.add(
                tx, services.vault, ACCOUNT, Audience.DOCTOR, OPENID, person_id, services.clock.now()
            )
    now = real_now()
    acts = [
        Act(now - timedelta(days=2, minutes=-number), DOCTOR, kind, words, f"act-{number}")
        for number, (kind, words) in enumerate(UNFIT)
    ]
    file = Progress(tmp_path / "demo-history.json", now)
    nobody = cast(EngineClient, cast(Any, None))  # no turn is made
    with structlog.testing.capture_logs() as lines:
        await History(services, nobody, {DOCTOR: (ACCOUNT, OPENID)}).play(acts, file)
    assert [line["act"] for line in lines if line["event"] == "history.refused"] == [one.key for one in acts]
    assert file.done == len(UNFIT)

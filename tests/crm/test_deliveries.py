"""What a CRM is told: signed, once it was approved, again until it is taken, under one id."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import text
from standardwebhooks.webhooks import Webhook

from bot import crm, staff
from bot.crm import deliveries
from bot.model import Fault, MedrepError
from bot.runtime import posting
from bot.settings import ROOT
from bot.staff import Role
from bot.visits import SentenceChange, amend, approve, hand_on_summary
from tests.crm.double import SECRET, CrmDouble, crm_double
from tests.stage import Stage
from tests.summaries import SAID, summarised


@pytest.fixture
async def double() -> AsyncIterator[CrmDouble]:
    async with crm_double() as made:
        yield made


@pytest.fixture
async def visit_id(stage: Stage) -> int:
    await stage.phone.send(type="text", content="您好", wait=True)
    now = stage.services.clock.now()
    async with stage.services.db.begin() as tx:
        for login, role in {"zhou": Role.REP, "zheng": Role.MANAGER, "yang": Role.ADMIN}.items():
            await staff.add(tx, login, [role], now, by="test")
    return await summarised(stage.services, await stage.contact())


async def approved(stage: Stage, visit_id: int, *, fails: bool = False) -> None:
    services = stage.services
    async with services.db.begin() as tx:
        await approve(tx, visit_id, 1, "zhou", services.clock.now())
        await hand_on_summary(tx, services.vault, visit_id, services.clock.now())
        if fails:
            raise RuntimeError


async def amended(stage: Stage, visit_id: int) -> None:
    services, now = stage.services, stage.services.clock.now()
    async with services.db.begin() as tx:
        change = SentenceChange("0", "11月29日通过微信拜访。")
        await amend(tx, services.vault, visit_id, 1, change, "日期写错", "zhou", now)
        await hand_on_summary(tx, services.vault, visit_id, now)


async def told(stage: Stage, double: CrmDouble, *, at_once: bool = True) -> None:
    """A round of the loop; real time cannot be moved, but the moment of the next try can."""
    if at_once:
        await stage.write("UPDATE crm_delivery SET retry_at = now()")
    await double.deliver(stage.services, stage.http)


async def standing(stage: Stage) -> list[tuple[Any, ...]]:
    return await stage.rows("SELECT event, state, tries, status, fault FROM crm_delivery ORDER BY id")


def test_the_signature_is_the_conventions() -> None:
    """The example that its libraries test each other with."""
    at = datetime.fromtimestamp(1614265330, UTC)
    signed = Webhook(SECRET).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, '{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_an_approval_is_told_and_an_amendment_after_it(
    stage: Stage, visit_id: int, double: CrmDouble
) -> None:
    await approved(stage, visit_id)
    await amended(stage, visit_id)
    await told(stage, double, at_once=False)
    await told(stage, double, at_once=False)
    assert [payload["type"] for _, payload in double.told] == ["summary.approved", "summary.amended"]
    (first, approval), (second, amendment) = double.told
    assert first.startswith("msg_") and first != second
    data = approval["data"]
    assert (data["label"], data["state"], data["version"], data["id"]) == ("AI拜访", "approved", 1, visit_id)
    assert SAID in json.dumps(data, ensure_ascii=False)
    assert (amendment["data"]["version"], amendment["data"]["reason"]) == (2, "日期写错")
    assert await standing(stage) == [
        ("summary.approved", "delivered", 1, 200, None),
        ("summary.amended", "delivered", 1, 200, None),
    ]
    kinds = await stage.rows("SELECT kind, facts->>'status' FROM evidence WHERE kind LIKE 'crm.%'")
    assert kinds == [("crm.delivered", "200")] * 2
    sealed = await stage.rows("SELECT body_enc FROM crm_delivery")
    assert all(SAID.encode() not in bytes(body) for (body,) in sealed), "encrypted while it waits"


async def test_what_was_not_committed_is_not_told(stage: Stage, visit_id: int, double: CrmDouble) -> None:
    with pytest.raises(RuntimeError):
        await approved(stage, visit_id, fails=True)
    await told(stage, double)
    assert double.told == [] and await standing(stage) == []


async def test_a_crm_that_fails_is_told_again_under_the_same_id(
    stage: Stage, visit_id: int, double: CrmDouble
) -> None:
    double.answers = [500, 401, 302]
    await approved(stage, visit_id)
    await told(stage, double)
    assert await standing(stage) == [("summary.approved", "waiting", 1, 500, "refused")]
    ((wait,),) = await stage.rows("SELECT retry_at - tried_at FROM crm_delivery")
    assert timedelta(seconds=5) <= wait < timedelta(seconds=6)
    await told(stage, double, at_once=False)
    assert len(double.told) == 1, "its pause is not over"
    for tries, status in ((2, 401), (3, 302)):
        await told(stage, double)
        assert await standing(stage) == [("summary.approved", "waiting", tries, status, "refused")]
    await told(stage, double)
    assert await standing(stage) == [("summary.approved", "delivered", 4, 200, None)]
    assert double.elsewhere == 0, "no redirect is followed"
    assert len(double.told) == 4 and len({event_id for event_id, _ in double.told}) == 1
    assert len({json.dumps(payload) for _, payload in double.told}) == 1, "to the byte"
    assert "private words" not in json.dumps(
        await stage.rows("SELECT facts FROM evidence WHERE kind LIKE 'crm.%'"), default=str
    )


async def test_a_crm_that_is_silent_or_talks_without_end_holds_nothing_up(
    stage: Stage, visit_id: int, double: CrmDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "PATIENCE", 0.5)
    double.answers = [0, 999]
    await approved(stage, visit_id)
    async with asyncio.timeout(10):
        await told(stage, double)
        assert await standing(stage) == [("summary.approved", "waiting", 1, None, "timeout")]
        await told(stage, double)
    assert await standing(stage) == [("summary.approved", "delivered", 2, 200, None)]


async def test_nobody_there_is_waited_for(stage: Stage, visit_id: int, double: CrmDouble) -> None:
    await approved(stage, visit_id)
    there, double.url = double.url, "http://127.0.0.1:9/hook"
    await told(stage, double)
    assert await standing(stage) == [("summary.approved", "waiting", 1, None, "unreachable")]
    double.url = there
    await told(stage, double)
    assert (await standing(stage))[0][1] == "delivered"


async def test_gone_has_failed_and_an_operator_is_told(
    stage: Stage, visit_id: int, double: CrmDouble
) -> None:
    double.answers = [410]
    await approved(stage, visit_id)
    await told(stage, double)
    assert await standing(stage) == [("summary.approved", "failed", 1, 410, "gone")]
    assert await stage.tasks() == {"platform"}
    await told(stage, double)
    assert len(double.told) == 1
    services, now = stage.services, stage.services.clock.now()
    ((number,),) = await stage.rows("SELECT id FROM crm_delivery")
    for login, fault in (("zhou", Fault.CONFLICT), ("nobody", Fault.NOT_FOUND)):
        with pytest.raises(MedrepError) as refused:
            async with services.db.begin() as tx:
                await crm.replay(tx, number, login, now)
        assert refused.value.fault == fault
    async with services.db.begin() as tx:
        await crm.replay(tx, number, "yang", now)
    await told(stage, double)
    assert await standing(stage) == [("summary.approved", "delivered", 1, 200, None)]
    assert len({event_id for event_id, _ in double.told}) == 1


async def test_after_the_last_try_it_has_failed(stage: Stage, visit_id: int, double: CrmDouble) -> None:
    await approved(stage, visit_id)
    await stage.write("UPDATE crm_delivery SET tries = :tries", tries=len(deliveries.PAUSES) - 1)
    double.answers = [503, 503]
    await told(stage, double)
    assert (await standing(stage))[0][1] == "waiting"
    await told(stage, double)
    assert await standing(stage) == [
        ("summary.approved", "failed", len(deliveries.PAUSES) + 1, 503, "refused")
    ]


async def test_an_amendment_does_not_overtake_the_approval(
    stage: Stage, visit_id: int, double: CrmDouble
) -> None:
    double.answers = [500]
    await approved(stage, visit_id)
    await amended(stage, visit_id)
    await told(stage, double)
    assert [state for _, state, *_ in await standing(stage)] == ["waiting", "waiting"]
    assert [payload["type"] for _, payload in double.told] == ["summary.approved"]
    await told(stage, double)
    await told(stage, double)
    assert [payload["type"] for _, payload in double.told] == [
        *("summary.approved", "summary.approved", "summary.amended")
    ]


async def test_many_processes_tell_it_once(stage: Stage, visit_id: int, double: CrmDouble) -> None:
    await approved(stage, visit_id)
    await asyncio.gather(*(double.deliver(stage.services, stage.http) for _ in range(5)))
    assert len(double.told) == 1


DELIVER = """
import asyncio, os, sys
from pathlib import Path
import aiohttp
from bot import crm
from bot.clock import Clock
from bot.endpoints import Webhook
from bot.store.database import Database
from bot.store.keyring import Keyring, evidence_key
from bot.store.vault import Vault

async def main():
    home, url, there, secret = Path(sys.argv[1]), *sys.argv[2:]
    db = Database(url, evidence_key=evidence_key(home / "keys"))
    vault = Vault(Keyring(home / "keys"))
    async with aiohttp.ClientSession() as http:
        await crm.deliver(crm.Teller(db, vault, Clock(), http, Webhook(url=there, secret=secret)))
asyncio.run(main())
"""


async def test_a_process_that_is_killed_loses_nothing(
    stage: Stage, visit_id: int, double: CrmDouble, tmp_path: Path
) -> None:
    """By kill -9 after the CRM has taken it and before that is written: it is told again, under its id."""
    await approved(stage, visit_id)
    points = tmp_path / "points"
    points.mkdir()
    (points / "crm.answered").touch()
    services = stage.services
    died = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", DELIVER, str(services.home), services.db.url, double.url, SECRET],
        env={**os.environ, "MEDREP_TEST": "1", "MEDREP_KILL_AT": str(points)},
        cwd=ROOT,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL and len(double.told) == 1
    assert await standing(stage) == [("summary.approved", "waiting", 1, None, None)]
    await told(stage, double, at_once=False)
    assert len(double.told) == 1, "its lease holds"
    await told(stage, double)
    assert (await standing(stage))[0][1] == "delivered"
    assert len(double.told) == 2 and len({event_id for event_id, _ in double.told}) == 1


async def test_what_was_erased_meanwhile_is_told_to_nobody(
    stage: Stage, visit_id: int, double: CrmDouble
) -> None:
    await approved(stage, visit_id)
    contact = await stage.contact()
    async with stage.services.db.begin() as tx:
        await tx.execute(text("UPDATE data_key SET wrapped = NULL WHERE id = :id"), {"id": contact.key_id})
    fresh = replace(stage.services, vault=type(stage.services.vault)(stage.services.vault.keyring))
    await double.deliver(fresh, stage.http)
    assert double.told == []
    assert (await standing(stage))[0][1:] == ("failed", 1, None, "erased")


async def test_the_session_of_the_app_hangs_on_nothing(double: CrmDouble) -> None:
    """What the CRM says is not read: the connection is closed."""
    double.answers = [999]
    async with aiohttp.ClientSession() as http, asyncio.timeout(5):
        found = await posting.post(http, double.settings, "msg_1", b"{}", 5.0)
    assert (found.status, found.fault) == (200, None)

"""`POST /test/clock`: business time of a running service, moved in all its processes."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import aiohttp
import psycopg
import pytest
from prometheus_client.mmap_dict import MmapedDict

from bot.service.postgres import Cluster
from bot.store.keyring import Keyring
from tests.phone import Phone
from tests.running import Service, ask

ROUNDING = timedelta(seconds=1)  # what processes tell each other are whole seconds


def moved(service: Service, body: str) -> tuple[int, datetime | None]:
    """The status, and the business time answered."""
    status, answer = ask(f"{service.url}/test/clock", body=body)
    return status, datetime.fromisoformat(answer["now"]) if answer else None


@pytest.fixture
async def phone(http: aiohttp.ClientSession, service: Service) -> AsyncIterator[Phone]:
    """Somebody whose messages tell when they were received; afterwards it is today again."""
    yield await Phone.newcomer(http, service.url, "问时间的人")
    assert moved(service, json.dumps({"now": datetime.now(UTC).isoformat()}))[0] == 200


def taken_by(service: Service) -> dict[int, float]:
    """How many messages each app process has taken, as it counts them: /metrics has only their sum."""
    found = {}
    for pid in (pid for pid, line in service.processes().items() if "bot.app" in line):
        file = service.home / "metrics" / f"counter_{pid}.db"
        # Who has taken none has no file yet.
        counts = MmapedDict.read_all_values_from_file(file) if file.exists() else ()  # type: ignore[no-untyped-call]
        found[pid] = sum(value for key, value, *_ in counts if "medrep_messages_received_total" in key)
    return found


async def received(service: Service, phone: Phone) -> tuple[datetime, float, float]:
    """Send something: when the service says it came, and the monotonic clock before and after."""
    before = time.monotonic()
    receipt = await phone.send(type="image", wait=True)
    assert receipt["outcome"] in ("replied", "acknowledged"), receipt
    after = time.monotonic()
    async with await psycopg.AsyncConnection.connect(Cluster(service.home).url()) as connection:
        query = "SELECT received_at FROM inbox WHERE key = %s"
        digest = Keyring(service.home / "keys").digest
        key = digest("inbox.key", f"{phone.openid}\0m:{receipt['msg_id']}").hex()
        row = await (await connection.execute(query, (key,))).fetchone()
    assert row is not None
    return row[0], before, after


async def test_every_process_goes_on_from_the_moment_it_was_told(phone: Phone, service: Service) -> None:
    target = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
    at_first = taken_by(service)
    assert len(at_first) == 2
    asked = time.monotonic()
    status, now = moved(service, json.dumps({"now": target.isoformat()}))
    answered = time.monotonic()
    assert status == 200 and now is not None and timedelta() <= now - target < ROUNDING
    for _ in range(24):
        came, before, after = await received(service, phone)
        assert came >= target + timedelta(seconds=before - answered) - ROUNDING
        assert came <= target + timedelta(seconds=after - asked) + ROUNDING
    taken = taken_by(service)
    assert all(taken[process] > count for process, count in at_first.items()), "each took some of them"


@pytest.mark.parametrize(
    "body",
    [
        *("", "now", "[]", "{}", '"2030-01-01T08:00:00+08:00"'),
        *('{"now": null}', '{"now": 1893456000}', '{"now": "tomorrow"}', '{"now": "2030-13-01T00:00:00Z"}'),
        '{"now": "2030-01-01T08:00:00"}',  # whose eight o'clock?
    ],
)
async def test_nonsense_is_refused_and_moves_nothing(phone: Phone, service: Service, body: str) -> None:
    assert moved(service, body) == (400, None)
    came, _, _ = await received(service, phone)
    assert abs(came - datetime.now(UTC)) < timedelta(minutes=1)

"""What `make run` shows on a fresh machine: a month of history, made by the product, once; by a second start
where the first was killed."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import psycopg
import pytest

from bot.service.demo import FOLDER, Progress
from bot.service.postgres import Cluster
from bot.service.scenes import read_scenes
from tests.console.conftest import Visitor
from tests.console.test_demo import printed
from tests.running import Service, with_model

PLAYING = 900.0  # seconds; a month takes a quarter of a minute on a quiet machine
KILLED = 60  # acts that were played when the first start was killed
COMMAND = ("serve", "--demo", "--history")
pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A start that has played the history, from where one was killed that had begun it."""
    home = with_model(tmp_path_factory.mktemp("lived") / "home")
    started = Service(home, {"MEDREP_SANDBOX": "1", "MEDREP_TEST": "1"})
    kill_while_playing(started)
    started.start(*COMMAND, seconds=PLAYING)
    try:
        yield started
    finally:
        started.stop()


def kill_while_playing(service: Service) -> None:
    with ThreadPoolExecutor(1) as other:
        start = other.submit(service.start, *COMMAND, seconds=PLAYING)
        while (played := Progress.read(service.home)) is None or played.done < KILLED:
            assert not start.done(), service.terminal()
            time.sleep(0.05)
        os.kill(service.running.pid, signal.SIGKILL)
        with pytest.raises(AssertionError):
            start.result()
    found = Progress.read(service.home)
    assert found is not None and not found.whole


def told(service: Service) -> tuple[str, list[tuple[int, str, str]]]:
    """All that the month left behind; who has a task, and until when, goes on changing."""
    tasks = [json.loads(line) for line in service.prints("tasks").splitlines()]
    return service.prints("summaries"), sorted((one["id"], one["kind"], one["opened_at"]) for one in tasks)


def test_the_history_was_played_whole_and_its_evidence_holds(lived: Service) -> None:
    assert re.search(r"the demo's history was played in \d+ s", lived.terminal())
    log = (lived.home / "logs" / "history.log").read_text(encoding="utf-8")
    assert "history.refused" not in log and "turn.failed" not in log, log
    assert lived.prints("evidence", "verify").startswith("OK ")


def test_a_killed_start_lost_nothing_and_did_nothing_twice(lived: Service) -> None:
    played = Progress.read(lived.home)
    assert played is not None and played.whole
    acts = Counter(act.kind for act in read_scenes(FOLDER / "history.chat", played.now))
    with psycopg.connect(Cluster(lived.home).url()) as connection:
        (texts,) = connection.execute("SELECT count(*) FROM inbox WHERE kind = 'text'").fetchall()
        (begun,) = connection.execute("SELECT count(*) FROM visit WHERE begun_at IS NOT NULL").fetchall()
        (undone,) = connection.execute("SELECT count(*) FROM turn WHERE state <> 'done'").fetchall()
    assert (texts, begun, undone) == ((acts[">"],), (acts["$"],), (0,))


def test_visits_and_their_summaries_are_as_colleagues_left_them(lived: Service) -> None:
    found = [json.loads(line) for line in lived.prints("summaries").splitlines()]
    states = Counter(one["state"] for one in found)
    assert len(found) >= 25 and states["approved"] >= 10 and states["draft"] >= 5, states
    assert states["in_review"] >= 2 and states["amended"] >= 1, states
    assert all(one["statements"] and one["label"] == "AI拜访" for one in found)
    unsupported = [part for one in found for part in one["statements"] if not part["turns"]]
    assert not unsupported
    assert any("改约" in part["text"] for one in found for part in one["statements"]), "one was moved"
    assert any(one["questions"] for one in found), "something was asked in between"


async def test_each_role_finds_on_its_first_page_what_is_theirs(
    lived: Service, http: aiohttp.ClientSession
) -> None:
    logins = printed(lived)

    async def page(login: str, path: str = "") -> str:
        visitor = Visitor(http, lived.url)
        await visitor.sign_in(login, logins[login][1])
        return await visitor.get(f"/console/{path}")

    zhou, qian = await page("zhou"), await page("qian")
    assert "韩酉" in zhou and "转人工" in zhou and "还没有人接" in zhou, "somebody waits for them"
    assert re.search(r"审阅 \d+ 份纪要", zhou) and "林子" in zhou
    assert "蔡一" in qian and "林子" not in qian
    manager = await page("manager")
    assert "韩酉" in manager and "袁庚" in manager and "核实身份" in manager and "样板县第一医院" in manager
    medical = await page("medical")
    assert "二甲双胍能用来治疗多囊卵巢吗" in medical and "医学信息问询" in medical
    assert "多囊卵巢" not in await page("wu", "conversations"), "withheld from the rep"
    assert "不良反应报告" in await page("pv") and "合规核查" in await page("compliance")
    assert "不良反应报告" in await page("auditor")
    assert "转人工" in (care := await page("care")) and "还没有人接" in care, "a patient waits for them"
    assert "共 36 位" in await page("manager", "doctors")


def test_a_second_start_changes_nothing(lived: Service) -> None:
    before = told(lived)
    lived.stop()
    lived.start(*COMMAND)
    assert "history" not in lived.terminal()
    assert told(lived) == before

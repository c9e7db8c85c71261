"""Server time of the console's pages on many doctors and messages, and how long a large list takes to import.

Each page is asked for one after another, as a rep and as the manager of ten of them, with the row-level
security of the console's role. Behind a figure stands the CPU that server and database used for one page: the
wall time belongs to a machine and to whatever else it does.
"""

from __future__ import annotations

import asyncio
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import psutil
from sqlalchemy import text

from bench.processes import Machine, cpu, running
from bench.table import Figure, at_most
from bench.territory import PASSWORD, fill, hire, import_list, picked, write_list
from bot.clock import Clock
from bot.content import seed_content
from bot.dialogue.publishing import seed_dialogue
from bot.service.postgres import Cluster, free_port
from bot.store.database import Database
from bot.store.keyring import Keyring, evidence_key, make_keys
from bot.store.migrate import migrate
from bot.store.vault import Vault

DOCTORS, MESSAGES, IMPORTED = 100_000, 1_000_000, 1_000_000
EACH = 40  # askings of a page
GOAL_MS, GOAL_IMPORT_S = 200.0, 180.0
PAGE = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A page and what asking for it cost, in milliseconds."""

    page: str
    wall: tuple[float, ...]
    server: float  # CPU, a page
    database: float

    @property
    def p95(self) -> float:
        return sorted(self.wall)[max(len(self.wall) * 95 // 100 - 1, 0)]


async def main(*, quick: bool, doctors: int = 0, messages: int = 0) -> list[Figure]:
    doctors = doctors or (DOCTORS // 50 if quick else DOCTORS)
    messages = messages or (MESSAGES // 50 if quick else MESSAGES)
    with tempfile.TemporaryDirectory(dir=os.environ.get("MEDREP_BENCH_DIR")) as folder:
        home = Path(folder)
        cluster = Cluster(home)
        await cluster.start()
        try:
            migrate(cluster.url("medrep_owner"))
            return await _measured(cluster, home, doctors, messages, IMPORTED // 100 if quick else IMPORTED)
        finally:
            await cluster.stop()


async def _measured(cluster: Cluster, home: Path, doctors: int, messages: int, more: int) -> list[Figure]:
    make_keys(home / "keys")
    db = Database(cluster.url(), evidence_key=evidence_key(home / "keys"))
    vault, now = Vault(Keyring(home / "keys")), Clock().now()
    await seed_content(db, now)
    await seed_dialogue(db, home, now)
    began = time.perf_counter()
    write_list(home / "doctors.csv", doctors, accounts=True)
    await import_list(db, vault, home / "doctors.csv", doctors)
    await hire(db, now)
    await fill(db, vault, messages, now)
    async with db.begin() as tx:
        size = (await tx.execute(text("SELECT pg_database_size(current_database())"))).scalar_one()
    await _analyzed(cluster)
    seconds = time.perf_counter() - began
    made = f"{doctors:,} doctors, {messages:,} messages, {size / 1e9:.1f} GB, made in {seconds:.0f} s"
    figures = [Figure("data", made), *await _pages(cluster, home, db)]
    figures.append(await _import(db, vault, home, doctors, more))
    await db.close()
    return figures


async def _analyzed(cluster: Cluster) -> None:
    """As autovacuum would have left it."""
    engine = Database(cluster.url("postgres"), role="postgres", size=1)
    async with engine.begin() as tx:
        await tx.execute(text("ANALYZE"))
    await engine.close()


async def _pages(cluster: Cluster, home: Path, db: Database) -> list[Figure]:
    port, found = free_port(), []
    env = {
        **os.environ,
        "MEDREP_HOME": str(home),
        "MEDREP_DATABASE_URL": cluster.url(),
        "BENCH_PORT": str(port),
    }
    url = f"http://127.0.0.1:{port}"
    async with aiohttp.ClientSession() as http:
        command = [sys.executable, "-m", "bench.console_host"]
        async with running(command, env, home / "console.log", http, f"{url}/") as server:
            assert cluster.process is not None
            weighed = psutil.Process(server.process.pid), psutil.Process(cluster.process.pid)
            for login in ("rep0", "manager"):
                machine = Machine()
                for asked in await _as(http, url, login, db, weighed):
                    middle = statistics.median(asked.wall)
                    spent = f"p50 {middle:.0f}, CPU server {asked.server:.0f}, database {asked.database:.0f}"
                    found.append(
                        at_most(
                            f"{login}: {asked.page} p95",
                            asked.p95,
                            GOAL_MS,
                            " ms",
                            0,
                            f"{spent} ms; {machine}",
                        )
                    )
    return found


async def _as(
    http: aiohttp.ClientSession,
    url: str,
    login: str,
    db: Database,
    weighed: tuple[psutil.Process, psutil.Process],
) -> list[Asked]:
    async with http.post(
        f"{url}/console/sign-in",
        data={"login": login, "password": PASSWORD},
        headers=PAGE,
        allow_redirects=False,
    ) as answer:
        assert answer.status == 303, await answer.text()
        token = next(iter(answer.cookies.values()))
        cookie = f"{token.key}={token.value}"

    async def got(path: str) -> str:
        async with http.get(url + path, headers={**PAGE, "Cookie": cookie}) as answer:
            body = await answer.text()
            assert answer.status == 200, (path, answer.status, body[:300])
            return body

    async with db.begin() as tx:
        theirs = [tuple(row) for row in await tx.execute(_THEIRS, {"login": login})]
    doctors = [f"/console/doctors/{one[0]}" for one in picked(theirs, EACH)]
    chats = [f"/console/conversations/{one[1]}" for one in picked(theirs, EACH)]
    visits = [f"/console/summaries/{one[2]}" for one in picked([one for one in theirs if one[2]], EACH)]
    pages: dict[str, Sequence[str]] = {
        "my day": ["/console/"] * EACH,
        "doctors": ["/console/doctors"] * EACH,
        "doctors, by hospital": ["/console/doctors?q=虚构卫生院"] * EACH,
        "doctors, by name": [f"/console/doctors?q={name}" for name in ("赵子", "钱丑", "无此人名")]
        * (EACH // 3),
        "a doctor": doctors,
        "conversations": ["/console/conversations"] * EACH,
        "conversations, search": ["/console/conversations?q=辛伐他汀", "/console/conversations?q=没有的词"]
        * (EACH // 2),
        "a conversation": chats,
        "summaries": ["/console/summaries"] * EACH,
        "summaries, all": ["/console/summaries?which=all"] * EACH,
        "a summary": visits,
    }
    found = []
    for page, paths in pages.items():
        first = await got(paths[0])  # the templates are compiled, the plans are made
        assert not re.search(r"Traceback", first)
        before = [cpu(one) for one in weighed]
        wall = []
        for path in paths:
            began = time.perf_counter()
            await got(path)
            wall.append((time.perf_counter() - began) * 1000)
        spent = [(cpu(one) - was) * 1000 / len(paths) for one, was in zip(weighed, before, strict=True)]
        found.append(Asked(page, tuple(wall), *spent))
    return found


_THEIRS = text(
    """
    SELECT doctor.person_id, contact.id, visit.id
    FROM doctor JOIN contact ON contact.person_id = doctor.person_id
         LEFT JOIN visit ON visit.contact_id = contact.id
         JOIN staff ON staff.id = doctor.rep_id
    WHERE staff.login = :login OR :login = 'manager' AND staff.team = 'team0' ORDER BY contact.id
    """
)


async def _import(db: Database, vault: Vault, home: Path, there: int, more: int) -> Figure:
    """A list of people of whom none is there yet, beside those who are."""
    path = home / "more.csv"
    await asyncio.to_thread(write_list, path, more, accounts=False)
    whole = path.read_text(encoding="utf-8").replace("\nB-", "\nM-")
    path.write_text(whole, encoding="utf-8")
    machine, began, before = Machine(), time.perf_counter(), time.process_time()
    await import_list(db, vault, path, more)
    seconds, own = time.perf_counter() - began, time.process_time() - before
    goal = GOAL_IMPORT_S * more / IMPORTED
    what = f"import of {more:,} doctors"
    return at_most(
        what, seconds, goal, " s", 0, f"CPU of the importer {own:.0f} s; beside {there:,}; {machine}"
    )

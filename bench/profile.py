"""Where the time of a whole turn goes: `python -m bench.profile`. No part of `make bench`: it slows what it
watches.

PostgreSQL logs every statement while one client holds conversations over the webhook. The steps of a turn are
told apart by the statements at which they end; what a step takes beyond its own statements is our Python, the
engine, HTTP, the cipher, and the wait for other work of the same process.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import count

import aiohttp
import psycopg

from bench.clinic import Clinic, clinic
from bench.processes import Machine
from bench.turns import ACTION, TURNS
from bot.service.postgres import Cluster

FIRST_MSG_ID = 7_000_000_000_000_000
PREFIX = "%n %p "  # seconds with milliseconds, backend
ENTRY = re.compile(r"\n(?=\d+\.\d+ \d+ )")
LINE = re.compile(r"(\d+\.\d+) (\d+) LOG:  duration: ([\d.]+) ms  (parse|bind|execute|statement)[^:]*: (.*)")
SHOWN = 100  # characters of a statement
# A step, the statement in it, and whether it ends with the start or the end of that statement's transaction.
STEPS = (
    ("accepted: crypto, parsing, screening, storing", "WITH stored AS", "COMMIT"),
    ("claimed: notification, a worker's look", "INSERT INTO turn ", "COMMIT"),
    ("scene read", "SELECT conversation.person_id", "COMMIT"),
    ("engine with its actions", "INSERT INTO conversation", "BEGIN"),
    ("turn committed", "INSERT INTO conversation", "COMMIT"),
    (
        "reply taken: notification, release",
        "UPDATE outbox SET state=$1::VARCHAR, l",
        "COMMIT",
    ),
)


@dataclass(frozen=True)
class Statement:
    """`ended` in seconds of wall-clock time; `spent` in milliseconds, parsing and binding included."""

    ended: float
    spent: float
    backend: str
    sql: str

    @property
    def began(self) -> float:
        return self.ended - self.spent / 1000


@dataclass(frozen=True)
class Answered:
    """One turn, from the post to its reply."""

    began: float
    ended: float
    acts: bool


async def main(talks: int) -> None:
    """Print the steps of a turn and its statements, means over the turns with an action and those without."""
    async with clinic(2 * talks) as place, aiohttp.ClientSession() as http:
        numbers, turns = count(FIRST_MSG_ID), []
        for openid in place.doctors[:talks]:  # what is slow only once
            for text, _ in TURNS:
                await place.one(http, openid, text, next(numbers))
        _logging(place, on=True)
        machine = Machine()
        for openid in place.doctors[talks:]:
            for text, action in TURNS:
                began = time.time()
                assert await place.one(http, openid, text, next(numbers))
                turns.append(Answered(began, time.time(), action == ACTION))
                await asyncio.sleep(0.1)  # what follows the reply is not part of the next turn
        _logging(place, on=False)
        await asyncio.sleep(0.2)
        statements = _read(place)
    print(machine)
    for acts in (False, True):
        kind = [turn for turn in turns if turn.acts == acts]
        inside = [[one for one in statements if turn.began <= one.ended <= turn.ended] for turn in kind]
        mean = sum(turn.ended - turn.began for turn in kind) / len(kind) * 1000
        print(f"\n{'with' if acts else 'without'} an action: {mean:.1f} ms a turn, n={len(kind)}")
        _steps(kind, inside)
        _statements(inside)


def _logging(place: Clinic, *, on: bool) -> None:
    with psycopg.connect(Cluster(place.home).url("postgres"), autocommit=True) as admin:
        admin.execute(f"ALTER SYSTEM SET log_line_prefix = '{PREFIX}'")
        admin.execute(f"ALTER SYSTEM SET log_min_duration_statement = {0 if on else -1}")
        admin.execute("SELECT pg_reload_conf()")


def _read(place: Clinic) -> list[Statement]:
    """The statements in the order in which they ended."""
    found = []
    before: dict[str, float] = defaultdict(float)  # what parsing and binding took, by backend
    log = (place.home / "logs" / "postgres.log").read_text(encoding="utf-8", errors="replace")
    for entry in ENTRY.split(log):
        match = LINE.match(entry.replace("\n", " "))
        if match is None:
            continue
        ended, backend, spent, phase, sql = match.groups()
        before[backend] += float(spent)
        if phase in ("execute", "statement"):
            found.append(Statement(float(ended), before.pop(backend), backend, " ".join(sql.split())))
    return found


def _steps(turns: list[Answered], inside: list[list[Statement]]) -> None:
    spent: dict[str, list[float]] = defaultdict(list)
    for turn, statements in zip(turns, inside, strict=True):
        at = turn.began
        for name, sql, edge in STEPS:
            end = _edge(statements, at, sql, edge)
            if end is not None:
                spent[name].append((end - at) * 1000)
                at = end
        spent["reply: rendering, crypto, HTTP"].append((turn.ended - at) * 1000)
    for name, times in spent.items():
        missing = "" if len(times) == len(turns) else f"  (found in {len(times)} of {len(turns)})"
        print(f"{sum(times) / len(times):8.1f} ms  {name}{missing}")


def _edge(statements: list[Statement], after: float, sql: str, edge: str) -> float | None:
    """When the transaction of the first such statement began or ended; None: there is none."""
    for place, one in enumerate(statements):
        if one.ended >= after and one.sql.startswith(sql):
            around = statements[place:] if edge == "COMMIT" else reversed(statements[:place])
            for other in around:
                if other.backend == one.backend and other.sql == edge:
                    return other.ended if edge == "COMMIT" else other.began
    return None


def _statements(inside: list[list[Statement]]) -> None:
    turns, all_of_them = len(inside), [one for statements in inside for one in statements]
    times = Counter(one.sql[:SHOWN] for one in all_of_them)
    together = sum(one.spent for one in all_of_them)
    print(f"{len(all_of_them) / turns:8.1f} statements, {together / turns:.1f} ms in them")
    for sql, number in times.most_common():
        spent = sum(one.spent for one in all_of_them if one.sql[:SHOWN] == sql)
        if number / turns >= 0.5:
            print(f"{number / turns:10.1f}  {spent / turns:5.2f} ms  {sql}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="bench.profile", description=__doc__)
    parser.add_argument("--talks", type=int, default=8, help="conversations of ten turns")
    asyncio.run(main(parser.parse_args().talks))

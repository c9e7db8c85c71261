"""Under load, with the engine hung: what accepting a message costs, how fast it is, and how it gives way.

Each phase hangs the engine anew (the supervisor ends one that is silent for a minute) and has the backlog
answered before the next. What is acknowledged must be in the inbox, and with the engine back be answered.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import count

import aiohttp

from bench.clinic import ACCOUNT, Clinic, clinic
from bench.processes import Machine
from bench.sides import APP_PYTHON
from bench.table import Figure, at_most
from bench.turns import TURNS, quantile
from bot.clock import real_now
from bot.model import Account, Channel, Inbound, InboundKind
from bot.service.process import bound_to_us, plain_environment
from bot.settings import ROOT
from bot.store.inbox import key_of
from bot.store.keyring import Keyring
from bot.store.vault import Vault

DOCTORS = 200
FIRST_MSG_ID = 9_000_000_000_000_000  # above whatever the sandbox itself numbers
OPEN_SECONDS = 30.0  # for the circuit to open
DRAIN_SECONDS = 300.0
IDLE_SECONDS = 5.0
RAMP = (200, 300, 400, 500, 600, 700, 800, 1000, 1200)  # messages a second
SUSTAINED = 0.5  # seconds; the p99 up to which a rate counts as sustained
RED_FLAG = "我现在胸口疼得厉害，喘不上气"
RED_FLAGS = 100  # one in so many messages
IN_TIME = 4.0  # seconds; WeChat hangs up after 5


@dataclass(frozen=True)
class Sent:
    """What became of `count` messages that were due at `rate` a second."""

    rate: float
    count: int
    latencies: tuple[float, ...]  # seconds, of those that were answered at all
    statuses: Counter[int]  # 0: no answer within 5 s
    acknowledged: tuple[str, ...]  # the keys they must have in the inbox
    red_flags: tuple[int, int]  # how many there were, and how many of them were acknowledged
    late: float  # by which the sender itself was late at worst
    sender_cpu: float
    cpu: tuple[float, float]  # seconds of the app processes and of PostgreSQL
    seconds: float
    machine: str

    @property
    def sustained(self) -> bool:
        return len(self.acknowledged) == self.count and quantile(self.latencies, 0.99) <= SUSTAINED

    def p99(self) -> float:
        """Milliseconds."""
        return quantile(self.latencies, 0.99) * 1000 if self.latencies else float("inf")

    def __str__(self) -> str:
        if not self.latencies:
            return f"none of {self.count} answered"
        p50, p99 = (quantile(self.latencies, q) * 1000 for q in (0.5, 0.99))
        times = f"p50 {p50:.0f} ms  p99 {p99:.0f} ms  max {max(self.latencies) * 1000:.0f} ms"
        return f"{times}  n={self.count}  sender late {self.late * 1000:.0f} ms"

    def shares(self) -> str:
        names = {0: "unanswered"}
        kinds = sorted(self.statuses.items(), reverse=True)
        return ", ".join(f"{names.get(status, status)} {n / self.count:.1%}" for status, n in kinds)


async def main(*, quick: bool) -> list[Figure]:
    """One service, phase by phase."""
    seconds, step = (3.0, 2.0) if quick else (20.0, 4.0)
    async with clinic(DOCTORS) as place, aiohttp.ClientSession() as http:
        load = Load(place, http)
        await load.reachable()
        figures = await load.cost(seconds)
        figures += await load.phase("400/s", 400, seconds, p99=100)
        with busy_core():
            figures += await load.phase("200/s, one core busy", 200, seconds)
        rates, ramp = await load.ramp(step)
        figures += ramp
        figures += await load.phase("twice", 2 * rates, min(seconds, 15.0))
    return figures


class Load:
    """A service and what is sent to it."""

    def __init__(self, place: Clinic, http: aiohttp.ClientSession) -> None:
        self._place = place
        self._http = http
        self._numbers = count(FIRST_MSG_ID)

    async def reachable(self) -> None:
        """Everybody writes once over the sandbox, which from then on takes pushed replies to them."""
        url = f"{self._place.service.url}/sandbox/api/messages"
        for openid in self._place.doctors:
            body = {"account": ACCOUNT, "openid": openid, "type": "text", "content": "您好", "wait": True}
            async with self._http.post(url, json=body) as answer:
                assert answer.status == 200, await answer.text()

    async def cost(self, seconds: float) -> list[Figure]:
        """CPU of accepting one message, at a rate that leaves the machine room; idle cost taken off."""
        async with self._hung():
            before = self._place.cpu()
            await asyncio.sleep(IDLE_SECONDS)
            idle = [(b - a) / IDLE_SECONDS for a, b in zip(before, self._place.cpu(), strict=True)]
            sent = await self._send(200, seconds, red_flags=0)
        app, database = (
            (used - rate * sent.seconds) / sent.count * 1000
            for used, rate in zip(sent.cpu, idle, strict=True)
        )
        return [
            at_most(
                "CPU of one accepted message", app + database, 1.2, " ms", digits=2, machine=sent.machine
            ),
            Figure("  of it", f"app {app:.2f} ms, PostgreSQL {database:.2f} ms"),
            Figure(
                "  idle, engine hung", f"app {idle[0]:.1%}, PostgreSQL {idle[1]:.1%} of one core, taken off"
            ),
            Figure("  sender", f"{sent.sender_cpu / sent.count * 1000:.2f} ms of CPU a message, not ours"),
            *await self._judged("200/s", sent, 250),
        ]

    async def phase(self, name: str, rate: float, seconds: float, p99: float | None = None) -> list[Figure]:
        """One rate for so long. `p99`: the goal, in milliseconds."""
        async with self._hung():
            sent = await self._send(rate, seconds)
        return await self._judged(name, sent, p99)

    async def ramp(self, step: float) -> tuple[float, list[Figure]]:
        """The highest rate of the ramp, below the first that was not sustained."""
        figures, best = [], RAMP[0]
        async with self._hung():
            for rate in RAMP:
                sent = await self._send(rate, step)
                figures.append(
                    Figure(f"ramp: {rate} a second", f"{sent}; {sent.shares()}", machine=sent.machine)
                )
                if not sent.sustained:
                    break
                best = rate
        await self._drained()
        return best, [*figures, Figure("sustainable with the engine hung", f"{best} a second")]

    async def _judged(self, name: str, sent: Sent, p99: float | None) -> list[Figure]:
        """What was promised of these messages: in time, not lost, and answered once the engine is back."""
        place, went_on = self._place, time.perf_counter()
        keys = list(sent.acknowledged)
        stored = _stored(place, keys)
        await self._drained()
        done = _stored(place, keys, "done")
        worst = max(sent.latencies, default=0.0)
        first = f"{name}: "
        return [
            Figure(f"{first}latency at {sent.rate:.0f} a second", str(sent), machine=sent.machine),
            *([at_most(f"{first}p99", sent.p99(), p99, " ms", digits=0)] if p99 else []),
            Figure(f"{first}answers", sent.shares()),
            Figure(
                f"{first}red flags stored",
                "{1} of {0}".format(*sent.red_flags),
                "all",
                len(set(sent.red_flags)) == 1,
            ),
            at_most(f"{first}slowest answer", worst, IN_TIME, " s", digits=1),
            Figure(f"{first}acknowledged and lost", str(len(keys) - stored), "0", stored == len(keys)),
            Figure(
                f"{first}answered after",
                f"{done} of {len(keys)} in {time.perf_counter() - went_on:.0f} s",
                "all",
                done == len(keys),
            ),
        ]

    @asynccontextmanager
    async def _hung(self) -> AsyncIterator[None]:
        """The engine hangs, and the app has found out."""
        place, began = self._place, time.perf_counter()
        with place.engine_hung():
            while await place.engine_available(self._http):
                assert time.perf_counter() - began < OPEN_SECONDS, "the circuit did not open"
                ask = (
                    place.one(self._http, openid, "您好", next(self._numbers)) for openid in place.doctors[:8]
                )
                await asyncio.gather(*ask)
            yield
            assert not await place.engine_available(self._http), "the circuit closed while the engine hung"

    async def _send(self, rate: float, seconds: float, red_flags: int = RED_FLAGS) -> Sent:
        """`red_flags`: one in so many messages is one; 0: none."""
        place, total = self._place, int(rate * seconds)
        messages = [
            (place.doctors[number % DOCTORS], _words(number, red_flags), next(self._numbers))
            for number in range(total)
        ]
        orders = {"home": str(place.home), "url": place.service.url, "rate": rate, "messages": messages}
        machine, before, began = Machine(), place.cpu(), time.perf_counter()
        sender = await asyncio.create_subprocess_exec(
            *(str(APP_PYTHON), "-m", "bench.sender"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
            env=plain_environment(),
        )
        out, _ = await sender.communicate(json.dumps(orders).encode())
        assert sender.returncode == 0
        result = json.loads(out)
        used = place.cpu()
        return Sent(
            rate=rate,
            count=total,
            latencies=tuple(latency for latency in result["latency"] if latency is not None),
            statuses=Counter(result["status"]),
            acknowledged=self._keys(messages, acknowledged := set(result["acknowledged"])),
            red_flags=(
                sum(words == RED_FLAG for _, words, _ in messages),
                sum(words == RED_FLAG and number in acknowledged for _, words, number in messages),
            ),
            late=result["late"],
            sender_cpu=result["cpu"],
            cpu=(used[0] - before[0], used[1] - before[1]),
            seconds=time.perf_counter() - began,
            machine=str(machine),
        )

    def _keys(self, messages: list[tuple[str, str, int]], acknowledged: set[int]) -> tuple[str, ...]:
        """What the acknowledged ones of these messages (openid, text, MsgId) are stored by."""
        vault, account, now = (
            Vault(Keyring(self._place.home / "keys")),
            Account(Channel.WECHAT, ACCOUNT),
            real_now(),
        )
        return tuple(
            key_of(vault, Inbound(account, openid, f"m:{number}", InboundKind.TEXT, now, text))
            for openid, text, number in messages
            if number in acknowledged
        )

    async def _drained(self) -> None:
        """Wait until nothing is left to answer or to send, so that the next phase starts from rest."""
        deadline = time.perf_counter() + DRAIN_SECONDS
        while time.perf_counter() < deadline:
            ((left,),) = self._place.ask(
                "SELECT (SELECT count(*) FROM inbox WHERE state NOT IN ('done', 'failed'))"
                " + (SELECT count(*) FROM outbox WHERE state IN ('waiting', 'sending'))"
            )
            if left == 0:
                return
            await asyncio.sleep(0.25)


def _words(number: int, red_flags: int) -> str:
    """What the message of this number says."""
    is_one = red_flags and number % red_flags == red_flags - 1
    return RED_FLAG if is_one else TURNS[number % len(TURNS)][0]


def _stored(place: Clinic, keys: list[str], state: str = "%") -> int:
    """How many of these messages are in the inbox, in this state."""
    query = "SELECT count(*) FROM inbox WHERE account = %s AND key = ANY(%s) AND state LIKE %s"
    number: int = place.ask(query, ACCOUNT, keys, state)[0][0]
    return number


@contextmanager
def busy_core() -> Iterator[None]:
    """Another process that computes all the time: half of two cores."""
    process = subprocess.Popen([*bound_to_us(), sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()

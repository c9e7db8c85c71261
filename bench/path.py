"""The whole path, from a signed and encrypted WeChat post to the reply in its answer, three ways.

Block about block in one run: `medrep serve` with all that it keeps, screens and approves;
`bench/plain_bot.py` before stock Rasa, on the same PostgreSQL; and our engine alone, as the engine part
measures it, for how much of its speed the whole path keeps.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import aiohttp

from bench.clinic import ACCOUNT, Clinic, clinic, exchange
from bench.processes import Machine, Running, running
from bench.sides import APP_PYTHON, SENTENCE, Ours, Stock, alone, stock
from bench.stock_model import EPOCHS, trained
from bench.table import Figure, at_least
from bench.turns import ACTION, ACTIONS_PER_TALK, TURNS, Say, Timing, block
from bench.wechat import Platform
from bot.dialogue.version import read_dialogue
from bot.service import training
from bot.service.postgres import Cluster, free_port
from bot.service.process import plain_environment
from bot.settings import ROOT, read_accounts

CLIENTS = (1, 4)
FIRST_MSG_ID = 8_000_000_000_000_000  # above whatever the sandbox itself numbers


@dataclass(frozen=True)
class Side:
    """`rows` counts what the turns wrote, `each` is how many that must be for one conversation."""

    say: Say
    rows: Callable[[], int]
    each: int


@dataclass
class Plain:
    """The plain bot: its post to the same path, signed with the same secrets."""

    http: aiohttp.ClientSession
    url: str
    platform: Platform
    rasa: Stock
    bot: Running
    numbers: count[int]

    async def say(self, talk: int, text: str, action: str) -> None:
        answer = await exchange(
            self.http, self.url, self.platform, f"oPlain{talk:022d}", text, next(self.numbers)
        )
        assert answer, (text, "no reply on its connection")
        assert (answer == SENTENCE) == (action == ACTION), (text, answer)

    def megabytes(self) -> float:
        return sum(part.megabytes() for part in (self.bot, self.rasa.brain, self.rasa.host))


async def main(*, quick: bool, epochs: int = EPOCHS) -> list[Figure]:
    """All three in one run."""
    blocks, talks = (1, 4) if quick else (4, 12)  # each block holds `talks` conversations of ten turns
    needed = (blocks * len(CLIENTS) + 1) * talks
    archive = await asyncio.to_thread(trained, epochs)
    model = await training.train(ROOT / "var", read_dialogue(ROOT), lambda line: print(line, flush=True))
    timeout = aiohttp.ClientTimeout(total=120)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession(timeout=timeout))
        place = await stack.enter_async_context(clinic(needed))
        rasa = await stack.enter_async_context(stock(Cluster(place.home), place.home, archive, http))
        bot = await stack.enter_async_context(plain(place, rasa, http))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        engine = await stack.enter_async_context(alone(folder, model, needed, http))
        return await _compare(place, bot, engine, blocks, talks)


@asynccontextmanager
async def plain(place: Clinic, rasa: Stock, http: aiohttp.ClientSession) -> AsyncIterator[Plain]:
    """The bot's process."""
    account = read_accounts(place.home / "sandbox.toml").wechat[ACCOUNT]
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        **plain_environment(),
        "PLAIN_PORT": str(port),
        "PLAIN_PATH": place.platform.path,
        "PLAIN_RASA_URL": rasa.url,
        "PLAIN_TOKEN": account.token,
        "PLAIN_AES_KEY": account.encoding_aes_key,
        "PLAIN_APP_ID": account.app_id,
    }
    command = [str(APP_PYTHON), "-m", "bench.plain_bot"]
    async with running(command, environment, place.home / "plain-bot.log", http, f"{url}/") as bot:
        yield Plain(http, url, place.platform, rasa, bot, count(FIRST_MSG_ID))


async def _compare(place: Clinic, bot: Plain, engine: Ours, blocks: int, talks: int) -> list[Figure]:
    numbers, bare = count(FIRST_MSG_ID), 0

    async def say(talk: int, text: str, _: str) -> None:
        nonlocal bare
        bare += not await place.one(engine.http, place.doctors[talk], text, next(numbers))

    def turns() -> int:
        return int(place.ask("SELECT count(*) FROM turn WHERE state = 'done'")[0][0])

    sides = {
        "ours": Side(say, turns, len(TURNS)),
        "plain bot": Side(bot.say, bot.rasa.rows, ACTIONS_PER_TALK),
        "our engine alone": Side(engine.say, engine.rows, ACTIONS_PER_TALK),
    }
    timings = {(name, clients): Timing() for name in sides for clients in CLIENTS}
    talk = {name: count() for name in sides}

    async def run(name: str, clients: int, timing: Timing) -> None:
        """One block, and every turn left its row."""
        side = sides[name]
        before = side.rows()
        await block(side.say, clients, [next(talk[name]) for _ in range(talks)], timing)
        written = side.rows() - before
        assert written == talks * side.each, (name, written)

    for name in sides:  # what is slow only once
        await run(name, max(CLIENTS), Timing())
    bare, machine = 0, Machine()
    for _ in range(blocks):
        for clients in CLIENTS:
            for name in sides:
                await run(name, clients, timings[name, clients])
    beside = str(machine)
    figures = []
    for clients in CLIENTS:
        at = f"{clients} client{'s' if clients > 1 else ''}"
        figures += [Figure(f"{name}, {at}", str(timings[name, clients]), machine=beside) for name in sides]
        our_rate = timings["ours", clients].rate
        figures += [
            at_least(f"turns/s, ours to a plain bot, {at}", our_rate / timings["plain bot", clients].rate, 2),
            at_least(
                f"turns/s, ours to our engine, {at}",
                our_rate / timings["our engine alone", clients].rate,
                0.5,
                digits=2,
            ),
        ]
    memory = place.memory()
    parts = ", ".join(f"{part} {size:.0f}" for part, size in memory.items())
    total = blocks * talks * len(TURNS) * len(CLIENTS)
    return [
        *figures,
        Figure("ours: answered without their reply in it", f"{bare} of {total}", "0", bare == 0),
        Figure("ours: memory", f"{sum(memory.values()):.0f} MB ({parts})"),
        Figure("plain bot: memory", f"{bot.megabytes():.0f} MB, its PostgreSQL not counted"),
        Figure("ours: start-up", f"{place.start:.1f} s; first start {place.set_up:.1f} s, model given"),
    ]

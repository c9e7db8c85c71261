"""The same ten doctor turns through one process of our engine and one of stock Rasa 3.6.21, turn about."""

from __future__ import annotations

import asyncio
import re
import tempfile
from itertools import count
from pathlib import Path

import aiohttp
import yaml

from bench.sides import Ours, Side, Stock, our_engine, stock
from bench.stock_model import EPOCHS, trained
from bench.table import Figure, at_least, at_most
from bench.turns import ACTIONS_PER_TALK, Timing, block
from bot.dialogue.version import read_dialogue
from bot.service import training
from bot.service.postgres import Cluster
from bot.settings import ROOT
from bot.store.migrate import migrate

HELD_OUT = ROOT / "tests" / "dialogue" / "held_out.yml"
CLIENTS = (1, 4)
ANNOTATION = re.compile(r"\[([^\]]+)\](?:\([^)]*\)|\{[^}]*\})")


async def main(*, quick: bool, epochs: int = EPOCHS) -> list[Figure]:
    """Both sides in one run: speed, memory, start-up, and what they understand."""
    blocks, talks = (1, 4) if quick else (4, 12)  # each block holds `talks` conversations of ten turns
    model = await training.train(ROOT / "var", read_dialogue(ROOT), lambda line: print(line, flush=True))
    archive = await asyncio.to_thread(trained, epochs)
    needed = (blocks * talks + talks) * len(CLIENTS)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        cluster = Cluster(home)
        await cluster.start()
        try:
            migrate(cluster.url("medrep_owner"))
            timeout = aiohttp.ClientTimeout(total=120)
            async with (
                aiohttp.ClientSession(timeout=timeout) as http,
                our_engine(cluster, home, model, needed, http) as engine,
                stock(cluster, home, archive, http) as stock_engine,
            ):
                return await _compare(engine, stock_engine, blocks, talks)
        finally:
            await cluster.stop()


async def _compare(engine: Ours, stock_engine: Stock, blocks: int, talks: int) -> list[Figure]:
    sides: dict[str, Side] = {"ours": engine, "stock": stock_engine}
    timings = {(name, clients): Timing() for name in sides for clients in CLIENTS}
    numbers = {name: count() for name in sides}

    async def run(name: str, clients: int, held: int, timing: Timing) -> None:
        """One block, and every action wrote its one row."""
        before = sides[name].rows()
        await block(sides[name].say, clients, [next(numbers[name]) for _ in range(held)], timing)
        written = sides[name].rows() - before
        assert written == held * ACTIONS_PER_TALK, (name, written, held)

    for name in sides:  # what is slow only once
        await run(name, max(CLIENTS), talks, Timing())
    for _ in range(blocks):
        for clients in CLIENTS:
            for name in sides:
                await run(name, clients, talks, timings[name, clients])
    figures = []
    for clients in CLIENTS:
        our_timing, stock_timing = timings["ours", clients], timings["stock", clients]
        at = f"{clients} client{'s' if clients > 1 else ''}"
        figures += [
            Figure(f"ours, {at}", str(our_timing)),
            Figure(f"stock, {at}", str(stock_timing)),
            at_least(f"turns/s, ours to stock, {at}", our_timing.rate / stock_timing.rate, 4.5),
            at_most(
                f"p95, ours to stock, {at}", our_timing.quantile(0.95) / stock_timing.quantile(0.95), 0.23
            ),
        ]
    for name, side in sides.items():
        figures += [
            Figure(
                f"{name}: memory",
                f"{side.brain.megabytes():.0f} MB; action host {side.host.megabytes():.0f} MB",
            ),
            Figure(f"{name}: start-up", f"{side.brain.ready:.1f} s; action host {side.host.ready:.1f} s"),
        ]
    return figures + await _accuracy(engine, stock_engine)


async def _accuracy(engine: Ours, stock_engine: Stock) -> list[Figure]:
    """Whose first intent is right on phrasings that neither was trained on."""
    cases = held_out()
    texts = [text for text, _ in cases]
    right = {}
    intents = {"ours": await engine.intents(texts), "stock": await stock_engine.intents(texts)}
    for name, answers in intents.items():
        pairs = zip(answers, cases, strict=True)
        right[name] = sum(intent == expected for intent, (_, expected) in pairs) / len(cases)
    return [
        Figure("intents held out, stock", f"{right['stock']:.1%} of {len(cases)}"),
        Figure(
            "intents held out, ours",
            f"{right['ours']:.1%} of {len(cases)}",
            ">= stock",
            right["ours"] >= right["stock"],
        ),
    ]


def held_out() -> list[tuple[str, str]]:
    """(text, intent) of the split that is kept out of training."""
    found = []
    for group in yaml.safe_load(HELD_OUT.read_text(encoding="utf-8"))["nlu"]:
        for line in group["examples"].splitlines():
            text = ANNOTATION.sub(r"\1", line.strip().removeprefix("-").strip())
            if text:
                found.append((text, group["intent"]))
    return found

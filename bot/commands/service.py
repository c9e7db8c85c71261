"""`serve`, `engine`, `migrate`, `train`: what runs the service."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from enum import StrEnum
from typing import Annotated

import typer

from bot.commands.context import context, progress, reach, run, say
from bot.content import seed_content
from bot.dialogue.publishing import in_force, seed_dialogue
from bot.model import Fault, MedrepError
from bot.runtime import logs
from bot.service.supervisor import Options, Supervisor
from bot.service.training import train
from bot.settings import read_settings
from bot.store.migrate import migrate


class Only(StrEnum):
    APP = "app"
    ENGINE = "engine"


def serve(
    workers: Annotated[int, typer.Option(min=1, max=32, help="App processes, sharing the ports.")] = 1,
    only: Annotated[
        Only | None, typer.Option(help="Only this part; the others run on machines of their own.")
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Load the demo's doctors and print their codes.")
    ] = False,
    history: Annotated[
        bool, typer.Option("--history", help="With --demo: doctors with a month of history, made once.")
    ] = False,
) -> None:
    """Run the service: database, engine and app, until Ctrl-C or SIGTERM."""
    _supervise(Options(workers=workers, only=only.value if only else "", demo=demo, history=demo and history))


def engine() -> None:
    """Run the engine alone, with the dialogue that is published in this home's database."""
    _supervise(Options(only="engine"))


def _supervise(options: Options) -> None:
    settings = read_settings()
    for folder in (settings.home, settings.log_dir):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (settings.log_dir / "supervisor.log").open("a", encoding="utf-8") as file:
        logs.configure(file)
        terminal = logs.Lasting(sys.stdout)  # which may be a file on a full disk
        run(Supervisor(settings, options, lambda text: terminal.write(f"medrep: {text}\n")).run())


def migrate_database() -> None:
    """Bring the database up to date, or print the SQL an administrator must run first.

    With a login that does not own the database: look whether that was done.
    """
    run(_migrate())
    say("the database is up to date")


async def _migrate() -> None:
    async with AsyncExitStack() as stack:
        _, owner, embedded = await reach(stack, read_settings())
        if not embedded:
            await asyncio.to_thread(migrate, owner)


def train_model() -> None:
    """Train the model of the published dialogue, if it is not there yet."""
    run(_train())


async def _train() -> None:
    async with context() as home:
        say(str(await seed_content(home.db, home.clock.now())))
        say(str(await seed_dialogue(home.db, home.settings.home, home.clock.now())))
        async with home.db.begin() as tx:
            dialogue = await in_force(tx)
        if dialogue is None:
            raise MedrepError(Fault.NOT_FOUND, "no dialogue is published")
        model = await train(home.settings.home, dialogue, progress)
        say(f"model {model.name}")

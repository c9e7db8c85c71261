"""`tasks [acknowledge|close]`: what waits for a person, and who does it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from bot import tasks
from bot.commands.context import As, Context, context, progress, run, say_json
from bot.staff import colleague
from bot.store import medical_requests
from bot.store import tasks as rows
from bot.store.database import Tx

app = typer.Typer(add_completion=False, rich_markup_mode=None)
TaskId = Annotated[int, typer.Argument(metavar="ID", help="As `medrep tasks` prints it.")]
HIDDEN = ("contact_id", "person_id", "key_id")


@app.callback(invoke_without_command=True)
def list_tasks(
    called: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    login: Annotated[
        str, typer.Option("--as", metavar="LOGIN", help="Only what this colleague may read.")
    ] = "",
) -> None:
    """Print what waits for a person, one JSON object a line, or say that a colleague does it."""
    if called.invoked_subcommand is None:
        run(_list(waiting=not every, login=login))


async def _list(*, waiting: bool, login: str) -> None:
    async with context() as home:
        async with home.db.begin() as tx:
            found = await rows.read(tx, home.vault, waiting=waiting)
            if login:
                reader = await colleague(tx, login)
                found = [row for row in found if tasks.visible(row, reader)]
            standing = await medical_requests.states(tx, [row.id for row in found])
        for row in found:
            line = {name: _shown(value) for name, value in asdict(row).items() if name not in HIDDEN}
            if row.id in standing:
                line["request"] = dict(zip(("state", "wish", "off_label"), standing[row.id], strict=True))
            say_json(line)


def _shown(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


@app.command("acknowledge")
def acknowledge_task(task_id: TaskId, login: As) -> None:
    """The colleague knows of the task and does it."""
    run(_handle(lambda home, tx: tasks.acknowledge(tx, home.vault, task_id, login, home.clock.now())))
    progress(f"task {task_id} is {login}'s")


@app.command("close")
def close_task(
    task_id: TaskId,
    login: As,
    remark: Annotated[str, typer.Option("--note", help="What was done; kept with the task, encrypted.")] = "",
) -> None:
    """The task is done. Who somebody is, is decided by confirm-doctor and decline-doctor instead."""
    run(
        _handle(
            lambda home, tx: tasks.close(
                tx, home.vault, task_id, login, home.clock.now(), remark=remark.strip()
            )
        )
    )
    progress(f"task {task_id} is done")


async def _handle(act: Callable[[Context, Tx], Awaitable[None]]) -> None:
    async with context() as home, home.db.begin() as tx:
        await act(home, tx)

"""`sending list|cancel|resume`: what waits to leave, and sending after a restore."""

from __future__ import annotations

import getpass
from dataclasses import asdict
from typing import Annotated

import typer

from bot.commands.context import context, run, say, say_json
from bot.evidence import note
from bot.store import restored

app = typer.Typer(
    help="What waits to leave; sending is paused after a restore.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@app.command("list")
def list_queued() -> None:
    """Print what has not left, one JSON object a line."""
    run(_list())


async def _list() -> None:
    async with context() as home:
        async with home.db.begin() as tx:
            rows = await restored.queued(tx)
        for row in rows:
            say_json(asdict(row))


@app.command("cancel")
def cancel_queued(ids: Annotated[list[int], typer.Argument(help="Ids of `sending list`.")]) -> None:
    """Cancel messages that had left after the backup was made."""
    say(f"cancelled {run(_cancel(ids))}")


async def _cancel(ids: list[int]) -> int:
    async with context() as home, home.db.begin() as tx:
        count = await restored.cancel(tx, ids)
        await note(tx, "sending.cancelled", home.clock.now(), "sending", None, ids=ids, by=getpass.getuser())
        return count


@app.command("resume")
def resume_sending() -> None:
    """Send again what waits."""
    say(f"resumed {run(_resume())} accounts")


async def _resume() -> int:
    async with context() as home, home.db.begin() as tx:
        count = await restored.resume(tx)
        await note(tx, "sending.resumed", home.clock.now(), "sending", None, by=getpass.getuser())
        return count

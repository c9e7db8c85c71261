"""`crm [list|replay]`: what the CRM was told of approved visits, and telling it again."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from bot import crm
from bot.clock import CHINA
from bot.commands.context import As, context, progress, run, say_json
from bot.store import crm_deliveries

app = typer.Typer(no_args_is_help=True, help="What the CRM was told.", rich_markup_mode=None)
HIDDEN = ("contact_id", "person_id")


@app.command("list")
def list_deliveries(
    every: Annotated[bool, typer.Option("--all", help="Those that were delivered, too.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 200,
) -> None:
    """Print what waits or has failed, the newest first, one JSON object a line; nothing of what it says."""
    run(_list(limit, every=every))


async def _list(limit: int, *, every: bool) -> None:
    states = () if every else (crm_deliveries.WAITING, crm_deliveries.FAILED)
    async with context() as home, home.db.begin() as tx:
        for row in await crm_deliveries.newest(tx, limit, states):
            say_json({name: _shown(value) for name, value in asdict(row).items() if name not in HIDDEN})


def _shown(value: object) -> object:
    return value.astimezone(CHINA).isoformat(timespec="seconds") if isinstance(value, datetime) else value


@app.command("replay")
def replay_delivery(
    delivery_id: Annotated[int, typer.Argument(metavar="ID", help="As `medrep crm list` prints it.")],
    login: As,
) -> None:
    """Tell it again, under the id that it had, as soon as the service runs."""
    run(_replay(delivery_id, login))
    progress(f"delivery {delivery_id} waits to be told again")


async def _replay(delivery_id: int, login: str) -> None:
    async with context() as home, home.db.begin() as tx:
        await crm.replay(tx, delivery_id, login, home.clock.now())

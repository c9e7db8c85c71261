"""`materials`: what may be sent to read, and what became of it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from bot import materials
from bot.commands.context import contact_of, context, run, say_json
from bot.content import edition_in_force, in_date, validity
from bot.store import materials as rows


def list_materials(
    contact: Annotated[
        str, typer.Option("--contact", help="What was sent to CHANNEL:ACCOUNT:ADDRESS instead.")
    ] = "",
) -> None:
    """Print the materials in force with how often they were sent and opened, one JSON object a line."""
    run(_sent(contact) if contact else _in_force())


async def _in_force() -> None:
    async with context() as home, home.db.begin() as tx:
        edition = await edition_in_force(tx)
        if edition is None:
            return
        totals, content, now = await rows.totals(tx), edition.content, home.clock.now()
        for one in content.materials:
            say_json(
                {
                    "id": one.id,
                    "number": edition.numbers[one.id],
                    "kind": one.kind.value,
                    "product": one.product,
                    "audience": one.audience.value,
                    "title": one.title,
                    "version": content.document[one.document].version,
                    "valid_until": validity(one, content),
                    "readable": in_date(one, content, now),
                    **totals.get(one.id, dict.fromkeys(rows.TOTALS, 0)),
                }
            )


async def _sent(contact: str) -> None:
    async with context() as home:
        found = await contact_of(home, contact)
        async with home.db.begin() as tx:
            for one in await materials.opens_of(tx, found):
                shown = asdict(one)
                for name, value in shown.items():
                    if isinstance(value, datetime):
                        shown[name] = value.isoformat()
                say_json(shown)

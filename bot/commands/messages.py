"""`messages`, `timers`: what was sent to a contact, and what is due, without any words."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from bot.commands.context import contact_of, context, run, say_json
from bot.store import contact_view
from bot.store.contact_view import ContactLine

ContactOption = Annotated[str, typer.Option("--contact", help="Whose, as CHANNEL:ACCOUNT:ADDRESS.")]


def list_messages(contact: ContactOption) -> None:
    """Print a contact's outbound messages, one JSON object a line."""
    run(_messages(contact))


async def _messages(contact: str) -> None:
    async with context() as home:
        found = await contact_of(home, contact)
        async with home.db.begin() as tx:
            _print(await contact_view.messages(tx, found.id))


def list_timers(contact: ContactOption) -> None:
    """Print what was due for a contact and what is due next, one JSON object a line."""
    run(_timers(contact))


async def _timers(contact: str) -> None:
    async with context() as home:
        found = await contact_of(home, contact)
        async with home.db.begin() as tx:
            _print(await contact_view.timers(tx, found.id))


def _print(lines: list[ContactLine]) -> None:
    for line in lines:
        shown = asdict(line)
        for name in ("not_before", "due", "sent_at"):
            shown[name] = shown[name] and shown[name].isoformat()
        say_json(shown)

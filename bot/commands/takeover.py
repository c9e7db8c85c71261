"""`takeover`, `say`: a colleague speaks with a contact, and the bot is silent."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

import typer

from bot.clock import CHINA
from bot.commands.context import As, contact_of, context, progress, run, say, say_json
from bot.evidence import note
from bot.people import takeover, transfer
from bot.store import takeovers

BEFORE = timedelta(days=1)  # how much of the conversation before the takeover is shown

ContactArgument = Annotated[str, typer.Argument(metavar="CONTACT", help="As CHANNEL:ACCOUNT:ADDRESS.")]


def take_over(
    contact: ContactArgument,
    login: As,
    end: Annotated[bool, typer.Option("--end", help="The bot speaks again.")] = False,
    to: Annotated[
        str, typer.Option("--to", metavar="LOGIN", help="It is this colleague's from now on.")
    ] = "",
) -> None:
    """Take a conversation over, or look into it again; print what was written, one JSON object a line.

    The bot is silent for the contact until `--end`, or until the colleague has written nothing for
    MEDREP_TAKEOVER_MINUTES. Red flags, adverse events and a stop are answered as always.
    """
    if to:
        run(_transfer(contact, login, to))
        progress(f"{to} has this conversation")
        return
    if end:
        was = run(_end(contact, login))
        progress("the bot speaks again" if was else "nobody had taken this conversation over")
        return
    for line in run(_take_over(contact, login)):
        say_json(line)


async def _take_over(text: str, login: str) -> list[dict[str, Any]]:
    async with context() as home:
        found, now, limits = await contact_of(home, text), home.clock.now(), home.settings.limits
        async with home.db.begin() as tx:
            held = await takeover.start(tx, found, login, now, limits)
            messages = await takeovers.conversation(tx, home.vault, found.id, held.started_at - BEFORE)
            await note(tx, "conversation.read", now, f"takeover:{held.id}", found, login=login)
    until = (now + timedelta(minutes=limits.takeover_minutes)).astimezone(CHINA)
    first = {"takeover": held.id, "contact": text, "until": until.isoformat(timespec="seconds")}
    lines = [
        {"at": one.at.astimezone(CHINA).isoformat(), "from": one.author, "text": one.text} for one in messages
    ]
    return [first, *lines]


async def _transfer(text: str, login: str, to: str) -> None:
    async with context() as home:
        found, now, limits = await contact_of(home, text), home.clock.now(), home.settings.limits
        async with home.db.begin() as tx:
            await transfer.transfer(tx, home.vault, found, login, to, now, limits)


async def _end(text: str, login: str) -> bool:
    async with context() as home:
        found = await contact_of(home, text)
        async with home.db.begin() as tx:
            return await takeover.end(tx, found, login, home.clock.now())


def say_as(contact: ContactArgument, text: Annotated[str, typer.Argument()], login: As) -> None:
    """Send what the colleague who has taken the conversation over writes, to the letter.

    Refused, with the reason: what compliance finds; a product, to a doctor who is not verified; a contact
    whom the platform lets nobody write to, or who said stop and has not written since.
    """
    say(f"message {run(_say(contact, text, login))} is on its way")


async def _say(contact: str, text: str, login: str) -> int:
    async with context() as home:
        found, now, limits = await contact_of(home, contact), home.clock.now(), home.settings.limits
        async with home.db.begin() as tx:
            return await takeover.say(tx, home.vault, found, login, text, now, limits)

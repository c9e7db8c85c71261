"""`menu publish ACCOUNT`: an account's own menu at its platform."""

from __future__ import annotations

import getpass
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.commands.context import context, run, say
from bot.model import Account, Channel
from bot.platforms import menus_for, official_accounts, publish_menu

app = typer.Typer(
    help="An account's own menu at its platform.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@app.callback()
def menu() -> None:
    """An account's own menu at its platform."""


@app.command()
def publish(
    account: Annotated[
        list[str], typer.Argument(metavar="ACCOUNT", help="A WeChat account of medrep.toml; or several.")
    ],
    file: Annotated[
        Path | None, typer.Option("--file", help="Instead of data/menu/AUDIENCE.yaml.", dir_okay=False)
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Only print what the platform has.")] = False,
) -> None:
    """Set the menu of an account, and print it as the platform then has it."""
    run(_publish([one.removeprefix("wechat:") for one in account], file, show=show))


async def _publish(names: list[str], file: Path | None, *, show: bool) -> None:
    async with context() as home, official_accounts(home.settings, home.db, home.vault.keyring) as platforms:
        accounts = [Account(Channel.WECHAT, name) for name in names]
        # All are known and their menus whole before the first is set.
        audiences = [home.settings.accounts.audience(Channel.WECHAT, name) for name in names]
        wanted = [] if show else await menus_for(home.db, audiences, file)
        for account, menu in zip_longest(accounts, wanted):
            if menu is not None:
                await publish_menu(home.db, platforms[account], menu, home.clock.now(), getpass.getuser())
            found = await platforms[account].menu()
            if found is None:
                say(f"{account}: the platform has no menu")
                continue
            say(f"{account}:")
            for line in _lines(found):
                say(f"  {line}")


def _lines(buttons: list[dict[str, Any]]) -> list[str]:
    lines = []
    for one in buttons:
        # What the platform gives back may wrap the entries below in a list of its own.
        below = one.get("sub_button") or []
        below = below.get("list", []) if isinstance(below, dict) else below
        lines.append(_line(one) if not below else str(one.get("name")))
        lines += [f"  {_line(each)}" for each in below]
    return lines


def _line(one: dict[str, Any]) -> str:
    return f"{one.get('name')}  {one.get('key') or one.get('url') or one.get('type')}"

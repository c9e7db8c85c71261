"""`staff add|reset|disable|list`: the accounts of colleagues."""

from __future__ import annotations

import getpass
from typing import Annotated, Any

import typer

from bot import staff
from bot.commands.context import context, progress, run, say, say_json
from bot.store import staff as rows

app = typer.Typer(
    help="Colleagues and their roles.", no_args_is_help=True, add_completion=False, rich_markup_mode=None
)
Login = Annotated[str, typer.Argument()]


@app.command("add")
def add_colleague(
    login: Login,
    role: Annotated[list[staff.Role], typer.Option("--role", help="May be given several times.")],
    name: Annotated[str, typer.Option(help="As lists of doctors name them; by default the login.")] = "",
    team: Annotated[str, typer.Option()] = "",
) -> None:
    """Add a colleague and print a one-time password."""
    say(run(_add(login, role, name.strip(), team.strip())))


async def _add(login: str, roles: list[staff.Role], name: str, team: str) -> str:
    async with context() as home, home.db.begin() as tx:
        by = getpass.getuser()
        return await staff.add(tx, login, roles, home.clock.now(), name=name, team=team, by=by)


@app.command("reset")
def reset_password(login: Login) -> None:
    """Print a new one-time password; the old one is void."""
    say(run(_reset(login)))


async def _reset(login: str) -> str:
    async with context() as home, home.db.begin() as tx:
        return await staff.reset(tx, login, home.clock.now(), by=getpass.getuser())


@app.command("disable")
def disable_login(login: Login) -> None:
    """End a login; what the colleague did stays theirs."""
    run(_disable(login))
    progress(f"{login} is disabled")


async def _disable(login: str) -> None:
    async with context() as home, home.db.begin() as tx:
        await staff.disable(tx, login, home.clock.now(), by=getpass.getuser())


@app.command("list")
def list_colleagues() -> None:
    """Print the colleagues, one JSON object a line."""
    for shown in run(_list()):
        say_json(shown)


async def _list() -> list[dict[str, Any]]:
    async with context() as home, home.db.begin() as tx:
        return [
            {
                "login": row.login,
                "name": row.name,
                "roles": list(row.roles),
                "team": row.team,
                "one_time": row.one_time,
                "disabled_at": row.disabled_at and row.disabled_at.isoformat(),
            }
            for row in await rows.read(tx)
        ]

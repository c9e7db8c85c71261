"""`staff add|reset|disable|list`: the accounts of colleagues."""

from __future__ import annotations

import getpass
from datetime import date, datetime
from typing import Annotated, Any

import typer

from bot import staff
from bot.commands.context import context, progress, run, say, say_json
from bot.model import Fault, MedrepError
from bot.store import staff as rows
from bot.store.database import Tx

app = typer.Typer(
    help="Colleagues and their roles.", no_args_is_help=True, add_completion=False, rich_markup_mode=None
)
Login = Annotated[str, typer.Argument()]


@app.command("add")
def add_colleague(
    login: Login,
    role: Annotated[list[staff.Role], typer.Option("--role", help="May be given several times.")],
    name: Annotated[str, typer.Option(help="As lists of doctors name them; by default the login.")] = "",
    team: Annotated[str, typer.Option(help="A manager sees the doctors of their team's reps.")] = "",
    registration: Annotated[str, typer.Option(help="A medical representative's number (备案号).")] = "",
    company: Annotated[str, typer.Option(help="That registered them.")] = "",
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The registration's last day.")
    ] = None,
) -> None:
    """Add a colleague and print a one-time password."""
    registered = (registration.strip(), company.strip(), until and until.date())
    say(run(_add(login, role, name.strip(), team.strip(), registered)))


async def _add(
    login: str, roles: list[staff.Role], name: str, team: str, registered: tuple[str, str, date | None]
) -> str:
    async with context() as home, home.db.begin() as tx:
        by, now = getpass.getuser(), home.clock.now()
        password = await staff.add(tx, login, roles, now, name=name, team=team, by=by)
        await _register(tx, login, registered, now, by)
        return password


async def _register(
    tx: Tx, login: str, registered: tuple[str, str, date | None], now: datetime, by: str
) -> None:
    number, company, until = registered
    if number:
        await staff.register(tx, login, number, now, company=company, until=until, by=by)
    elif company or until:
        raise MedrepError(Fault.BAD_INPUT, "--company and --until belong to a --registration")


@app.command("register")
def register_rep(
    login: Login,
    registration: Annotated[str, typer.Argument(help="The number (备案号).")],
    company: Annotated[str, typer.Option(help="That registered them.")] = "",
    until: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Its last day.")] = None,
) -> None:
    """Note a medical representative's registration, or its renewal."""
    run(_renew(login, (registration, company, until and until.date())))
    progress(f"{login} is registered")


async def _renew(login: str, registered: tuple[str, str, date | None]) -> None:
    async with context() as home, home.db.begin() as tx:
        await _register(tx, login, registered, home.clock.now(), getpass.getuser())


@app.command("reset")
def reset_password(
    login: Login,
    factor: Annotated[bool, typer.Option("--factor", help="The second factor, too (a lost phone).")] = False,
) -> None:
    """Print a new one-time password; the old one is void, and every session ends."""
    say(run(_reset(login, factor)))


async def _reset(login: str, factor: bool) -> str:
    async with context() as home, home.db.begin() as tx:
        return await staff.reset(tx, login, home.clock.now(), by=getpass.getuser(), factor=factor)


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

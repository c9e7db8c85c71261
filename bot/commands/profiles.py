"""`profile`, `suggestions`, `changes`, `affiliation`: what is known of a doctor, what to do for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer

from bot import profiles
from bot.clock import CHINA
from bot.commands.context import As, Context, context, progress, run, say_json
from bot.commands.services import services_of
from bot.evidence import Owner, note
from bot.staff import Role, colleague
from bot.store import doctors
from bot.store.database import Tx

External = Annotated[str, typer.Argument(metavar="EXTERNAL_ID", help="Of the list of doctors.")]
Number = Annotated[int, typer.Argument(metavar="ID", help="As `medrep suggestions` prints it.")]
TaskNumber = Annotated[int, typer.Argument(metavar="TASK_ID", help="As `medrep changes` prints it.")]
Remark = Annotated[str, typer.Option("--note", help="In words; kept encrypted.")]

suggestions_app = typer.Typer(add_completion=False, rich_markup_mode=None)
changes_app = typer.Typer(add_completion=False, rich_markup_mode=None)


def show(external_id: External) -> None:
    """Print what is known of a doctor, as one JSON object: tags with source, date, confidence and evidence,
    affiliations, the score with its parts, suggestions."""
    say_json(run(_show(external_id)))


async def _show(external_id: str) -> dict[str, Any]:
    async with context() as home, home.db.begin() as tx:
        person_id = await doctors.person_of(tx, external_id)
        now = home.clock.now()
        await note(tx, "profile.read", now, f"person:{person_id}", Owner(person_id), by="command")
        return await profiles.profile_of(tx, home.vault, external_id, person_id, now)


@suggestions_app.callback(invoke_without_command=True)
def list_suggestions(
    called: typer.Context,
    rep: Annotated[str, typer.Option("--rep", metavar="LOGIN", help="Only this rep's doctors.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Decided and expired ones too.")] = False,
) -> None:
    """Print what to do next for whom, and why, one JSON object a line; or decide one."""
    if called.invoked_subcommand is None:
        run(_list(rep, every=every))


async def _list(rep: str, *, every: bool) -> None:
    async with context() as home, home.db.begin() as tx:
        await profiles.make_suggestions(tx, home.clock.now())
        name = (await colleague(tx, rep)).name if rep else None
        for one in await profiles.read_suggestions(tx, home.vault, rep=name, every=every):
            say_json({key: _shown(value) for key, value in asdict(one).items() if key != "person_id"})


@suggestions_app.command("dismiss")
def dismiss_suggestion(
    number: Number,
    login: As,
    reason: Annotated[str, typer.Option("--reason", help="not_now, wrong, done_already, not_wanted, other")],
    remark: Remark = "",
) -> None:
    """It is not done, and why."""
    run(
        _do(
            lambda home, tx: profiles.dismiss(
                tx, home.vault, number, reason, login, home.clock.now(), remark=remark.strip()
            )
        )
    )
    progress(f"suggestion {number} is dismissed")


@suggestions_app.command("done")
def settle_suggestion(
    number: Number,
    login: As,
    outcome: Annotated[str, typer.Option("--outcome", help="met, called, sent, booked, no_answer, other")],
    remark: Remark = "",
) -> None:
    """It was done, and what came of it."""
    run(
        _do(
            lambda home, tx: profiles.settle(
                tx, home.vault, number, outcome, login, home.clock.now(), remark=remark.strip()
            )
        )
    )
    progress(f"suggestion {number} is done")


@changes_app.callback(invoke_without_command=True)
def list_changes(
    called: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Decided ones too.")] = False,
) -> None:
    """Print what doctors want corrected, one JSON object a line; or decide one."""
    if called.invoked_subcommand is None:
        run(_changes(waiting=not every))


async def _changes(*, waiting: bool) -> None:
    async with context() as home, home.db.begin() as tx:
        for one in await profiles.read_changes(tx, home.vault, home.clock.now(), waiting=waiting):
            say_json({key: _shown(value) for key, value in asdict(one).items()})


@changes_app.command("accept")
def accept_change(task_id: TaskNumber, login: As) -> None:
    """The entry becomes what the doctor said; they are told."""
    run(_decide(task_id, login, accept=True))
    progress(f"change {task_id} is accepted")


@changes_app.command("decline")
def decline_change(task_id: TaskNumber, login: As) -> None:
    """The entry stays; they are told."""
    run(_decide(task_id, login, accept=False))
    progress(f"change {task_id} is declined")


async def _decide(task_id: int, login: str, *, accept: bool) -> None:
    async with context() as home:
        services = await services_of(home)
        async with home.db.begin() as tx:
            await profiles.decide_change(tx, services, task_id, login, home.clock.now(), accept=accept)


def write_affiliation(
    external_id: External,
    hospital: Annotated[str, typer.Option("--hospital", help="Where they work, too.")],
    login: As,
    department: Annotated[str, typer.Option("--department")] = "",
    main: Annotated[bool, typer.Option("--primary", help="Their main place, instead of the list's.")] = False,
    end: Annotated[bool, typer.Option("--end", help="They do not work there any more.")] = False,
) -> None:
    """Write down one more place where a doctor works, or that they do so no more."""

    async def write(home: Context, tx: Tx) -> None:
        await colleague(tx, login, {Role.REP, Role.MANAGER, Role.ADMIN})
        person_id, now = await doctors.person_of(tx, external_id), home.clock.now()
        if end:
            await profiles.end_affiliation(tx, person_id, hospital, login, now)
        else:
            await profiles.add_affiliation(
                tx, person_id, hospital, login, now, department=department, main=main
            )

    run(_do(write))
    progress(f"{hospital}: {'ended' if end else 'written'}")


async def _do(act: Callable[[Context, Tx], Awaitable[None]]) -> None:
    async with context() as home, home.db.begin() as tx:
        await act(home, tx)


def _shown(value: object) -> object:
    return value.astimezone(CHINA).isoformat(timespec="seconds") if isinstance(value, datetime) else value

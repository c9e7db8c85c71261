"""`visit`, `visits`, `summaries`: automated visits, and what is told of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bot.clock import CHINA
from bot.commands.context import As, Context, context, run, say, say_json
from bot.content import edition_in_force
from bot.knowledge import Content
from bot.model import Audience, Fault, MedrepError
from bot.staff import Role, colleague
from bot.store import contacting, contacts, doctors
from bot.store import visit_plans as store
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.visits import (
    begin_now,
    import_plans,
    plan_for,
    read_plans,
    set_automatic,
    stop_plan,
    summaries_of,
    write_summaries,
)

_DECIDES = frozenset({Role.MANAGER, Role.ADMIN})  # who answers for what begins by itself

app = typer.Typer(no_args_is_help=True, help="Plans of automated visits.", rich_markup_mode=None)


def begin(
    external_id: Annotated[str, typer.Argument(metavar="EXTERNAL_ID")],
    plan: Annotated[str, typer.Option(help="A visit plan; else the first that fits the doctor.")] = "",
) -> None:
    """Start a visit at once and print its id.

    It skips pacing, quiet hours, caps and the rule about a conversation under way; never a stop, a takeover
    or the platform's window: it waits for that up to two days.
    """
    say(str(run(_begin(external_id, plan))))


async def _begin(external_id: str, name: str) -> int:
    async with context() as home, home.db.begin() as tx:
        contact = await where_to_write(tx, home, external_id)
        content = await _content(tx)
        now = home.clock.now()
        plan = await plan_for(tx, contact, content, now, name=name)
        if plan is None:
            which = f"plan {name} is not known, stopped, or not of today" if name else "no plan fits"
            raise MedrepError(Fault.NOT_FOUND, which)
        return await begin_now(tx, contact, plan, now)


async def where_to_write(tx: Tx, home: Context, external_id: str) -> Contact:
    """Where the platform lets us write to the doctor, else where they came last; locked.

    Raises MedrepError(NOT_FOUND | CONFLICT: not verified).
    """
    person_id = await doctors.person_of(tx, external_id)
    if not await doctors.verified(tx, [person_id]):
        raise MedrepError(Fault.CONFLICT, "this doctor is not verified")
    theirs = [one for one in await contacts.of_person(tx, person_id) if one.audience == Audience.DOCTOR]
    if not theirs:
        raise MedrepError(Fault.NOT_FOUND, "this doctor has no contact yet")
    await contacting.lock_contacts(tx, [one.id for one in theirs])
    windows = await contacting.open_windows(tx, [one.id for one in theirs], home.clock.now())
    return max(theirs, key=lambda one: (one.id in windows, one.unreachable_at is None, one.id))


async def _content(tx: Tx) -> Content:
    edition = await edition_in_force(tx)
    if edition is None:
        raise MedrepError(Fault.NOT_FOUND, "no content is published")
    return edition.content


@app.command("import")
def import_file(file: Path, login: As) -> None:
    """Load plans from a file like data/visits/plans.yaml and print what has changed. What it lacks stays, and
    so does what `automatic` and `stop` said of a plan."""
    try:
        written = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise MedrepError(Fault.BAD_INPUT, f"{file.name} cannot be read as UTF-8 text") from None
    for name in run(_import(written, login)):
        say(name)


async def _import(written: str, login: str) -> list[str]:
    async with context() as home, home.db.begin() as tx:
        plans = read_plans(written, await _content(tx))
        # A file must not let begin by itself what its writer may not.
        await colleague(tx, login, _DECIDES if any(one.automatic for one in plans) else frozenset(Role))
        return await import_plans(tx, plans, login, home.clock.now())


@app.command("stop")
def stop(
    plan: str, login: As, off: Annotated[bool, typer.Option("--off", help="They are begun again.")] = False
) -> None:
    """Begin no more visits of this plan; those under way go on to their end."""
    run(_stop(plan, login, not off))


async def _stop(plan: str, login: str, wanted: bool) -> None:
    async with context() as home, home.db.begin() as tx:
        await colleague(tx, login)
        await stop_plan(tx, plan, login, home.clock.now(), stopped=wanted)


@app.command("automatic")
def automatic(
    plan: str,
    login: As,
    off: Annotated[bool, typer.Option("--off", help="They do not, from now on.")] = False,
) -> None:
    """Let the visits of a plan begin by themselves, when a doctor can be reached and pacing lets them."""
    run(_automatic(plan, login, not off))


async def _automatic(plan: str, login: str, wanted: bool) -> None:
    async with context() as home, home.db.begin() as tx:
        await colleague(tx, login, _DECIDES)
        await set_automatic(tx, plan, login, home.clock.now(), automatic=wanted)


@app.command("list")
def list_plans() -> None:
    """Print the plans, one JSON object a line."""
    for line in run(_plans()):
        say_json(line)


async def _plans() -> list[dict[str, Any]]:
    async with context() as home, home.db.begin() as tx:
        return [
            {
                "id": plan.id,
                "product": plan.product,
                "objective": plan.objective,
                "key_messages": list(plan.key_messages),
                "specialties": list(plan.specialties),
                "interests": list(plan.interests),
                "valid_from": plan.valid_from.isoformat(),
                "valid_until": plan.valid_until.isoformat(),
                "reentry_days": plan.reentry_days,
                "automatic": plan.automatic,
                "stopped_at": plan.stopped_at.astimezone(CHINA).isoformat() if plan.stopped_at else None,
            }
            for plan in await store.plans(tx)
        ]


def print_summaries(
    doctor: Annotated[str | None, typer.Option(metavar="EXTERNAL_ID", help="Of this doctor alone.")] = None,
) -> None:
    """Print the summaries of automated visits, one JSON object a line."""
    for line in run(_summaries(doctor)):
        say_json(line)


async def _summaries(doctor: str | None) -> list[dict[str, Any]]:
    async with context() as home:
        await write_summaries(home.db, home.vault, home.clock)
        async with home.db.begin() as tx:
            return await summaries_of(tx, home.vault, doctor)

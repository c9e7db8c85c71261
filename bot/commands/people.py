"""`import-doctors`, `confirm-doctor`, `decline-doctor`, `export-person`, `erase-person`."""

from __future__ import annotations

import getpass
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from bot.commands.context import Context, contact_of, context, progress, run, say, say_json
from bot.commands.services import services_of
from bot.doctors import ImportReport, confirm, decline, import_doctors, write_codes
from bot.evidence import signed_document
from bot.privacy import ErasureReceipt, erase_person, export_person

TaskId = Annotated[int, typer.Argument(help="The task's id, as `medrep tasks` prints it.")]


def import_file(
    file: Annotated[Path, typer.Argument(help="csv or xlsx with a header row.")],
    codes: Annotated[
        Path | None, typer.Option(help="Write invitation codes to this new file, for those who need one.")
    ] = None,
) -> None:
    """Load the list of doctors. Rows that cannot be used are named, the others load (exit code 1)."""
    report = run(_import(file, codes))
    say(f"added {report.added}, changed {report.changed}, unchanged {report.unchanged}")
    if report.ignored_columns:
        progress(f"columns not used: {', '.join(report.ignored_columns)}")
    if report.ignored_sheets:
        progress(f"sheets not read: {', '.join(report.ignored_sheets)}")
    for fault in report.faults:
        progress(f"row {fault.row}: {fault.reason}")
    if report.faults:
        raise typer.Exit(1)


async def _import(file: Path, codes: Path | None) -> ImportReport:
    async with context() as home:
        report = await import_doctors(
            home.db, home.vault, home.clock, home.settings.accounts, file, by=getpass.getuser()
        )
        if codes is not None:
            count = await write_codes(
                home.db, home.vault.keyring, home.clock, report.loaded, codes, by=getpass.getuser()
            )
            progress(f"{count} codes in {codes.name}")
        return report


def confirm_doctor(task_id: TaskId, external_id: Annotated[str, typer.Argument()]) -> None:
    """Say that the newcomer of an identity task is this doctor of the list."""
    run(_decide(task_id, external_id))
    say(f"task {task_id} confirmed")


def decline_doctor(task_id: TaskId) -> None:
    """Say that the newcomer of an identity task is not known."""
    run(_decide(task_id, None))
    say(f"task {task_id} declined")


async def _decide(task_id: int, external_id: str | None) -> None:
    async with context() as home:
        services = await services_of(home)
        now, by = home.clock.now(), getpass.getuser()
        async with home.db.begin() as tx:
            if external_id is None:
                await decline(tx, services, task_id, by, now)
            else:
                await confirm(tx, services, task_id, external_id, by, now)


Who = Annotated[str | None, typer.Argument(metavar="[EXTERNAL_ID]", help="Of the list of doctors.")]
ContactOption = Annotated[str | None, typer.Option("--contact", help="Anybody, as CHANNEL:ACCOUNT:ADDRESS.")]


def export(external_id: Who = None, contact: ContactOption = None) -> None:
    """Print everything that is kept of a person, as one JSON object that we sign."""
    say_json(run(_export(external_id, contact)))


async def _export(external_id: str | None, contact: str | None) -> dict[str, Any]:
    async with context() as home:
        person_id = await _person(home, contact)
        document = await export_person(home.db, home.vault, external_id=external_id, person_id=person_id)
        return signed_document(document, home.settings.key_dir)


def erase(external_id: Who = None, contact: ContactOption = None) -> None:
    """Erase a person: their key is destroyed. Prints a receipt per store, one JSON object a line."""
    for receipt in run(_erase(external_id, contact)):
        say_json(asdict(receipt))


async def _erase(external_id: str | None, contact: str | None) -> tuple[ErasureReceipt, ...]:
    async with context() as home:
        services, by = await services_of(home), getpass.getuser()
        person_id = await _person(home, contact)
        return await erase_person(services, external_id=external_id, person_id=person_id, by=by)


async def _person(home: Context, contact: str | None) -> UUID | None:
    """Who writes from this address. Raises MedrepError(BAD_INPUT | NOT_FOUND)."""
    return None if contact is None else (await contact_of(home, contact)).person_id

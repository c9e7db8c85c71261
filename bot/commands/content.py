"""`content import|list|approve|publish|withdraw|export`: approved material, from files and back."""

from __future__ import annotations

import getpass
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from bot import content, staff
from bot.commands.context import As, context, progress, run, say, say_json
from bot.content import Imported
from bot.knowledge import Encoder, load
from bot.settings import ROOT
from bot.store import content as rows
from bot.store.content import Approval, Revision
from bot.store.database import Tx

app = typer.Typer(
    help="Approved material: drafts, approvals, publication.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

Folder = Annotated[Path, typer.Argument(help="The folder with the *.yaml files.", file_okay=False)]
Ids = Annotated[list[int], typer.Argument(metavar="REVISION", help="As `import` and `list` print it.")]


@app.command("import")
def import_files(folder: Folder = ROOT / content.FOLDER, login: As = "") -> None:
    """Make drafts of what the folder changes; print them, one JSON object a line. Nothing is in force yet."""
    run(_import(folder, login))


async def _import(folder: Path, login: str) -> None:
    files = load(folder)
    async with context() as home, home.db.begin() as tx:
        if login:
            await staff.colleague(tx, login)
        author = login or getpass.getuser()
        imported = await content.import_content(tx, files, author, home.clock.now())
        await _print(tx, imported.drafts)
    _tell(imported)


def _tell(imported: Imported) -> None:
    for one in imported.older:
        progress(f"{one}: was in force before and is no draft; `content publish {one.id}` goes back to it")
    for one in imported.absent:
        progress(f"{one}: not in the folder and still in force; `content withdraw {one.id}` ends that")
    count = len(imported.drafts)
    progress(f"{count} {'draft' if count == 1 else 'drafts'}")


@app.command("list")
def list_revisions(
    item: Annotated[str, typer.Argument(metavar="[ID]", help="All revisions of this item, with texts.")] = "",
) -> None:
    """Print what is in force and what is pending, with the approvals, one JSON object a line."""
    run(_list(item))


async def _list(item: str) -> None:
    async with context() as home, home.db.begin() as tx:
        await _print(tx, await (rows.of_item(tx, item) if item else rows.living(tx)), bodies=bool(item))


@app.command("approve")
def approve_revisions(revisions: Ids, login: As = ...) -> None:  # type: ignore[assignment]
    """Approve as a medical or legal reviewer; two people are needed, and the author is neither of them."""
    run(_approve(revisions, login))


async def _approve(revisions: list[int], login: str) -> None:
    async with context() as home, home.db.begin() as tx:
        approved = await content.approve(tx, revisions, login, home.clock.now())
    for one, missing in approved:
        say(f"revision {one.id} {one}: {f'lacks {missing}' if missing else 'approved'}")


@app.command("publish")
def publish_revisions(
    revisions: Annotated[list[int] | None, typer.Argument(metavar="[REVISION]...")] = None,
) -> None:
    """Put approved revisions in force, all that is pending when none is named: all of them or none."""
    run(_publish(revisions or []))


async def _publish(revisions: list[int]) -> None:
    async with context() as home:
        by, now, folder = getpass.getuser(), home.clock.now(), home.settings.index_dir
        say(str(await content.publish(home.db, revisions, by, now, Encoder(), folder)))


@app.command("withdraw")
def withdraw_revision(
    revision: Annotated[int, typer.Argument(metavar="REVISION")],
    reason: Annotated[str, typer.Option(help="For the record.")],
    login: As,
) -> None:
    """Take a revision out of force at once."""
    run(_withdraw(revision, login, reason))


async def _withdraw(revision: int, login: str, reason: str) -> None:
    async with context() as home:
        now, folder = home.clock.now(), home.settings.index_dir
        say(str(await content.withdraw(home.db, revision, login, reason, now, Encoder(), folder)))


@app.command("export")
def export_files(folder: Folder = ROOT / content.FOLDER) -> None:
    """Write what is in force to the folder, with approvals.csv beside it. What was never imported stays."""
    say(str(run(_export(folder))))


async def _export(folder: Path) -> content.Publication:
    async with context() as home, home.db.begin() as tx:
        return await content.export_content(tx, folder)


async def _print(tx: Tx, revisions: Iterable[Revision], *, bodies: bool = False) -> None:
    shown = list(revisions)
    approvals = await rows.approvals(tx, [one.id for one in shown])
    for one in shown:
        body: dict[str, Any] = {"body": one.body} if bodies else {}
        say_json(
            {
                "revision": one.id,
                "section": one.section,
                "id": one.item_id,
                "number": one.number,
                "state": "withdrawn" if one.withdrawn_at else one.state,
                "author": one.author,
                "created_at": one.created_at.isoformat(),
                "approvals": [_approval(each) for each in approvals[one.id]],
                **body,
            }
        )


def _approval(given: Approval) -> dict[str, str]:
    return {"role": given.role, "login": given.login, "name": given.name, "at": given.at.isoformat()}

"""`dialogue import|export`: the round trip between files and what is published."""

from __future__ import annotations

import getpass
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.commands.context import context, progress, run, say
from bot.dialogue.publishing import ConflictError, ImportedDialogue, export_dialogue, import_dialogue
from bot.settings import ROOT

app = typer.Typer(
    help="Carry the dialogue between files and what is published.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

Folder = Annotated[Path, typer.Argument(help="The folder with domain.yml and data/.", file_okay=False)]
Over = Annotated[
    str,
    typer.Option(metavar="FINGERPRINT", help="What a conflict named and you have seen: it may be replaced."),
]


@app.command("import")
def import_files(folder: Folder = ROOT, over: Over = "") -> None:
    """Publish the folder's files. A conflict is shown and nothing is changed (exit code 1)."""
    _carry(_import(folder, over))


@app.command("export")
def export_files(folder: Folder = ROOT, over: Over = "") -> None:
    """Write what is published to the folder. A conflict is shown and nothing is changed (exit code 1)."""
    _carry(_export(folder, over))


def _carry(work: Coroutine[Any, Any, ImportedDialogue]) -> None:
    try:
        say(str(run(work)))
    except ConflictError as conflict:
        progress(conflict.detail)
        for difference in conflict.differences:
            progress(str(difference))
        progress(f"look at both, then say --over {conflict.replaced} to replace it all the same")
        raise typer.Exit(1) from None


async def _import(folder: Path, over: str) -> ImportedDialogue:
    async with context() as home:
        by = f"import by {getpass.getuser()}"
        return await import_dialogue(home.db, home.settings.home, folder, by, home.clock.now(), over)


async def _export(folder: Path, over: str) -> ImportedDialogue:
    async with context() as home:
        return await export_dialogue(home.db, home.settings.home, folder, over)

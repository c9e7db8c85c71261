"""`tasks`, `evidence verify`, `backup`, `restore`, `rotate-key`: what is kept, and whether it is whole."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from bot import evidence
from bot.clock import Clock, real_now
from bot.commands.context import context, reach, run, say, say_json
from bot.model import Fault, MedrepError
from bot.service import backup as backups
from bot.settings import Settings, read_settings
from bot.store import tasks
from bot.store.database import Database
from bot.store.keys import Keyring
from bot.store.migrate import migrate

MADE = ("database", "keys", "evidence")  # what a restore makes below MEDREP_HOME

evidence_app = typer.Typer(
    help="The record of what happened.", no_args_is_help=True, add_completion=False, rich_markup_mode=None
)


@evidence_app.callback()
def _evidence() -> None:
    """The record of what happened."""  # with a callback a single command keeps its name


def list_tasks(
    every: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
) -> None:
    """Print what waits for a person, one JSON object a line."""
    run(_tasks(None if every else "open"))


async def _tasks(state: str | None) -> None:
    async with context() as home:
        async with home.db.begin() as tx:
            rows = await tasks.read(tx, home.vault, state=state)
        for row in rows:
            said = {
                key: value for key, value in asdict(row).items() if key not in ("contact_id", "person_id")
            }
            for key in ("opened_at", "due_at", "escalated_at"):
                said[key] = said[key] and said[key].isoformat()
            say_json(said)


@evidence_app.command("verify")
def verify_evidence() -> None:
    """Print `OK N rows`, or the first row that does not hold (exit code 1)."""
    verdict = run(_verify())
    say(f"OK {verdict.rows} rows" if verdict.ok else str(verdict.broken))
    if not verdict.ok:
        raise typer.Exit(1)


async def _verify() -> evidence.Verdict:
    async with context() as home:
        # Where no service runs, nobody has sealed what the last command recorded. Sealing links new rows
        # only, so it cannot hide a change; while a service seals, this does nothing.
        await evidence.Sealer(home.db, home.clock, home.settings.home).seal()
        return await evidence.verify(home.db, home.settings.home)


def write_backup(file: Annotated[Path, typer.Argument(help="The file to write; it must not exist.")]) -> None:
    """Write database and keys, as of one moment, to one file. It opens everything: keep it safe."""
    size = run(_backup(file.absolute()))
    say(f"{file.name}: {size} bytes; it holds the keys, keep it where keys may rest")


async def _backup(file: Path) -> int:
    async with context() as home:
        return await asyncio.to_thread(backups.backup, home.settings.home, home.url, file, real_now())


def restore_backup(file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)]) -> None:
    """Bring a backup into an empty MEDREP_HOME (and an empty database), and verify the evidence."""
    verdict = run(_restore(file))
    say(f"restored; evidence {f'OK {verdict.rows} rows' if verdict.ok else verdict.broken}")
    if not verdict.ok:
        raise typer.Exit(1)


async def _restore(file: Path) -> evidence.Verdict:
    settings = read_settings()
    _refuse_used(settings)
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=settings.home) as folder:
        await asyncio.to_thread(backups.unpack, file, Path(folder))
        try:
            return await _restore_from(Path(folder), settings)
        except BaseException:
            for name in MADE:  # a half-restored home would only mislead; none of this was there before
                shutil.rmtree(settings.home / name, ignore_errors=True)
            raise


async def _restore_from(folder: Path, settings: Settings) -> evidence.Verdict:
    backups.place(folder, settings.home)
    async with AsyncExitStack() as stack:
        work, owner, _ = await reach(stack, settings, empty=True)
        await asyncio.to_thread(backups.load, folder, owner)
        await asyncio.to_thread(migrate, owner)  # the backup may be from an older version
        db = Database(work, size=2)
        stack.push_async_callback(db.close)
        await evidence.Sealer(db, Clock(), settings.home).seal()
        return await evidence.verify(db, settings.home)


def _refuse_used(settings: Settings) -> None:
    used = [name for name in MADE if (settings.home / name).exists()]
    if used:
        raise MedrepError(
            Fault.CONFLICT,
            f"{settings.home} is in use ({', '.join(used)}); restore into an empty MEDREP_HOME",
        )


def rotate_key() -> None:
    """Make a new master key and bring every person's key under it.

    Old ones are kept: stored platform tokens and older backups still need them.
    """
    name, moved = run(_rotate())
    say(f"{name} is the master key now, {moved} keys brought under it")


async def _rotate() -> tuple[str, int]:
    async with context() as home:
        name = Keyring(home.settings.key_dir).rotate()
        vault, moved = type(home.vault)(Keyring(home.settings.key_dir)), 0
        async with home.db.begin() as tx:
            await vault.tell_rotated(tx)
        while True:
            async with home.db.begin() as tx:
                count = await vault.rewrap(tx)
            moved += count
            if count == 0:
                return name, moved

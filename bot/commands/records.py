"""`evidence …`, `backup`, `restore`, `rotate-key`: what is kept, and whether it is whole."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, TextIO

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bot import evidence
from bot.clock import real_now
from bot.commands.context import Context, context, reach, run, say
from bot.model import Fault, MedrepError
from bot.runtime.key_report import report_keys
from bot.service import backup as backups
from bot.settings import Settings, read_settings
from bot.store import key_holders, restored
from bot.store.database import Database
from bot.store.key_checks import admit
from bot.store.migrate import migrate

MADE = ("database", "keys", "evidence")  # what a restore makes below MEDREP_HOME

evidence_app = typer.Typer(
    help="The record of what happened.", no_args_is_help=True, add_completion=False, rich_markup_mode=None
)


PublicKey = Annotated[
    Path | None, typer.Option("--public-key", exists=True, dir_okay=False, help="As `public-key` prints it.")
]
Others = Annotated[
    list[Path] | None,
    typer.Option("--heads", exists=True, dir_okay=False, help="A log or another file with heads in it."),
]


@evidence_app.command("verify")
def verify_evidence(
    file: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="What `export` or export-person wrote.")
    ] = None,
    public_key: PublicKey = None,
    heads: Others = None,
) -> None:
    """Print `OK N rows`, or what does not hold, a line each (exit code 1).

    With FILE neither database nor keys are needed but the public one (without --public-key, this home's).
    With --public-key alone the database is read and the key folder is not: all is checked but where rows come
    from that no signed head covers yet.
    """
    verdict = run(_verify(file, public_key, heads or []))
    if verdict is None:
        say("OK signed document")
        return
    say(f"OK {verdict.rows} rows" if verdict.ok else "\n".join(verdict.findings))
    if verdict.count > len(verdict.findings):
        say(f"and {verdict.count - len(verdict.findings)} more")
    if not verdict.ok:
        raise typer.Exit(1)


async def _verify(file: Path | None, public_key: Path | None, heads: list[Path]) -> evidence.Verdict | None:
    if file is not None:
        return await _verify_file(file, public_key)
    if public_key is not None:
        return await _inspect(evidence.read_public(public_key))
    async with context() as home:
        settings = home.settings
        # Where no service runs, nobody has sealed what the last command recorded. Sealing links new rows
        # only, so it cannot hide a change; while a service seals, this does nothing.
        await evidence.Sealer(home.db, settings.home, settings.evidence_copy).seal()
        return await evidence.verify(home.db, settings.home, copy=settings.evidence_copy, others=heads)


async def _verify_file(file: Path, public_key: Path | None) -> evidence.Verdict | None:
    key = evidence.read_public(public_key) if public_key else _own_key()
    try:
        return await evidence.check_file(file, key)
    except MedrepError as error:
        if error.fault != Fault.TAMPERED:
            raise
        return evidence.Verdict(0, (error.detail,), 1)


async def _inspect(key: Ed25519PublicKey) -> evidence.Verdict:
    async with AsyncExitStack() as stack:
        url, _, _ = await reach(stack, read_settings())
        db = Database(url, size=4)
        stack.push_async_callback(db.close)
        return await evidence.inspect(db, key)


def _own_key() -> Ed25519PublicKey:
    folder = read_settings().key_dir
    if not (folder / "evidence.key").exists():
        raise MedrepError(Fault.CONFIGURATION, "this home has signed nothing; name a key with --public-key")
    return evidence.signing_key(folder).public_key()


@evidence_app.command("export")
def export_evidence(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not exist.")],
) -> None:
    """Write the record to one file that can be verified with the public key alone (bodies as hashes)."""
    if file.exists():
        raise MedrepError(Fault.CONFLICT, f"{file.name} exists already; an export replaces nothing")
    part = file.with_name(f".{file.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        run(_export(out))
    part.rename(file)
    say(f"{file.name}: {file.stat().st_size} bytes")


async def _export(out: TextIO) -> None:
    async with context() as home:
        await evidence.Sealer(home.db, home.settings.home, home.settings.evidence_copy).seal()
        async for line in evidence.export(home.db, home.settings.home):
            out.write(f"{line}\n")


@evidence_app.command("public-key")
def print_public_key() -> None:
    """Print the public key (PEM) that signed heads, exports and documents are checked with."""
    sys.stdout.write(evidence.public_pem(_own_key()))


def write_backup(file: Annotated[Path, typer.Argument(help="The file to write; it must not exist.")]) -> None:
    """Write database and keys, as of one moment, to one file. It opens everything: keep it safe."""
    size = run(_backup(file.absolute()))
    say(f"{file.name}: {size} bytes; it holds the keys, keep it where keys may rest")


async def _backup(file: Path) -> int:
    async with context() as home:
        return await asyncio.to_thread(backups.backup, home.settings.home, home.url, file, real_now())


def restore_backup(file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)]) -> None:
    """Bring a backup into an empty MEDREP_HOME (and an empty database), and verify the evidence.

    Sending is paused: what was queued then may have left since. See `medrep sending`.
    """
    verdict, queued = run(_restore(file))
    say(f"restored; evidence {f'OK {verdict.rows} rows' if verdict.ok else verdict.broken}")
    say(f"sending is paused, {queued} messages wait: `medrep sending list`, then `medrep sending resume`")
    if not verdict.ok:
        raise typer.Exit(1)


async def _restore(file: Path) -> tuple[evidence.Verdict, int]:
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


async def _restore_from(folder: Path, settings: Settings) -> tuple[evidence.Verdict, int]:
    backups.place(folder, settings.home)
    async with AsyncExitStack() as stack:
        work, owner, _ = await reach(stack, settings, empty=True)
        await asyncio.to_thread(backups.load, folder, owner)
        await asyncio.to_thread(migrate, owner)  # the backup may be from an older version
        await admit(work, settings.key_dir)
        db = Database(work, size=4)
        stack.push_async_callback(db.close)
        async with db.begin() as tx:
            await restored.pause(tx)
            await key_holders.none_runs(tx)
            queued = await restored.queued(tx)
        await evidence.Sealer(db, settings.home, settings.evidence_copy).seal()
        return await evidence.verify(db, settings.home), len(queued)


def _refuse_used(settings: Settings) -> None:
    used = [name for name in MADE if (settings.home / name).exists()]
    if used:
        raise MedrepError(
            Fault.CONFLICT,
            f"{settings.home} is in use ({', '.join(used)}); restore into an empty MEDREP_HOME",
        )


def rotate_key(
    activate: Annotated[
        bool, typer.Option("--activate", help="Use the prepared key from now on; every machine must have it.")
    ] = False,
) -> None:
    """Prepare a new master key; with --activate use it, and bring every person's key under it.

    A call of --activate that was broken off is finished by the next one.
    Between the two, copy the new file to the key folder of every other machine. Former ones are kept: stored
    platform tokens still need them.
    """
    if activate:
        name, moved = run(_activate())
        say(f"{name} is the master key now, {moved} keys brought under it")
        return
    name, folder, without = run(_prepare())
    say(f"{name} is prepared in {folder}, nothing uses it yet")
    say(f"copy {name}.key to the key folder of every other machine, then run `medrep rotate-key --activate`")
    for place in without:
        say(f"not there yet: {place}")


async def _prepare() -> tuple[str, Path, list[str]]:
    async with context() as home:
        keyring = home.vault.keyring
        async with home.db.begin() as tx:
            name = await key_holders.prepare(tx, keyring)
            await evidence.note(tx, "keys.prepared", home.clock.now(), f"key:{name}")
        async with home.db.begin() as tx:
            await report_keys(tx, keyring, home.clock.now())
            return name, keyring.folder, await key_holders.lacking(tx, name)


async def _activate() -> tuple[str, int]:
    async with context() as home:
        nothing_prepared = None
        try:
            async with home.db.begin() as tx:
                name = await key_holders.activate(tx, home.vault.keyring)
                await evidence.note(tx, "keys.activated", home.clock.now(), f"key:{name}")
        except MedrepError as error:
            if error.fault != Fault.NOT_FOUND:
                raise
            nothing_prepared = error
        moved = await _rewrap(home)
        if nothing_prepared and not moved:  # otherwise an earlier call was broken off in the middle
            raise nothing_prepared
        return home.vault.keyring.current, moved


async def _rewrap(home: Context) -> int:
    moved, after = 0, None
    while True:
        async with home.db.begin() as tx:
            count, after = await home.vault.rewrap(tx, after)
        moved += count
        if after is None:
            return moved

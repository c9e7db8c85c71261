"""The demo's people and accounts: the sandbox writes them, the ordinary import loads them."""

from __future__ import annotations

import asyncio
import csv
import os
import sys
from pathlib import Path

from bot.doctors import import_doctors, issue_codes
from bot.model import Fault, MedrepError
from bot.service.process import plain_environment
from bot.settings import ROOT, Settings
from bot.store import business_clock
from bot.store.database import Database
from bot.store.doctors import without_code
from bot.store.key_holders import open_keyring
from bot.store.vault import Vault


async def write_accounts(home: Path, api_base: str) -> None:
    """The sandbox's accounts in `home/sandbox.toml`, made once; their address is brought up to date."""
    await _sandbox("accounts", "--out", str(home / "sandbox.toml"), "--api-base", api_base)


async def people(db: Database, settings: Settings) -> list[str]:
    """Load the demo's doctors; lines that tell who still has to verify, and with which code."""
    file = settings.home / "demo-doctors.csv"
    await _sandbox("doctors", "--out", str(file))
    async with db.begin() as tx:
        clock = await business_clock.clock(tx)
        vault = Vault(await open_keyring(tx, settings.key_dir))
    report = await import_doctors(db, vault, clock, settings.accounts, file, by="demo")
    lines = [f"demo row {fault.row} was not loaded: {fault.reason}" for fault in report.faults]
    codes = Codes(settings.home / "demo-codes.csv")
    codes_by_id = codes.read()
    async with db.begin() as tx:
        waiting = [
            external_id for external_id, _ in await without_code(tx, report.loaded, clock.now(), renew=True)
        ]
    without_file = [external_id for external_id in waiting if external_id not in codes_by_id]
    for chosen, renew in ((waiting, False), (without_file, True)):
        issued = await issue_codes(db, vault.keyring, clock, chosen, renew=renew, by="demo", keep=codes.add)
        codes_by_id |= dict(issued)
    return lines + [f"invitation  {external_id}  code {codes_by_id[external_id]}" for external_id in waiting]


class Codes:
    """The demo's codes in the clear, so that a second start can print them again."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, str]:
        """external id -> newest code."""
        if not self._path.exists():
            return {}
        with self._path.open(encoding="utf-8", newline="") as file:
            return dict(csv.reader(file))

    def add(self, codes: list[tuple[str, str]]) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(codes)
            file.flush()
            os.fsync(file.fileno())


async def _sandbox(*arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sandbox", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env=plain_environment(),
    )
    _, errors = await process.communicate()
    if process.returncode != 0:
        tail = errors.decode(errors="replace").strip()[-300:]
        raise MedrepError(Fault.CONFIGURATION, f"the sandbox could not write its {arguments[0]}: {tail}")

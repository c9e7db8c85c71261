"""The demo's people and accounts: the sandbox writes them, the ordinary import loads them."""

from __future__ import annotations

import asyncio
import csv
import os
import sys
from pathlib import Path

from bot.clock import Clock
from bot.doctors import import_doctors, issue_codes
from bot.model import Fault, MedrepError
from bot.process import plain_environment
from bot.settings import ROOT, Settings
from bot.store.database import Database
from bot.store.keys import Keyring, Vault


async def write_accounts(home: Path, api_base: str) -> None:
    """The sandbox's accounts in `home/sandbox.toml`, made once; their address is brought up to date."""
    await _sandbox("accounts", "--out", str(home / "sandbox.toml"), "--api-base", api_base)


async def people(db: Database, settings: Settings) -> list[str]:
    """Load the demo's doctors; lines that tell who still needs a code, and which."""
    file = settings.home / "demo-doctors.csv"
    await _sandbox("doctors", "--out", str(file))
    vault = Vault(Keyring(settings.key_dir))
    report = await import_doctors(db, vault, Clock(), settings.accounts, file, by="demo")
    issued = await issue_codes(db, vault.keyring, Clock(), report.loaded)
    return []


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

"""MEDREP_HOME: who may work in it, and the secrets our own processes share."""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bot.model import Fault, MedrepError
from bot.settings import Settings
from bot.store.keyring import secret_file

PATIENCE = 60.0  # seconds to wait for a short command that has the home

SANDBOX = " sandbox"  # at the end of what stands in the lock
Who = Literal["serve", "command"]


class OccupiedError(MedrepError):
    """The service itself runs in this home."""


@asynccontextmanager
async def claim(home: Path, who: Who, *, sandbox: bool = False) -> AsyncIterator[None]:
    """Be the only one who runs the embedded database of `home`; the kernel lets go when we end.

    `sandbox`: the service has the demo accounts, which commands beside it are to know (`serves_sandbox`).
    Raises OccupiedError while `serve` has it, at once; waits for short commands, then MedrepError(CONFLICT).
    """
    _make(home)
    descriptor = os.open(home / "medrep.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        await _locked(descriptor, home)
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"{who} {os.getpid()}{SANDBOX if sandbox else ''}".encode(), 0)
        try:
            yield
        finally:
            os.truncate(descriptor, 0)
    finally:
        os.close(descriptor)


def serves_sandbox(home: Path) -> bool:
    """Whether a service that runs in `home` has the demo accounts."""
    try:
        text = (home / "medrep.lock").read_text(encoding="ascii")
    except FileNotFoundError:
        return False
    _, _, pid = text.removesuffix(SANDBOX).partition(" ")
    # Who was killed has left its words behind.
    return text.endswith(SANDBOX) and Path(f"/proc/{pid}").exists()


def _make(home: Path) -> None:
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise MedrepError(Fault.CONFIGURATION, f"MEDREP_HOME cannot be made: {error.strerror}") from None
    if not os.access(home, os.W_OK | os.X_OK):
        raise MedrepError(Fault.CONFIGURATION, f"MEDREP_HOME {home} is not writable")


async def _locked(descriptor: int, home: Path) -> None:
    waited = 0.0
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner, _, pid = os.pread(descriptor, 64, 0).decode("ascii", "replace").partition(" ")
            pid = pid.removesuffix(SANDBOX)
            if owner == "serve":
                raise OccupiedError(
                    Fault.CONFLICT, f"medrep already runs in {home} (process {pid}); stop it first"
                ) from None
            if waited >= PATIENCE:
                raise MedrepError(
                    Fault.CONFLICT, f"another medrep command uses {home} (process {pid})"
                ) from None
            await asyncio.sleep(0.2)
            waited += 0.2
        else:
            return


@dataclass(frozen=True, slots=True, repr=False)
class ServiceTokens:
    """What app and engine show each other."""

    engine: str
    actions: str


def tokens(settings: Settings) -> ServiceTokens:
    """The environment's (an engine elsewhere has its own), else made once and kept in the key folder."""

    def one(name: str, given: str | None) -> str:
        kept = secret_file(settings.key_dir / f"{name}.token", secrets.token_urlsafe(32).encode())
        return given or kept.decode("ascii")

    return ServiceTokens(
        engine=one("engine", settings.engine_token), actions=one("actions", settings.actions_token)
    )

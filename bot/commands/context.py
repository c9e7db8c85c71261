"""What a command works on: the running service's database, or one started for the duration."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import typer

from bot.clock import Clock
from bot.evidence import Sealer
from bot.model import Account, Channel, Fault, MedrepError
from bot.runtime.key_report import report_keys
from bot.service.home import OccupiedError, claim, serves_sandbox
from bot.service.postgres import Cluster
from bot.settings import Settings, read_settings, with_demo_accounts
from bot.store import business_clock, contacts
from bot.store.contacts import Contact
from bot.store.database import Database
from bot.store.key_checks import admit
from bot.store.key_holders import open_keyring
from bot.store.keyring import evidence_key
from bot.store.migrate import migrate
from bot.store.vault import Vault

T = TypeVar("T")
As = Annotated[str, typer.Option("--as", metavar="LOGIN", help="The colleague who does it.")]

STARTING_SECONDS = 60.0  # how long a service that has just been started may take to its database


@dataclass(frozen=True, slots=True)
class Context:
    """The parts a command uses. `url` is for the owner: migrations, dumps."""

    settings: Settings
    db: Database
    vault: Vault
    clock: Clock
    url: str


@asynccontextmanager
async def context() -> AsyncIterator[Context]:
    """Raises MedrepError."""
    settings = read_settings()
    if serves_sandbox(settings.home):
        settings = with_demo_accounts(settings)
    async with AsyncExitStack() as stack:
        url, owner, embedded = await reach(stack, settings)
        await admit(url, settings.key_dir)
        db = Database(url, size=4, evidence_key=evidence_key(settings.key_dir))
        stack.push_async_callback(db.close)
        async with db.begin() as tx:
            clock = await business_clock.clock(tx)
            vault = Vault(await open_keyring(tx, settings.key_dir))
            await report_keys(tx, vault.keyring, clock.now())
        yield Context(settings, db, vault, clock, owner)
        if embedded:  # no service is there to seal what this command recorded
            await Sealer(db, settings.home, settings.evidence_copy).seal()


async def contact_of(home: Context, text: str) -> Contact:
    """The contact written CHANNEL:ACCOUNT:ADDRESS. Raises MedrepError(BAD_INPUT | NOT_FOUND)."""
    channel, _, rest = text.partition(":")
    name, _, address = rest.partition(":")
    if channel not in set(Channel) or not address:
        raise MedrepError(Fault.BAD_INPUT, "a contact is CHANNEL:ACCOUNT:ADDRESS, like wechat:demo:oAbc")
    async with home.db.begin() as tx:
        found = await contacts.by_address(tx, home.vault, Account(Channel(channel), name), address)
    if found is None:
        raise MedrepError(Fault.NOT_FOUND, "nobody has written from this address")
    return found


async def reach(stack: AsyncExitStack, settings: Settings, *, empty: bool = False) -> tuple[str, str, bool]:
    """(address for the work, address for the owner, whether we started it). `empty`: do not migrate it."""
    if settings.database_url is not None:
        return settings.database_url, settings.database_url, False
    try:
        await stack.enter_async_context(claim(settings.home, "command"))
    except OccupiedError:
        cluster = Cluster(settings.home)
        for _ in range(int(STARTING_SECONDS / 0.2)):
            if await asyncio.to_thread(cluster.running):
                return cluster.url(), cluster.url("medrep_owner"), False
            await asyncio.sleep(0.2)
        raise MedrepError(Fault.CONFIGURATION, "the service's database does not answer") from None
    cluster = Cluster(settings.home)
    await cluster.start()
    stack.push_async_callback(cluster.stop)
    if not empty:
        await asyncio.to_thread(migrate, cluster.url("medrep_owner"))
    return cluster.url(), cluster.url("medrep_owner"), True


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work to its end."""
    return asyncio.run(work)


def say(text: str) -> None:
    """One line for a person, on standard output."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def progress(text: str) -> None:
    """One line for whoever waits; data on standard output stays clean."""
    sys.stderr.write(f"medrep: {text}\n")
    sys.stderr.flush()


def say_json(value: Any) -> None:
    """One JSON object on a line of its own, flushed: whoever reads us through a pipe need not wait."""
    say(json.dumps(value, ensure_ascii=False, default=str))


def lines() -> Iterator[str]:
    """Standard input, a line at a time, of any length; bytes that are not UTF-8 become U+FFFD."""
    for number, raw in enumerate(sys.stdin.buffer):
        text = raw.decode("utf-8", "replace").removesuffix("\n").removesuffix("\r")
        yield text.removeprefix("\ufeff") if number == 0 else text

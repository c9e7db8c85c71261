"""What tests share: one running service a session; for rooms with a database one real PostgreSQL a
session and one database a test.

Start-up takes a second and a database made from the migrated template some 50 ms, so no test needs to
clean up after another, and none sees what another wrote.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import aiohttp
import psycopg
import pytest
from psycopg import sql

from bot.clock import Clock
from bot.dialogue.published import Published
from bot.dialogue.version import read_dialogue
from bot.knowledge import Encoder
from bot.runtime.services import Services
from bot.service.postgres import Cluster
from bot.settings import ROOT
from bot.store.database import Database
from bot.store.keys import Keyring, Vault, evidence_key
from bot.store.migrate import migrate
from bot.store.published import Version, publish
from bot.store.tables import dialogue_version
from tests.running import Service, with_model

pytest_plugins = ["tests.stage"]
TEMPLATE = "medrep"
# These fixtures take long to make, so one worker makes each, once, and runs all tests that ask for it
# (docs/testing.md). The longest group comes first, so that both workers end together.
SHARED = {"whole": "proofs", "service": "service", "engine": "engine", "index": "knowledge"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sets what one worker runs in one go: the tests of a shared thing, else those of a module."""
    groups = {item: group(item) for item in items}
    order = [*SHARED.values(), *dict.fromkeys(groups.values())]
    items.sort(key=lambda item: order.index(groups[item]))
    for item, name in groups.items():
        item.add_marker(pytest.mark.xdist_group(name))


def group(item: pytest.Item) -> str:
    names = getattr(item, "fixturenames", ())
    return next((name for fixture, name in SHARED.items() if fixture in names), item.nodeid.split("::")[0])


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """`make run`'s service, with the demo's people and two app processes, for all who leave it whole."""
    home = with_model(tmp_path_factory.mktemp("service") / "home")
    started = Service(home, {"MEDREP_SANDBOX": "1", "MEDREP_TEST": "1"})
    with started.serving("serve", "--demo", "--workers", "2"):
        yield started


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture(scope="session")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """An embedded PostgreSQL whose database `medrep` is migrated; it serves as the template, so leave it."""
    running = Cluster(tmp_path_factory.mktemp("cluster"))
    await running.start()
    try:
        await asyncio.to_thread(migrate, running.url("medrep_owner"))
        yield running
    finally:
        await running.stop()


@pytest.fixture
async def database(cluster: Cluster, home: Path) -> AsyncIterator[Database]:
    """A fresh, migrated, empty database, reached as the worker, with the key for evidence of `home`."""
    name = f"test_{uuid4().hex}"
    as_admin = cluster.url("postgres", "postgres")
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER medrep_owner")
    async with await psycopg.AsyncConnection.connect(as_admin, autocommit=True) as admin:
        await admin.execute(create.format(sql.Identifier(name), sql.Identifier(TEMPLATE)))
    opened = Database(cluster.url(database=name), evidence_key=evidence_key(home / "keys"))
    try:
        yield opened
    finally:
        await opened.close()
        async with await psycopg.AsyncConnection.connect(as_admin, autocommit=True) as admin:
            await admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A MEDREP_HOME of the test's own."""
    return tmp_path / "home"


@pytest.fixture
def keyring(home: Path) -> Keyring:
    return Keyring(home / "keys")


@pytest.fixture
def vault(keyring: Keyring) -> Vault:
    return Vault(keyring)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return Encoder()


@pytest.fixture
async def services(database: Database, vault: Vault, clock: Clock, home: Path, encoder: Encoder) -> Services:
    """What rooms and loops stand on, with the seed dialogue published (no content: publish what you need)."""
    dialogue = read_dialogue(ROOT)
    async with database.begin() as tx:
        version = Version(dialogue.fingerprint, dict(dialogue.files), "test")
        await publish(tx, dialogue_version, version, clock.now())
    published = Published(database, encoder)
    await published.load()
    return Services(database, vault, clock, published, home)

"""What tests share: one running service a session; for rooms with a database one real PostgreSQL a
session and one database a test.

A database is emptied after its test (`tests/databases.py`), so no test needs to clean up after another,
and none sees what another wrote.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import psycopg
import pytest

from bot.clock import Clock, real_now
from bot.dialogue.published import Published
from bot.dialogue.publishing import SEED
from bot.dialogue.version import read_dialogue
from bot.knowledge import Encoder
from bot.runtime.services import Services
from bot.service.postgres import Cluster
from bot.settings import ROOT
from bot.store.database import Database
from bot.store.key_checks import admit
from bot.store.keyring import Keyring, evidence_key, make_keys
from bot.store.migrate import migrate
from bot.store.published import Version, publish
from bot.store.vault import Vault
from tests.databases import Databases
from tests.running import Service, with_model

pytest_plugins = ["tests.sharing", "tests.stage", "tests.meetings.hall"]
TEMPLATE, SEEDED = "medrep", "medrep_seeded"


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
        with psycopg.connect(running.url("postgres", "postgres"), autocommit=True) as admin:
            # It outlives no test run, and databases come and go by the hundred. What is killed to see what
            # stays (tests/proofs, tests/service) is a service of its own, with the product's own settings.
            admin.execute("ALTER SYSTEM SET fsync = off")
            admin.execute("SELECT pg_reload_conf()")
        await asyncio.to_thread(migrate, running.url("medrep_owner"))
        yield running
    finally:
        await running.stop()


@pytest.fixture(scope="session")
def databases(cluster: Cluster) -> Iterator[Databases]:
    all_of_them = Databases(cluster)
    yield all_of_them
    all_of_them.close()


@asynccontextmanager
async def copied(databases: Databases, template: str, home: Path) -> AsyncIterator[Database]:
    """A database of its own, reached as the worker, with the key for evidence of `home`."""
    with databases.lent(template) as url:
        opened = Database(url, evidence_key=evidence_key(home / "keys"))
        try:
            yield opened
        finally:
            await opened.close()


@pytest.fixture
async def database(template: str, databases: Databases, home: Path) -> AsyncIterator[Database]:
    """Migrated and empty; for `services`, with the seed's dialogue in force."""
    async with copied(databases, template, home) as made:
        yield made


@pytest.fixture
def template(request: pytest.FixtureRequest) -> str:
    """Of the test's `database`."""
    wanted = "services" in request.fixturenames
    return str(request.getfixturevalue("seeded_template")) if wanted else TEMPLATE


@pytest.fixture(scope="session")
async def seeded_template(cluster: Cluster, keys: Path) -> str:
    """A template in which the seed's dialogue is in force, and that `keys` belong to; to check and store
    these takes longer than a test."""
    as_admin = cluster.url("postgres", "postgres")
    async with await psycopg.AsyncConnection.connect(as_admin, autocommit=True) as admin:
        await admin.execute(f"CREATE DATABASE {SEEDED} TEMPLATE {TEMPLATE} OWNER medrep_owner")
    db = Database(cluster.url(database=SEEDED))
    await admit(db.url, keys)
    await put_in_force(db, SEED)
    await db.close()
    return SEEDED


@pytest.fixture
async def seeded(databases: Databases, seeded_template: str, home: Path) -> AsyncIterator[Database]:
    """Migrated, with the seed's dialogue."""
    async with copied(databases, seeded_template, home) as made:
        yield made


async def put_in_force(db: Database, by: str) -> None:
    """The seed's dialogue, as somebody's who may; that it may be said is checked in tests/dialogue."""
    dialogue = read_dialogue(ROOT)
    async with db.begin() as tx:
        version = Version(dialogue.fingerprint, dict(dialogue.files), by)
        await publish(tx, version, real_now())


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The keys that every home gets a copy of: to make some takes five times the disk's fsync."""
    folder = tmp_path_factory.mktemp("keys") / "keys"
    make_keys(folder)
    return folder


@pytest.fixture
def home(tmp_path: Path, keys: Path) -> Path:
    """A MEDREP_HOME of the test's own, with keys."""
    shutil.copytree(keys, tmp_path / "home" / "keys")
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
async def services(database: Database, vault: Vault, clock: Clock, home: Path) -> Services:
    """What rooms and loops stand on, with the seed dialogue published (no content: publish what you need)
    and no index, which takes half a minute of a core to build."""
    published = Published(database, None)
    await published.load()
    return Services(database, vault, clock, published, home)

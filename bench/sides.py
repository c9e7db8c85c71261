"""The two sides of the comparison, each started as it runs in earnest, both on the same PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID, uuid4

import aiohttp
import psycopg
import yaml
from sqlalchemy import insert
from sqlalchemy.engine import make_url

from bench.processes import Running, running
from bench.stock_model import PYTHON, environment
from bench.turns import ACTION, TURNS
from bot.clock import real_now
from bot.model import Account, Audience, Channel
from bot.service.postgres import Cluster, free_port
from bot.service.process import plain_environment
from bot.settings import ROOT
from bot.store import contacts
from bot.store.database import Database
from bot.store.keyring import Keyring, make_keys
from bot.store.migrate import migrate
from bot.store.tables import turn
from bot.store.vault import Vault

TOKEN = "bench"
SENTENCE = "这是一次查询的结果，已经写入一行。"
SLOTS = {
    "audience": "doctor",
    "verified": True,
    "verify_waiting": False,
    "introduced": True,
    "adverse_event": False,
}
APP_PYTHON = ROOT / ".venv" / "bin" / "python"


class Side(Protocol):
    """What is measured."""

    brain: Running  # the process that understands and decides
    host: Running  # the process that runs the action

    async def say(self, talk: int, text: str, action: str) -> None: ...
    async def intents(self, texts: Sequence[str]) -> list[str]: ...
    def rows(self) -> int: ...


def count(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM effect").fetchone()
    assert row is not None
    return int(row[0])


# ---------------------------------------------------------------- ours


@dataclass
class Ours:
    """Our engine over `/turn`: the conversation goes in and comes back, as the app does it."""

    http: aiohttp.ClientSession
    url: str
    database: str
    brain: Running
    host: Running
    turns: list[
        list[UUID]
    ]  # of each conversation, prepared: the host knows only turns that are in the database
    held: dict[int, Any] = field(default_factory=dict)

    async def say(self, talk: int, text: str, action: str) -> None:
        body = {
            "turn_id": str(self.turns[talk].pop()),
            "contact": f"talk-{talk}",
            "conversation": self.held.get(talk),
            "input": {"text": text},
            "slots": SLOTS,
        }
        answer = await self._call("/turn", body)
        assert answer["actions"] == [action], (text, answer["actions"])
        assert len(answer["replies"]) == 1, (text, answer["replies"])
        self.held[talk] = answer["conversation"]

    async def intents(self, texts: Sequence[str]) -> list[str]:
        answer = await self._call("/understand", {"texts": list(texts)})
        return [result["intent"] for result in answer["results"]]

    def rows(self) -> int:
        return count(self.database)

    async def _call(self, path: str, body: Any) -> Any:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with self.http.post(self.url + path, json=body, headers=headers) as response:
            assert response.status == 200, await response.text()
            return await response.json()


@asynccontextmanager
async def our_engine(
    cluster: Cluster, home: Path, model: Path, talks: int, http: aiohttp.ClientSession
) -> AsyncIterator[Ours]:
    """Our engine and our action host, with `talks` conversations of turns prepared."""
    make_keys(home / "keys")
    engine_port, actions_port = free_port(), free_port()
    variables = {
        **plain_environment(),
        "BENCH_SENTENCE": SENTENCE,
        "MEDREP_HOME": str(home),
        "MEDREP_DATABASE_URL": cluster.url(),
        "MEDREP_ACTIONS_TOKEN": TOKEN,
        "MEDREP_ACTIONS_PORT": str(actions_port),
        "MEDREP_ACTIONS_URL": f"http://127.0.0.1:{actions_port}/actions",
        "MEDREP_ENGINE_PORT": str(engine_port),
        "MEDREP_ENGINE_TOKEN": TOKEN,
        "MEDREP_MODEL": str(model),
    }
    url = f"http://127.0.0.1:{engine_port}"
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(
            running(
                [str(APP_PYTHON), "-m", "bench.host"],
                variables,
                home / "host.log",
                http,
                f"http://127.0.0.1:{actions_port}/",
            )
        )
        brain = await stack.enter_async_context(
            running(
                [str(PYTHON), "-m", "engine"], variables, home / "engine.log", http, f"{url}/ready", TOKEN
            )
        )
        turns = await _prepare(cluster.url(), home, talks)
        yield Ours(http, url, cluster.url(), brain, host, turns)


@asynccontextmanager
async def alone(home: Path, model: Path, talks: int, http: aiohttp.ClientSession) -> AsyncIterator[Ours]:
    """As `ours`, with a PostgreSQL of its own: prepared turns are no work for a running service."""
    cluster = Cluster(home)
    await cluster.start()
    try:
        migrate(cluster.url("medrep_owner"))
        async with our_engine(cluster, home, model, talks, http) as side:
            yield side
    finally:
        await cluster.stop()


async def _prepare(url: str, home: Path, talks: int) -> list[list[UUID]]:
    """The turns of each conversation under way, as the inbox would have written them; a contact has only one
    at a time, so each is another contact's of the same person."""
    db, vault, now = Database(url), Vault(Keyring(home / "keys")), real_now()
    account = Account(Channel.WECHAT, "bench")
    prepared = []
    async with db.begin() as tx:
        for number in range(talks):
            ids = [uuid4() for _ in TURNS]
            person = await vault.create(tx, "newcomer", now)
            for place, one in enumerate(ids):
                address = f"talk-{number}-{place}"
                contact = await contacts.add(tx, vault, account, Audience.DOCTOR, address, person, now)
                assert contact is not None
                row = {"id": one, "contact_id": contact.id, "state": "running", "fence": 1}
                await tx.execute(insert(turn).values(**row, lease_until=now, started_at=now))
            prepared.append(ids)
    await db.close()
    return prepared


# ---------------------------------------------------------------- stock Rasa


@dataclass
class Stock:
    """Stock Rasa over its REST channel."""

    http: aiohttp.ClientSession
    url: str
    database: str
    brain: Running
    host: Running

    async def say(self, talk: int, text: str, action: str) -> None:
        body = {"sender": f"talk-{talk}", "message": text}
        async with self.http.post(f"{self.url}/webhooks/rest/webhook", json=body) as response:
            assert response.status == 200, await response.text()
            replies = await response.json()
        assert len(replies) == 1, (text, replies)
        assert (replies[0]["text"] == SENTENCE) == (action == ACTION), (text, replies)

    async def intents(self, texts: Sequence[str]) -> list[str]:
        return [await self._intent(text) for text in texts]

    async def _intent(self, text: str) -> str:
        async with self.http.post(f"{self.url}/model/parse", json={"text": text}) as response:
            assert response.status == 200, await response.text()
            return str((await response.json())["intent"]["name"])

    def rows(self) -> int:
        return count(self.database)


@asynccontextmanager
async def stock(
    cluster: Cluster, home: Path, model: Path, http: aiohttp.ClientSession
) -> AsyncIterator[Stock]:
    """`rasa run` with its SQL tracker store and `rasa run actions`, in a database of their own."""
    port, actions_port = free_port(), free_port()
    with psycopg.connect(cluster.url("postgres", "postgres"), autocommit=True) as admin:
        admin.execute("CREATE DATABASE stock OWNER medrep_owner")
    database = cluster.url("medrep_owner", "stock")
    with psycopg.connect(database) as connection:
        connection.execute(
            "CREATE TABLE effect (id bigserial PRIMARY KEY, sender text NOT NULL, action text NOT NULL,"
            " result jsonb NOT NULL, at timestamptz NOT NULL DEFAULT now())"
        )
    folder = home / "stock"
    folder.mkdir()
    (folder / "endpoints.yml").write_text(json.dumps(_endpoints(database, actions_port)), encoding="utf-8")
    (folder / "credentials.yml").write_text(yaml.safe_dump({"rest": None}), encoding="utf-8")
    rasa = [str(PYTHON), "-m", "rasa", "run"]
    variables = {
        **environment(),
        "PYTHONPATH": str(ROOT),
        "BENCH_SENTENCE": SENTENCE,
        "BENCH_DATABASE_URL": database,
    }
    serve = ["--model", str(model), "--endpoints", str(folder / "endpoints.yml"), "--enable-api"]
    serve += [
        "--credentials",
        str(folder / "credentials.yml"),
        "--interface",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    act = ["actions", "--actions", "bench.stock_actions", "--port", str(actions_port)]
    url = f"http://127.0.0.1:{port}"
    async with AsyncExitStack() as stack:
        health = f"http://127.0.0.1:{actions_port}/health"
        host = await stack.enter_async_context(
            running([*rasa, *act], variables, home / "stock-host.log", http, health)
        )
        brain = await stack.enter_async_context(
            running([*rasa, *serve], variables, home / "stock.log", http, f"{url}/status")
        )
        yield Stock(http, url, database, brain, host)


def _endpoints(database: str, actions_port: int) -> dict[str, Any]:
    where = make_url(database)
    return {
        "action_endpoint": {"url": f"http://127.0.0.1:{actions_port}/webhook"},
        "tracker_store": {
            "type": "SQL",
            "dialect": "postgresql",
            "url": where.host,
            "port": where.port,
            "db": where.database,
            "username": where.username,
            "password": where.password,
        },
    }

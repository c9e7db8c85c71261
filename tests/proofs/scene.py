"""A whole service under attack: what the tests of the promises do to it, and what they read of it after."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import signal
import tomllib
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from sqlalchemy import text

from bot.service.postgres import Cluster
from bot.store.database import Database
from bot.store.keyring import Keyring
from bot.store.vault import Vault
from tests.phone import Phone
from tests.running import Service, command_line, with_model

LISTED = 60  # doctors at a time
DOCTOR_COLUMNS = ("姓名", "医院", "科室", "手机", "渠道", "渠道账号", "外部编号")


@dataclass
class Spoken:
    """One outbox row in clear."""

    id: int
    state: str
    text: str
    unordered: bool
    turn: str | None
    fault: str | None
    via: str | None


@dataclass
class Scene:
    service: Service
    http: aiohttp.ClientSession
    double: str  # the double's own address: the app's way to it dies with the app
    db: Database
    vault: Vault
    points: (
        Path  # a file named like a point of bot.runtime.killpoints kills the first process that gets there
    )
    workers: int
    listed: list[str] = field(default_factory=list)  # openids of imported doctors whom nobody has met
    phones: list[Phone] = field(default_factory=list)
    sent: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    # ------------------------------------------------------------ people

    async def doctors(self, count: int) -> list[Phone]:
        """So many new verified doctors, each with a phone."""
        if len(self.listed) < count:
            await self._list(max(count, LISTED))
        openids = [self.listed.pop() for _ in range(count)]
        for openid in openids:
            body = {"account": "sandbox", "nickname": "证", "openid": openid}
            async with self.http.post(f"{self.double}/sandbox/api/followers", json=body) as answer:
                assert answer.status == 200, await answer.text()
        phones = [Phone(self.http, self.double, openid) for openid in openids]
        self.phones += phones
        return phones

    async def _list(self, count: int) -> None:
        """Import so many more; a command takes seconds, for one as for all of them."""
        first = len(self.phones) + len(self.listed)
        path = self.service.home / "proof.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(DOCTOR_COLUMNS)
            for number in range(first, first + count):
                openid, phone = f"oProof{number:022d}", f"137{number:08d}"
                rows.writerow(
                    ["甲乙丙", "示例县人民医院", "内科", phone, "wechat:sandbox", openid, f"P-{number}"]
                )
                self.listed.append(openid)
        await asyncio.to_thread(self.service.prints, "import-doctors", path)

    async def say(self, phone: Phone, *, wait: bool = True, **what: Any) -> dict[str, Any]:
        """Send, and remember whether the platform got its acknowledgement."""
        receipt = await phone.send(wait=wait, **what)
        self.sent[phone.openid].append({**receipt, **what})
        return receipt

    async def remind(self, response: str) -> None:
        """A few contacts have a reminder due now: pushed, for no connection can carry it."""
        now = datetime.now(UTC)
        due = text(
            "INSERT INTO timer "
            "(contact_id, person_id, action, name, refs, purpose, starts_at, next_due, grace) "
            "SELECT contact.id, person_id, 'message', 'response', "
            "jsonb_build_object('response', CAST(:response AS text)), 'medication', :due, :due, 3600 "
            "FROM contact JOIN send_window ON contact_id = contact.id ORDER BY random() LIMIT 4"
        )
        agreed = text(
            "INSERT INTO consent (person_id, purpose, given_at, text_version, source) "
            "SELECT person_id, 'medication', :due, 'test', 'test' FROM contact"
        )
        async with self.db.begin() as tx:
            await tx.execute(agreed, {"due": now})
            await tx.execute(due, {"due": now, "response": response})

    async def control(self, path: str, body: Any = None, method: str = "POST") -> Any:
        async with self.http.request(method, f"{self.double}/sandbox/control/{path}", json=body) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    # ------------------------------------------------------------ processes

    def processes(self, part: str) -> list[int]:
        return [pid for pid, line in self.service.processes().items() if part in line]

    def apps(self) -> list[int]:
        return self.processes("bot.app")

    def signal(self, part: str, number: int) -> int:
        """Send it to every process of that name; how many these were."""
        hit = self.processes(part)
        for pid in hit:
            os.kill(pid, number)
        return len(hit)

    def kill(self, pid: int) -> None:
        if command_line(pid):
            os.kill(pid, signal.SIGKILL)

    async def back(self, seconds: float = 90.0) -> None:
        """Until everything runs and is ready."""
        async with asyncio.timeout(seconds):
            while not await self._ready():
                await asyncio.sleep(0.2)

    async def _ready(self) -> bool:
        if len(self.apps()) < self.workers:
            return False
        # Each connection reaches some process.
        return all([await self.one_is_ready() for _ in range(2 * self.workers)])

    async def one_is_ready(self) -> bool:
        try:
            async with self.http.get(f"{self.service.url}/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    # ------------------------------------------------------------ what is in the database

    async def rows(self, query: str, **values: Any) -> list[Any]:
        async with self.db.begin() as tx:
            return [tuple(row) for row in await tx.execute(text(query), values)]

    async def write(self, query: str, **values: Any) -> None:
        async with self.db.begin() as tx:
            await tx.execute(text(query), values)

    async def settled(self, seconds: float) -> None:
        """Until nothing is under way any more: on its way to us, waiting, in a turn or to be sent."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        left: dict[str, int] = {}
        while loop.time() < until:
            try:
                # What has arrived while the chats were read shows in the second look.
                left = await self._open_rows() or await self._travelling() or await self._open_rows()
            except Exception as error:
                left = {type(error).__name__: 1}
            if not left:
                return
            await asyncio.sleep(0.3)
        raise AssertionError(f"still under way after {seconds} s: {left}\n{self.service.logs()}")

    async def _open_rows(self) -> dict[str, int]:
        counts = await self.rows(
            "SELECT 'inbox', count(*) FROM inbox WHERE state IN ('waiting', 'claimed') "
            "UNION ALL SELECT 'turns', count(*) FROM turn WHERE state IN ('running', 'retry') "
            "UNION ALL SELECT 'outbox', count(*) FROM outbox WHERE state IN ('waiting', 'sending')"
        )
        return {name: count for name, count in counts if count}

    async def _travelling(self) -> dict[str, int]:
        """The messages that the platform still delivers, or waits for our answer to."""
        chats = await asyncio.gather(*(phone.chat() for phone in self.phones))
        count = sum(item["delivery"] == "sending" for chat in chats for item in chat)
        return {"travelling": count} if count else {}

    async def spoken(self, openid: str) -> list[Spoken]:
        """Everything this contact was to be told, in order."""
        found = []
        async with self.db.begin() as tx:
            digest = self.vault.keyring.digest("contact.address", f"wechat:sandbox:{openid}")
            query = text(
                "SELECT outbox.* FROM outbox JOIN contact ON contact.id = contact_id "
                "WHERE address_hmac = :digest ORDER BY outbox.id"
            )
            for row in await tx.execute(query, {"digest": digest}):
                words = ""
                if row.body_enc is not None:
                    body = await self.vault.open_text(tx, row.person_id, row.body_enc, "outbox.body")
                    words = "\n\n".join(part for part, _ in json.loads(body)["parts"])
                turn = str(row.turn_id) if row.turn_id else None
                found.append(Spoken(row.id, row.state, words, row.unordered, turn, row.fault, row.via))
        return found

    def log_files(self) -> list[Path]:
        return [*self.service.home.glob("logs/*"), self.service.output]


@asynccontextmanager
async def scene(home: Path, *, workers: int) -> AsyncIterator[Scene]:
    """`medrep serve --demo` in a home of its own, with so many app processes."""
    await asyncio.to_thread(with_model, home)
    points = home / "points"
    points.mkdir()
    settings = {"MEDREP_SANDBOX": "1", "MEDREP_TEST": "1", "MEDREP_LONGEST_PAUSE": "0.5"}
    service = Service(home, {**settings, "MEDREP_KILL_AT": str(points)})
    await asyncio.to_thread(service.start, "serve", "--demo", "--workers", str(workers))
    try:
        accounts = tomllib.loads((home / "sandbox.toml").read_text(encoding="utf-8"))["wechat"]
        double = str(accounts["sandbox"]["api_base"]).removesuffix("/sandbox/wechat")
        db = Database(Cluster(home).url(), size=6)
        # Each to a connection of its own: what is killed must not break another's.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        async with aiohttp.ClientSession(connector=connector) as http:
            yield Scene(service, http, double, db, Vault(Keyring(home / "keys")), points, workers)
        await db.close()
    finally:
        await asyncio.to_thread(service.stop)

"""Platform to gateway: signed posts, five seconds each, up to three tries, and what the user gets to see."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from sandbox.accounts import Account
from sandbox.crypto import WireError, signature
from sandbox.envelope import Passive, open_passive, seal, to_xml
from sandbox.faults import Faults
from sandbox.journal import Journal
from sandbox.world import World

TRIES = 3
FAULT_TEXT = "该公众号提供的服务出现故障，请稍后再试"
ANSWER_BYTES = 1_000_000

# From best to worst; of several copies of one message the worst is what the sender is told.
OUTCOMES = ("replied", "acknowledged", "fault", "unreachable")


@dataclass(frozen=True, slots=True)
class Letter:
    """One message or event of a user. `item` is its place in the chat (0: not shown there).

    `audible`: the user waits for an answer and is told when the account's service fails.
    """

    account: Account
    openid: str
    xml: str
    item: int = 0
    msg_id: str = ""
    audible: bool = True


class Delivery:
    def __init__(self, world: World, faults: Faults, journal: Journal, gateway: str) -> None:
        self.gateway = gateway.rstrip("/")
        self._world = world
        self._faults = faults
        self._journal = journal
        self._tasks: set[asyncio.Task[str]] = set()
        self._answered: set[str] = set()  # MsgIds that got their passive reply
        self._http: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        # The platform opens a connection for each post; reuse would add stale-connection failures it has not.
        connector = aiohttp.TCPConnector(force_close=True, limit=0)
        self._http = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None))

    async def stop(self) -> None:
        await self.abandon()
        if self._http:
            await self._http.close()

    async def abandon(self) -> None:
        """Drop whatever is on its way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._answered.clear()

    def compose(self, account: Account, openid: str, fields: Mapping[str, Any]) -> str:
        """The clear XML of a message or event, its addresses and time in front."""
        head = {
            "ToUserName": account.original_id,
            "FromUserName": openid,
            "CreateTime": int(self._world.now()),
        }
        return to_xml({**head, **fields})

    def send(self, letter: Letter) -> asyncio.Task[str]:
        """On its way, not waiting for anything sent before it; the task ends with one of OUTCOMES."""
        task = asyncio.create_task(self._deliver(letter))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def verify_url(self, account: Account) -> bool:
        """The GET by which the platform verifies a server address."""
        timestamp, nonce, echo = str(int(time.time())), _nonce(), _nonce() + _nonce()
        query = {
            "signature": signature(account.token, timestamp, nonce),
            "timestamp": timestamp,
            "nonce": nonce,
            "echostr": echo,
        }
        try:
            status, body = await self._exchange("GET", account, query, None, 5)
        except (TimeoutError, aiohttp.ClientError):
            return False
        return status == 200 and body == echo.encode()

    # -------------------------------------------------------------- one message

    async def _deliver(self, letter: Letter) -> str:
        webhook = self._faults.webhook
        await asyncio.sleep(webhook.delay_seconds)
        outcomes = await asyncio.gather(*(self._copy(letter) for _ in range(webhook.copies)))
        outcome = max(outcomes, key=OUTCOMES.index)
        failed = outcome in ("fault", "unreachable")
        key = (letter.account.name, letter.openid)
        if letter.item:
            self._world.mark(key, letter.item, "failed" if failed else "delivered")
        if failed and letter.audible:
            self._world.show(*key, "system", "fault", FAULT_TEXT, answers=letter.item)
        return outcome

    async def _copy(self, letter: Letter) -> str:
        """Try until the gateway answers; any answer, good or bad, ends it."""
        for number in range(1, TRIES + 1):
            outcome = await self._try(letter, number)
            if outcome != "unreachable":
                return outcome
        return "unreachable"

    async def _try(self, letter: Letter, number: int) -> str:
        account, delay = letter.account, self._faults.network.delay_seconds
        query, body = seal(
            account, letter.openid, letter.xml, timestamp=str(int(time.time())), nonce=_nonce()
        )
        entry = self._journal.open(
            "delivery",
            account=account.name,
            openid=letter.openid,
            msg_id=letter.msg_id,
            item=letter.item,
            number=number,
            query=query,
            body=body.decode(),
            clear=letter.xml,
        )
        begun = time.monotonic()
        await asyncio.sleep(delay)
        timeout = self._faults.webhook.timeout_seconds
        try:
            status, answer = await self._exchange("POST", account, query, body, timeout)
        except TimeoutError:
            outcome, why = "unreachable", "timeout"
        except aiohttp.ClientError as error:
            outcome, why = "unreachable", type(error).__name__
        else:
            entry.update(status=status, answer=answer.decode("utf-8", "replace"))
            if self._faults.drop_response():
                await asyncio.sleep(max(0.0, timeout - (time.monotonic() - begun)))
                outcome, why = "unreachable", "answer lost on the way (simulated)"
            else:
                await asyncio.sleep(delay)
                outcome, why = self._read(letter, status, answer, entry)
        entry.update(outcome=outcome, why=why, took_ms=round((time.monotonic() - begun) * 1000))
        self._world.publish({"event": "trace", "item": letter.item}, (account.name, letter.openid))
        return outcome

    async def _exchange(
        self, method: str, account: Account, query: dict[str, str], body: bytes | None, patience: float
    ) -> tuple[int, bytes]:
        if self._http is None:
            raise RuntimeError("not started")
        url = f"{self.gateway}/wechat/{account.name}"
        headers = {"Content-Type": "text/xml"} if body is not None else {}
        async with asyncio.timeout(patience):
            async with self._http.request(
                method, url, params=query, data=body, headers=headers, allow_redirects=False
            ) as response:
                answer = bytearray()
                async for chunk in response.content.iter_chunked(65536):
                    answer += chunk
                    if len(answer) > ANSWER_BYTES:
                        break
                return response.status, bytes(answer)

    # -------------------------------------------------------------- the answer

    def _read(self, letter: Letter, status: int, answer: bytes, entry: dict[str, Any]) -> tuple[str, str]:
        """(outcome, why) of an answer that arrived; shows the passive reply it carries."""
        if status != 200:
            return "fault", f"HTTP {status}"
        if answer in (b"success", b""):
            return "acknowledged", ""
        try:
            passive = open_passive(letter.account, letter.openid, answer)
        except WireError as error:
            return "fault", str(error)
        entry["answer_clear"] = passive.clear
        if passive.media_id and self._world.upload(letter.account.name, passive.media_id) is None:
            return "fault", "the MediaId is unknown or its three days are over"
        if letter.msg_id in self._answered:
            entry["repeated"] = True  # one message shows one passive reply, however often it was delivered
        else:
            self._show(letter, passive)
        if letter.msg_id:
            self._answered.add(letter.msg_id)
        return "replied", ""

    def _show(self, letter: Letter, passive: Passive) -> None:
        if passive.kind == "transfer_customer_service":
            return
        card = {"media": passive.media_id} if passive.media_id else None
        if passive.articles:
            first = passive.articles[0]
            card = {"title": first.title, "description": first.description, "url": first.url}
        self._world.show(
            letter.account.name,
            letter.openid,
            "account",
            passive.kind,
            passive.text or ("[图片]" if passive.media_id else ""),
            via="passive",
            card=card,
            msg_id=letter.msg_id,
            answers=letter.item,
        )


def _nonce() -> str:
    return str(secrets.randbelow(900_000_000) + 100_000_000)

"""Automated visits as chats, through the running service and the real engine.

All of them are played at once, eight doctors at a time, before the first test reads how its own went: what a
chat waits for is others' work, so fifty cost little more than the longest few.
"""

from __future__ import annotations

import asyncio
import csv
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from bot.clock import CHINA
from bot.commands.context import Context, context
from bot.content import edition_in_force
from bot.model import Account, Channel
from bot.store import contacts, visits
from bot.store.visits import VisitRow
from bot.visits import begin_now, plan_for, summaries_of, write_summaries
from tests.journeys.chats import Chat, read_chats
from tests.phone import Phone, shown
from tests.running import Service

CHATS = read_chats("visits")
AT_ONCE = 8
HEADS = ["外部编号", "姓名", "医院", "科室", "关注领域", "渠道", "渠道账号"]
MEDIA = {
    "voice": {"type": "voice"},
    "image": {"type": "image"},
    "location": {"type": "location", "content": "示例县人民医院"},
}


@dataclass
class Play:
    """One chat on one phone. `log` is all that was said, for a failing test."""

    chat: Chat
    phone: Phone
    doctor: str
    service: Service
    home: Context
    said: str = ""  # the reply that was read last
    log: list[str] = field(default_factory=list)

    async def run(self) -> None:
        """Raises AssertionError at the first line that does not hold."""
        if self.chat.who == "doctor":
            await self.phone.ask("你好", seconds=60)
        for mark, what in self.chat.lines:
            self.log.append(f"{mark} {what}")
            await self._step(mark, what)

    async def _step(self, mark: str, what: str) -> None:
        match mark:
            case ">" | "+":
                await self.phone.send(type="text", content=what)
            case "!":
                await self.phone.send(**MEDIA[what])
            case "&":
                await self.phone.send(type="event", event="CLICK", event_key=what)
            case "<":
                await self._hears([part for part in what.split(" | ") if part != "~"])
            case "^":
                assert what not in self.said, f"{what} in: {self.said}"
            case "~":
                await self.phone.silent(1.5)
            case "*":
                await self._begin()
            case "$":
                words = what.format(doctor=self.doctor, openid=self.phone.openid).split()
                await asyncio.to_thread(self.service.prints, *words)
            case "=":
                await self._stands(what.split())
            case _:
                await self._told(what, there=mark == "?")

    async def _hears(self, parts: list[str]) -> None:
        """The next reply holds all of these; a picture and the question after it are several messages."""
        self.said, missing = "", parts
        seconds = 60.0  # for the first message; the others follow at once
        while missing or not self.said:
            try:
                self.said += "\n".join(shown(item) for item in await self.phone.next(seconds=seconds)) + "\n"
            except AssertionError:
                if not self.said:
                    raise
                break
            missing, seconds = [part for part in parts if part not in self.said], 10.0
        self.log.append(f"    {self.said}")
        assert not missing, f"{missing} not in: {self.said}"

    async def _begin(self) -> None:
        """As `medrep visit` does, without a process of its own."""
        async with self.home.db.begin() as tx:
            contact = await contacts.by_address(tx, self.home.vault, self._account(), self.phone.openid)
            edition, now = await edition_in_force(tx), self.home.clock.now()
            assert contact is not None and edition is not None
            plan = await plan_for(tx, contact, edition.content, now)
            assert plan is not None
            await begin_now(tx, contact, plan, now)

    async def _stands(self, wanted: list[str]) -> None:
        """The rows say so, at the latest after the next round of what looks after visits."""
        deadline = time.monotonic() + 60.0
        while not set(wanted) <= (found := _words(await self._newest())):
            assert time.monotonic() < deadline, f"{wanted}: {found}"
            await asyncio.sleep(0.3)

    async def _newest(self) -> VisitRow | None:
        async with self.home.db.begin() as tx:
            contact = await contacts.by_address(tx, self.home.vault, self._account(), self.phone.openid)
            found = await visits.of_person(tx, contact.person_id, 1) if contact else []
        return found[0] if found else None

    async def _told(self, what: str, *, there: bool) -> None:
        """Of the newest summary; each of its sentences names the messages that show it."""
        deadline = time.monotonic() + 30.0
        while True:
            await write_summaries(self.home.db, self.home.vault, self.home.clock)
            async with self.home.db.begin() as tx:
                found = await summaries_of(tx, self.home.vault, self.doctor)
            if found:
                break
            assert time.monotonic() < deadline, "no summary was written"
            await asyncio.sleep(0.3)
        newest = found[-1]
        assert all(one["turns"] for one in newest["statements"])
        sentences = [one["text"] for one in newest["statements"]]
        sentences += [newest["attitude"], *newest["requests"], f"下一步：{newest['next_step']}"]
        assert any(what in one for one in sentences) is there, sentences

    def _account(self) -> Account:
        return Account(Channel.WECHAT, self.phone.account)


def _words(visit: VisitRow | None) -> set[str]:
    if visit is None:
        return {"none"}
    words = {visit.state, visit.ending or "", visit.step, visit.need}
    if visit.moved_to is not None:
        at = visit.moved_to.astimezone(CHINA)
        days = (at.date() - visit.planned_at.astimezone(CHINA).date()).days
        words |= {f"{at:%H:%M}", f"+{days}"}
    return words


@asynccontextmanager
async def _inside(service: Service) -> AsyncIterator[Context]:
    """What a command in this service's home works on."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in service.env.items():
            if name.startswith("MEDREP_"):
                patch.setenv(name, value)
        async with context() as home:
            yield home


@pytest.fixture(scope="session")
async def played(
    request: pytest.FixtureRequest, service: Service, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Play, BaseException | None]]:
    """Every chat that is asked for, played: title -> the play, and what went wrong in it."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    asked = [item.callspec.params.get("chat") for item in items if hasattr(item, "callspec")]
    chats = [chat for chat in CHATS if chat in asked]
    limit = asyncio.Semaphore(AT_ONCE)

    async def guarded(play: Play) -> None:
        async with limit:
            await play.run()

    async with aiohttp.ClientSession() as http, _inside(service) as home:
        plays = []
        for number, chat in enumerate(chats):
            account = "sandbox-patient" if chat.who == "patient" else "sandbox"
            phone = await Phone.newcomer(http, service.url, f"访{number}", account)
            plays.append(Play(chat, phone, f"V-{number}", service, home))
        file = tmp_path_factory.mktemp("visits") / "doctors.csv"
        _write(file, [play for play in plays if play.chat.who == "doctor"])
        await asyncio.to_thread(service.prints, "import-doctors", file)
        ends = await asyncio.gather(*map(guarded, plays), return_exceptions=True)
    return {play.chat.title: (play, end) for play, end in zip(plays, ends, strict=True)}


def _write(file: Path, plays: list[Play]) -> None:
    rows = []
    for number, play in enumerate(plays):
        name = f"访客{'甲乙丙丁戊己庚辛壬癸'[number % 10]}"
        place = ["示例县人民医院", "全科", "糖尿病", "wechat:sandbox"]
        rows.append([play.doctor, name, *place, play.phone.openid])
    with file.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows([HEADS, *rows])


def test_there_are_forty_that_differ() -> None:
    courses = {tuple(line for line in chat.lines if line[0] in ">+!&*$") for chat in CHATS}
    assert len(courses) == len(CHATS) >= 40


@pytest.mark.timeout(600)
@pytest.mark.parametrize("chat", CHATS, ids=lambda chat: chat.title)
async def test_a_visit(played: dict[str, tuple[Play, BaseException | None]], chat: Chat) -> None:
    play, end = played[chat.title]
    if end is not None:
        raise AssertionError("\n".join([f"{type(end).__name__}: {end}", *play.log])) from end

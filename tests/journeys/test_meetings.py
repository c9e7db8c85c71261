"""Invitations to meetings as chats, through the running service and the real engine."""

from __future__ import annotations

import asyncio
import csv
import json
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import text

from bot.clock import CHINA
from bot.content import publish, withdraw
from bot.knowledge import Content
from bot.meetings import invite
from bot.store import contacts
from bot.store import content as revisions
from bot.store import meetings as rows
from bot.store.database import Database
from tests.approved import approved
from tests.journeys.chats import Chat, read_chats
from tests.journeys.test_doctor_page import by_day
from tests.journeys.test_visits import AT_ONCE, HEADS, Play, _inside
from tests.meetings.hall import LECTURE, OTHER, meeting
from tests.phone import Phone
from tests.running import Service, index
from tests.stage import ENCODER

CHATS = read_chats("meetings")
SHORT = "short"  # the one that is called off
DEMO = "demo-hypertension-2027"  # the seed's
_SILENT = text(
    "UPDATE turn SET started_at = started_at - interval '1 hour' "
    "WHERE contact_id IN (SELECT id FROM contact WHERE person_id = :person)"
)


@dataclass
class Meeting(Play):
    """One chat about meetings on one phone."""

    async def _step(self, mark: str, what: str) -> None:
        if mark == "%":
            await self._invited(what)
        elif mark == "-":
            await self._called_off(what)
        else:
            await super()._step(mark, what)

    async def _invited(self, meeting_id: str) -> None:
        """As `medrep invite` does, without a process of its own; nothing keeps it from leaving now."""
        async with self.home.db.begin() as tx:
            contact = await contacts.by_address(tx, self.home.vault, self._account(), self.phone.openid)
            assert contact is not None
            await tx.execute(_SILENT, {"person": contact.person_id})
            await invite(tx, contact, meeting_id, "wu", self.home.clock.now())

    async def _called_off(self, meeting_id: str) -> None:
        async with self.home.db.begin() as tx:
            (found,) = [one for one in await revisions.of_item(tx, meeting_id) if one.state == "published"]
        now = self.home.clock.now()
        await withdraw(self.home.db, found.id, "yi-xue", "试", now, ENCODER, index())

    async def _stands(self, wanted: list[str]) -> None:
        deadline = time.monotonic() + 60.0
        while not set(wanted) <= (found := await self._words()):
            assert time.monotonic() < deadline, f"{wanted}: {found}"
            await asyncio.sleep(0.3)

    async def _words(self) -> set[str]:
        async with self.home.db.begin() as tx:
            contact = await contacts.by_address(tx, self.home.vault, self._account(), self.phone.openid)
            assert contact is not None
            found = await rows.of_person(tx, contact.person_id, 10)
        newest = max(found, key=lambda one: one.asked_at or one.invited_at, default=None)
        return {newest.state, f"timers:{len(newest.timers)}"} if newest else {"none"}


@pytest.fixture(scope="module")
async def played(
    service: Service, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Meeting, BaseException | None]]:
    """Every chat, played by day: title -> the play, and what went wrong in it."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def guarded(play: Meeting) -> None:
        async with limit:
            await play.run()

    with pytest.MonkeyPatch.context() as patch:
        await by_day(service, patch)
    async with aiohttp.ClientSession() as http, _inside(service) as home:
        plays = []
        for number, chat in enumerate(CHATS):
            phone = await Phone.newcomer(http, service.url, f"会{number}", "sandbox")
            plays.append(Meeting(chat, phone, f"M-{number}", service, home))
        file = tmp_path_factory.mktemp("meetings") / "doctors.csv"
        _write(file, plays)
        await asyncio.to_thread(service.prints, "import-doctors", file)
        now = home.clock.now()
        when = now.astimezone(CHINA).replace(hour=19, minute=30, second=0, microsecond=0)
        await _announce(home.db, when + timedelta(days=6), now)
        ends = await asyncio.gather(*map(guarded, plays), return_exceptions=True)
    return {play.chat.title: (play, end) for play, end in zip(plays, ends, strict=True)}


async def _announce(db: Database, when: datetime, now: datetime) -> None:
    others = (
        meeting(OTHER, when + timedelta(days=20), topic="高血压规范管理（试）"),
        meeting(SHORT, when + timedelta(days=2), topic="短会（试）", specialties=["儿科"]),
    )
    drafts = await approved(db, Content(meetings=(meeting(LECTURE, when), *others)), now)
    await publish(db, drafts, "test", now, ENCODER, index())


def _write(file: Path, plays: list[Meeting]) -> None:
    with file.open("w", encoding="utf-8", newline="") as out:
        table = csv.writer(out)
        table.writerow(HEADS)
        for number, play in enumerate(plays):
            name = f"会友{'甲乙丙丁戊己庚辛壬癸'[number % 10]}"
            place = ["示例县人民医院", "全科", "糖尿病", "wechat:sandbox"]
            table.writerow([play.doctor, name, *place, play.phone.openid])


@pytest.mark.timeout(600)
@pytest.mark.parametrize("chat", CHATS, ids=lambda chat: chat.title)
async def test_a_meeting(played: dict[str, tuple[Meeting, BaseException | None]], chat: Chat) -> None:
    play, end = played[chat.title]
    if end is not None:
        raise AssertionError("\n".join([f"{type(end).__name__}: {end}", *play.log])) from end


async def test_the_commands(
    http: aiohttp.ClientSession, service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`medrep meetings` and `medrep invite`, with what they refuse."""
    await by_day(service, monkeypatch)
    phone = await Phone.newcomer(http, service.url, "命令", "sandbox")
    with (tmp_path / "doctors.csv").open("w", encoding="utf-8", newline="") as out:
        place = ["示例县人民医院", "全科", "", "wechat:sandbox", phone.openid]
        silent = ["C-2", "会友壬壬", "示例县人民医院", "全科", "", "", ""]
        csv.writer(out).writerows([HEADS, ["C-1", "会友辛辛", *place], silent])
    await asyncio.to_thread(service.prints, "import-doctors", tmp_path / "doctors.csv")

    async def invited(meeting_id: str, external_id: str) -> tuple[int, str]:
        done = await asyncio.to_thread(service.medrep, "invite", meeting_id, external_id)
        return done.returncode, done.stdout + done.stderr

    def listed() -> dict[str, dict[str, Any]]:
        lines = [json.loads(line) for line in service.prints("meetings").splitlines()]
        return {line["id"]: line for line in lines}

    before = await asyncio.to_thread(listed)  # the conversations above invite, too
    (soon,) = [one for one in before if one.startswith("demo-2")][:1]
    number, told = await invited(DEMO, "C-1")
    assert number == 0 and "waits (window)" in told, "they have never written"
    await phone.ask("你好")
    number, told = await invited(soon, "C-1")
    assert number == 0 and "waits (conversation), asked again at" in told, told
    for meeting_id, external_id, why in (
        (soon, "C-1", "already invited to it"),
        ("unheard-of", "C-1", "no meeting unheard-of is in force"),
        (soon, "NOBODY", "no doctor has this external id"),
        (soon, "C-2", "not verified"),
    ):
        number, told = await invited(meeting_id, external_id)
        assert number != 0 and why in told and "Traceback" not in told, told
    await phone.ask("以后别再给我发消息了")
    number, told = await invited(LECTURE, "C-1")
    assert number != 0 and "has stopped us" in told, told
    line = (await asyncio.to_thread(listed))[soon]
    assert list(line) == [
        *("id", "topic", "starts_at", "ends_at", "place", "link", "product", "state"),
        *("invited", "accepted", "declined"),
    ]
    assert (line["state"], line["place"]) == ("upcoming", None)
    assert line == {**before[soon], "invited": before[soon]["invited"] + 1}

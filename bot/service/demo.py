"""The demo's people and accounts: the sandbox writes them, the ordinary import loads them."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from bot.clock import CHINA
from bot.content import announce, meetings_in_force
from bot.doctors import import_doctors, issue_codes
from bot.knowledge import Meeting
from bot.model import Account, Channel, Fault, MedrepError
from bot.service.process import plain_environment
from bot.settings import ROOT, Settings
from bot.staff import Role, add, register, today
from bot.store import business_clock, progress, staff
from bot.store.database import Database
from bot.store.doctors import without_code
from bot.store.key_holders import open_keyring
from bot.store.vault import Vault

FOLDER = ROOT / "data" / "demo"
DOCTORS = FOLDER / "doctors.csv"  # who has a history


async def write_accounts(home: Path, api_base: str) -> None:
    """The sandbox's accounts in `home/sandbox.toml`, made once; their address is brought up to date."""
    await _sandbox("accounts", "--out", str(home / "sandbox.toml"), "--api-base", api_base)


async def people(db: Database, settings: Settings) -> list[str]:
    """Load the demo's doctors; lines that tell who still has to verify, and with which code."""
    file = settings.home / "demo-doctors.csv"
    await _sandbox("doctors", "--out", str(file))
    async with db.begin() as tx:
        clock = await business_clock.clock(tx)
        vault = Vault(await open_keyring(tx, settings.key_dir))
    report = await import_doctors(db, vault, clock, settings.accounts, file, by="demo")
    lines = [f"demo row {fault.row} was not loaded: {fault.reason}" for fault in report.faults]
    codes = Printed(settings.home / "demo-codes.csv")
    codes_by_id = codes.read()
    async with db.begin() as tx:
        waiting = [
            external_id for external_id, _ in await without_code(tx, report.loaded, clock.now(), renew=True)
        ]
    without_file = [external_id for external_id in waiting if external_id not in codes_by_id]
    for chosen, renew in ((waiting, False), (without_file, True)):
        issued = await issue_codes(db, vault.keyring, clock, chosen, renew=renew, by="demo", keep=codes.add)
        codes_by_id |= dict(issued)
    return lines + [f"invitation  {external_id}  code {codes_by_id[external_id]}" for external_id in waiting]


@dataclass(frozen=True, slots=True)
class Login:
    """An account of the demo. `days`: how long the registration of this rep still is."""

    login: str
    role: Role
    name: str
    days: int | None = None


# The reps are those of the demo's doctors. One registration ends soon, to show the warning.
LOGINS = (
    Login("zhou", Role.REP, "周代表（演示）", 360),
    Login("wu", Role.REP, "吴代表（演示）", 20),
    Login("qian", Role.REP, "钱代表（演示）", 200),
    Login("manager", Role.MANAGER, "郑经理（演示）"),
    Login("care", Role.CARE, "冯关怀（演示）"),
    Login("medical", Role.MEDICAL, "卫医学（演示）"),
    Login("pv", Role.PV, "蒋警戒（演示）"),
    Login("compliance", Role.COMPLIANCE, "沈合规（演示）"),
    Login("legal", Role.REVIEWER, "韩法务（演示）"),
    Login("admin", Role.ADMIN, "杨管理（演示）"),
    Login("auditor", Role.AUDITOR, "朱审计（演示）"),
)
ACCOUNTS = ("sandbox", "sandbox-patient")
SOON = timedelta(days=14)
TEAM, COMPANY = "演示一队", "示例制药有限公司（演示）"


async def logins(db: Database, settings: Settings) -> list[str]:
    """One account for each role, which the console lets in from this machine alone; lines that tell their
    passwords, the same at every start."""
    passwords, lines = Printed(settings.home / "demo-logins.csv"), []
    known = passwords.read()
    for one in LOGINS:
        async with db.begin() as tx:
            clock = await business_clock.clock(tx)
            now = clock.now()
            exists = bool(await staff.read(tx, one.login))
            if exists and one.login not in known:
                lines.append(f"login       {one.login} is not the demo's, and stays as it is")
                continue
            if not exists:
                password = await add(tx, one.login, [one.role], now, name=one.name, team=TEAM, by="demo")
                found = await staff.read(tx, one.login)
                await staff.mark_demo(tx, found[0].id)
                if one.days is not None:
                    until = today(now) + timedelta(days=one.days)
                    number = f"演示备案{one.login.upper()}001"
                    await register(tx, one.login, number, now, company=COMPANY, until=until, by="demo")
                passwords.add([(one.login, password)])
                known[one.login] = password
        lines.append(f"login       {one.role.value:<10}  {one.login:<10}  {known[one.login]}")
    return lines


async def meetings(db: Database) -> None:
    """There is always one next week: where none is ahead soon, one of the demo's own comes into force."""
    async with db.begin() as tx:
        now = (await business_clock.clock(tx)).now()
        if any(now < one.starts_at < now + SOON for one in await meetings_in_force(tx)):
            return
    starts = (now.astimezone(CHINA) + timedelta(days=7)).replace(hour=19, minute=30, second=0, microsecond=0)
    meeting = Meeting(
        id=f"demo-{starts:%Y%m%d}",
        topic="糖尿病肾病规范管理线上交流（演示）",
        speaker="示例市中心医院 虚教授（演示）",
        host=COMPANY,
        starts_at=starts,
        ends_at=starts + timedelta(hours=1),
        link="https://meeting.example.com/demo-diabetes",
        interests=("糖尿病",),
    )
    await announce(db, meeting, now)


async def menus(db: Database, settings: Settings) -> list[str]:
    """The menus of the demo's accounts, set at the sandbox as at any platform; a line for what went wrong."""
    from bot.platforms import menus_for, official_accounts, publish_menu  # noqa: PLC0415 - nobody else's start needs them

    if not settings.sandbox:
        return []
    async with db.begin() as tx:
        clock, keyring = await business_clock.clock(tx), await open_keyring(tx, settings.key_dir)
    try:
        async with official_accounts(settings, db, keyring) as platforms:
            audiences = [settings.accounts.audience(Channel.WECHAT, name) for name in ACCOUNTS]
            for name, menu in zip(ACCOUNTS, await menus_for(db, audiences), strict=True):
                await publish_menu(db, platforms[Account(Channel.WECHAT, name)], menu, clock.now(), "demo")
    except MedrepError as error:
        return [f"menu        not published: {error.detail or error}"]
    return []


@dataclass
class Progress:
    """How far the history was played, over restarts: `demo-history.json` of the home."""

    path: Path
    now: datetime  # what its days are counted from
    done: int = 0
    whole: bool = False

    @classmethod
    def read(cls, home: Path) -> Progress | None:
        """None: it was never begun."""
        path = home / "demo-history.json"
        if not path.exists():
            return None
        kept = json.loads(path.read_text(encoding="utf-8"))
        return cls(path, datetime.fromisoformat(kept["now"]), kept["done"], kept["whole"])

    def write(self, done: int, *, whole: bool = False) -> None:
        self.done, self.whole = done, whole
        part = self.path.with_suffix(".part")
        kept = {"now": self.now.isoformat(), "done": done, "whole": whole}
        part.write_text(json.dumps(kept), encoding="utf-8")
        part.replace(self.path)


async def history_wanted(db: Database, home: Path) -> bool:
    """Whether it is still to be played, or to its end: on a home that nobody has ever written to."""
    kept = Progress.read(home)
    if kept is not None:
        return not kept.whole
    async with db.begin() as tx:
        return not await progress.anybody_wrote(tx)


class Printed:
    """What the demo prints, in the clear, so that a second start can print it again: invitation codes by
    external id, passwords by login."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, str]:
        """The newest of each name."""
        if not self._path.exists():
            return {}
        with self._path.open(encoding="utf-8", newline="") as file:
            return dict(csv.reader(file))

    def add(self, codes: list[tuple[str, str]]) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(codes)
            file.flush()
            os.fsync(file.fileno())


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

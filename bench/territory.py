"""Many doctors with what was said: the rows that the console's pages are measured on.

The list is made by the ordinary import. What was said is appended in bulk, every text encrypted under its
contact's key as the product does it; nothing of it was ever understood or sent.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from argon2 import PasswordHasher
from sqlalchemy import insert, text

from bot.clock import Clock
from bot.doctors import import_doctors
from bot.model import Account, Audience, Channel
from bot.settings import read_accounts
from bot.staff import Role
from bot.store import contact_keys, staff, visit_plans
from bot.store.contacts import Contact
from bot.store.database import Database, Tx, copy_in
from bot.store.tables import inbox, outbox, task, turn, visit, visit_summary, visit_summary_version
from bot.store.vault import Vault
from bot.store.visit_plans import PlanRow
from bot.tasks import Kind
from sandbox.accounts import write_demo_accounts

ACCOUNT = Account(Channel.WECHAT, "sandbox")
REPS, TEAM = 100, 10  # of them in a team
PASSWORD = "a password of the bench"
BATCH = 2000  # contacts
DAYS = 180
ASKED = (
    "二甲双胍肾功能不全能用吗",
    "氨氯地平和辛伐他汀能一起用吗",
    "老年人用二甲双胍要注意什么",
    "阿托伐他汀早上吃还是晚上吃",
    "缬沙坦漏服了怎么办",
)
ANSWERED = "说明书载明的要点在此，共约一百字。" * 6 + "\n来源：说明书（演示稿）【用法用量】 · 版本 演示版 1.0"
SURNAMES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜"
GIVEN = "子丑寅卯辰巳午未申酉戌亥甲乙丙丁戊己庚辛壬癸"


def name_of(number: int) -> str:
    """Invented, and not one for each doctor."""
    first, rest = divmod(number, len(GIVEN))
    return SURNAMES[first % len(SURNAMES)] + GIVEN[rest] + GIVEN[(number * 7 + 3) % len(GIVEN)]


def write_list(path: Path, doctors: int, *, accounts: bool) -> None:
    """An import list of so many; `accounts`: each with an openid, and so verified."""
    heads = ["外部编号", "姓名", "医院", "医院等级", "科室", "职称", "城市", "关注领域", "负责代表"]
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([*heads, "渠道", "渠道账号"])
        for number in range(doctors):
            row = [
                f"B-{number}",
                name_of(number),
                f"第{number // 40}虚构卫生院",
                "一级",
                "全科",
                "主治医师",
                f"虚构{number // 4000}市",
                "糖尿病",
                f"代表{number % REPS}",
            ]
            rows.writerow([*row, *((str(ACCOUNT), f"oBench{number:022d}") if accounts else ("", ""))])


async def import_list(db: Database, vault: Vault, path: Path, expected: int) -> None:
    file = path.with_name("sandbox.toml")
    write_demo_accounts(file, "http://127.0.0.1:1/sandbox/wechat")
    report = await import_doctors(db, vault, Clock(), read_accounts(file), path, by="bench")
    assert report.added == expected, (report.added, report.faults[:3])


async def hire(db: Database, now: datetime) -> None:
    """Logins for the reps, by the names that the import knew, and a manager for the first team."""
    hashed = PasswordHasher().hash(PASSWORD)
    logins = [(f"代表{number}", f"rep{number}", Role.REP, f"team{number // TEAM}") for number in range(REPS)]
    async with db.begin() as tx:
        for name, login, role, team in [*logins, ("经理", "manager", Role.MANAGER, "team0")]:
            added = await staff.add(tx, name, login, hashed, team)
            assert added is not None
            await staff.add_roles(tx, added, [role])
            await staff.mark_demo(tx, added)


async def fill(db: Database, vault: Vault, messages: int, now: datetime) -> None:
    """So many messages, half of them ours, over all contacts; visits with summaries; open tasks."""
    chance = random.Random(7)  # the same rows each time
    async with db.begin() as tx:
        total = (await tx.execute(text("SELECT count(*) FROM contact"))).scalar_one()
        plan = PlanRow("bench", "metformin", "试", (), (), (), now.date(), now.date(), 30, 0)
        await visit_plans.write_plan(tx, plan, "bench", now)
    each, after = max(messages // 2 // total, 1), 0
    while True:
        async with db.begin() as tx:
            found = [_contact(row) for row in await tx.execute(_CONTACTS, {"after": after, "limit": BATCH})]
            if not found:
                break
            after = found[-1].id
            keys = await contact_keys.keys_of(tx, vault, found)
            await _said(tx, vault, found, keys, each, now, chance)
            await _visits(tx, vault, found[::5], keys, now, chance)
            await _tasks(tx, vault, found[::50], now)


_CONTACTS = text(
    "SELECT contact.*, person.stopped_at FROM contact JOIN person ON person.id = person_id "
    "WHERE contact.id > :after ORDER BY contact.id LIMIT :limit"
)


def _contact(row: Any) -> Contact:
    return Contact(row.id, ACCOUNT, Audience.DOCTOR, row.person_id, row.key_id, row.introduced_at, None, None)


async def _said(
    tx: Tx,
    vault: Vault,
    found: list[Contact],
    keys: dict[int, UUID],
    each: int,
    now: datetime,
    chance: random.Random,
) -> None:
    """Each question has its turn and its answer."""
    asked, made, answered = [], [], []
    for contact in found:
        moments = sorted(now - timedelta(days=chance.random() * DAYS) for _ in range(each))
        for at in moments:
            turn_id, entry = uuid4(), chance.randrange(len(ASKED))
            question = json.dumps(
                {"text": ASKED[entry], "choice": "", "event": "", "detail": {}}, ensure_ascii=False
            )
            answer = json.dumps({"parts": [[ANSWERED, "content:bench@1"]], "choices": []}, ensure_ascii=False)
            shared = {"contact_id": contact.id, "person_id": contact.person_id}
            asked.append(
                {
                    **shared,
                    "channel": "wechat",
                    "account": ACCOUNT.name,
                    "key": turn_id.hex,
                    "kind": "text",
                    "body_enc": await vault.seal(tx, keys[contact.id], question, "inbox.body"),
                    "received_at": at,
                    "state": "done",
                    "ready_at": at,
                    "turn_id": turn_id,
                }
            )
            made.append(
                {
                    "id": turn_id,
                    "contact_id": contact.id,
                    "state": "done",
                    "fence": 1,
                    "lease_until": at,
                    "started_at": at,
                    "ended_at": at,
                    "route": "answer",
                }
            )
            answered.append(
                {
                    **shared,
                    "account": ACCOUNT.name,
                    "turn_id": turn_id,
                    "body_enc": await vault.seal(tx, keys[contact.id], answer, "outbox.body"),
                    "basis": "content:bench@1",
                    "purpose": "reply",
                    "state": "sent",
                    "created_at": at,
                    "retry_at": at,
                    "sent_at": at + timedelta(seconds=1),
                    "via": "passive",
                }
            )
    await copy_in(tx, turn, made)
    await copy_in(tx, inbox, asked)
    await copy_in(tx, outbox, answered)


async def _visits(
    tx: Tx,
    vault: Vault,
    found: list[Contact],
    keys: dict[int, UUID],
    now: datetime,
    chance: random.Random,
) -> None:
    """One for each; one in ten waits for its review."""
    for contact in found:
        begun = now - timedelta(days=chance.random() * DAYS)
        ended = begun + timedelta(minutes=12)
        shared = {"contact_id": contact.id, "person_id": contact.person_id}
        values = {
            **shared,
            "plan_id": "bench",
            "state": "ended",
            "step": "next",
            "forced": False,
            "requested": False,
            "planned_at": begun,
            "begun_at": begun,
            "last_at": ended,
            "ended_at": ended,
            "ending": "completed",
        }
        visit_id = (await tx.execute(insert(visit).values(**values).returning(visit.c.id))).scalar_one()
        said = [{"text": f"第{number}句：医生关心用法用量，认可资料。", "turns": [1]} for number in range(6)]
        body = {
            "label": "AI拜访",
            "time": begun.isoformat(),
            "channel": "微信",
            "topic": "试",
            "statements": said,
            "questions": [],
            "attitude": "认可",
            "requests": [],
            "next_step": "无",
        }
        plain = json.dumps(body, ensure_ascii=False)
        sealed = await vault.seal(tx, keys[contact.id], plain, "visit_summary.body")
        open_one = chance.random() < 0.1
        approval = {} if open_one else {"approved_by": "rep0", "approved_at": ended + timedelta(hours=20)}
        state = "draft" if open_one else "approved"
        await tx.execute(
            insert(visit_summary).values(
                visit_id=visit_id, state=state, body_enc=sealed, made_at=ended, **shared, **approval
            )
        )
        await tx.execute(
            insert(visit_summary_version).values(
                visit_id=visit_id, number=1, kind="draft", login="", body_enc=sealed, at=ended, **shared
            )
        )


async def _tasks(tx: Tx, vault: Vault, found: list[Contact], now: datetime) -> None:
    """Who wants a person, half of them of their rep and half of medical information."""
    reps: dict[UUID, UUID] = {
        row.person_id: row.rep_id
        for row in await tx.execute(
            text("SELECT person_id, rep_id FROM doctor WHERE person_id = ANY(:of)"),
            {"of": [contact.person_id for contact in found]},
        )
    }
    for number, contact in enumerate(found):
        medical = number % 2 == 0
        await tx.execute(
            insert(task).values(
                kind=(Kind.MEDICAL_INFORMATION if medical else Kind.HAND_OVER).value,
                contact_id=contact.id,
                person_id=contact.person_id,
                owner_role="medical" if medical else "rep",
                owner_id=None if medical else reps[contact.person_id],
                key_id=contact.person_id,
                detail_enc=await vault.seal(tx, contact.person_id, "想找同事", "task.detail"),
                opened_at=now - timedelta(hours=3),
                due_at=now + timedelta(hours=number % 9 - 2),
                state="open",
            )
        )


def picked(numbers: list[Any], most: int) -> Iterator[Any]:
    """At most so many of them, evenly."""
    step = max(len(numbers) // most, 1)
    yield from numbers[::step][:most]

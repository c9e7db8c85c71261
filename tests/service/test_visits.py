"""A visit that was moved goes on across a restart, and its steps are where the rules say."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
import yaml

from bot.clock import CHINA, real_now
from bot.dialogue.version import read_dialogue
from tests.phone import Phone
from tests.running import Service, ask, with_model
from tests.service.test_succession import spoken_by, until

EXAMPLES = 8  # of an intent: enough for what is said here, and trained in seconds
CHEN, DOCTOR = "oSbx1Dctr_ChenJia000000001aA", "DEMO-D001"  # of the demo's list, verified


def exchanged(folder: Path) -> str:
    """The exported dialogue in this folder, now with the message before the need; its fingerprint."""
    rules = folder / "data" / "rules" / "visits.yml"
    text = rules.read_text(encoding="utf-8")
    opening = (
        "      - action: visit_need_form\n      - active_loop: visit_need_form\n"
        "\n  - rule: the key message, and what they think of it\n"
    )
    told = (
        "      - action: action_visit_message\n"
        '      - slot_was_set: [{visit: "on"}]\n'
        "      - action: visit_reaction_form\n"
        "      - active_loop: visit_reaction_form\n"
    )
    asked = "      - action: visit_need_form\n      - active_loop: visit_need_form\n"
    following = "      - action: visit_next_form\n      - active_loop: visit_next_form\n\n  - rule: thanks\n"
    assert text.count(opening) == text.count(told) == text.count(following) == 1
    # permission -> message and reaction -> need -> what comes next
    text = text.replace(told, "NEXT").replace(following, f"{asked}\n  - rule: thanks\n")
    text = text.replace(opening, opening.replace(asked, told))
    text = text.replace("NEXT", "      - action: visit_next_form\n      - active_loop: visit_next_form\n")
    nothing = text[
        text.index("  - rule: no approved message is left") : text.index(
            "  - rule: not now, said to the permission"
        )
    ]
    text = text.replace(nothing, nothing.replace("visit_need_form", "visit_permission_form"))
    rules.write_text(text, encoding="utf-8")
    for file in (folder / "data" / "nlu").glob("*.yml"):
        file.write_text(_fewer(file.read_text(encoding="utf-8")), encoding="utf-8")
    return read_dialogue(folder).fingerprint


def _fewer(text: str) -> str:
    found = yaml.safe_load(text)
    for intent in found["nlu"]:
        lines = intent["examples"].splitlines()
        intent["examples"] = "".join(f"{line}\n" for line in lines[:EXAMPLES])
    return yaml.safe_dump(found, allow_unicode=True, sort_keys=False)


async def said(phone: Phone, text: str, *parts: str) -> None:
    answer = await phone.ask(text)
    missing = [part for part in parts if part not in answer]
    assert not missing, f"{missing} not in {answer}"


@pytest.fixture
def own(tmp_path: Path) -> Service:
    """A service of its own: its clock is moved, and its dialogue exchanged."""
    return Service(with_model(tmp_path / "home"), {"MEDREP_SANDBOX": "1", "MEDREP_TEST": "1"})


async def test_a_moved_visit_goes_on_after_a_restart_by_the_rules_that_are_in_force_then(
    http: aiohttp.ClientSession, tmp_path: Path, own: Service
) -> None:
    service = own
    tomorrow = (real_now().astimezone(CHINA) + timedelta(days=1)).replace(hour=9, minute=0, second=0)
    with service.serving("serve", "--demo"):
        phone = Phone(http, service.url, CHEN)
        await phone.ask("你好")
        number = (await asyncio.to_thread(service.prints, "visit", DOCTOR)).strip()
        (opening,) = await phone.next()
        assert "方便吗" in opening["text"]
        await said(phone, "门诊排到外头了，明早九点吧", f"{tomorrow.month}月{tomorrow.day}日", "09:00")

    await asyncio.to_thread(service.prints, "dialogue", "export", tmp_path / "files")
    fingerprint = exchanged(tmp_path / "files")
    await asyncio.to_thread(service.prints, "dialogue", "import", tmp_path / "files")
    with service.serving("serve", "--demo"):
        until(service, lambda: spoken_by(service) == fingerprint)
        # The platform's double has forgotten what was said before it was started again, our window with it.
        phone.url, phone.replies_read = service.url, 0
        await phone.ask("在吗")
        status, _ = ask(f"{service.url}/test/clock", body=json.dumps({"now": tomorrow.isoformat()}))
        assert status == 200
        resumed = "\n".join(one["text"] for one in await phone.next(seconds=40))
        assert "按您约的时间" in resumed and "方便吗" in resumed, "where it stood"
        await said(phone, "可以", "仅供医学药学专业人士阅读", "有帮助吗")
        await said(phone, "氨氯地平老年人怎么用", "来源", "刚才那条资料")
        await said(phone, "有帮助", "更关心哪一方面")
        await said(phone, "特殊人群", "接下来")
        await said(phone, "不用了", "谢谢您")
        deadline = time.monotonic() + 30
        while not (lines := (await asyncio.to_thread(service.prints, "summaries")).splitlines()):
            assert time.monotonic() < deadline
        summary = json.loads(lines[-1])
        assert (str(summary["id"]), summary["doctor"]) == (number, DOCTOR)
        texts = [one["text"] for one in summary["statements"]]
        assert any("改约" in one for one in texts) and any("氨氯地平老年人怎么用" in one for one in texts)
        assert all(one["turns"] for one in summary["statements"])

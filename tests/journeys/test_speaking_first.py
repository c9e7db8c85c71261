"""Turns that we begin, through the running service and the real engine: one is heard, one meets a form."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from bot.commands.context import contact_of, context
from bot.inbound.trigger import trigger
from bot.model import Purpose
from bot.people import consent
from bot.store.triggers import Trigger
from tests.phone import Phone
from tests.running import Service


async def begin(service: Service, monkeypatch: pytest.MonkeyPatch, contact: str, key: str) -> int | None:
    """The contact agrees to reminders, and a turn for one begins."""
    for name, value in service.env.items():
        monkeypatch.setenv(name, value)
    async with context() as home:
        found, now = await contact_of(home, contact), home.clock.now()
        async with home.db.begin() as tx:
            await consent.give(tx, found, Purpose.MEDICATION, now, text_version="test", source="test")
            expires_at = now + timedelta(hours=1)
            wanted = Trigger(found, "ask_help", {"plan": 1}, Purpose.MEDICATION, "plan:1", key, expires_at)
            return await trigger(tx, home.vault, wanted, now)


async def line(service: Service, contact: str, state: str, seconds: float = 30.0) -> dict[str, Any]:
    """The contact's newest line of the purpose, once it is in this state."""
    deadline = time.monotonic() + seconds
    while True:
        printed = await asyncio.to_thread(service.prints, "messages", "--contact", contact)
        lines = [json.loads(one) for one in printed.splitlines()]
        found = [one for one in lines if one["purpose"] == "medication"]
        if found and found[-1]["state"] == state:
            last: dict[str, Any] = found[-1]
            return last
        assert time.monotonic() < deadline, found


async def test_what_we_begin_is_said_once_for_its_purpose(
    http: aiohttp.ClientSession, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = await Phone.newcomer(http, service.url, "家属", "sandbox-patient")
    contact = f"wechat:sandbox-patient:{phone.openid}"
    await phone.ask("你好")
    assert await begin(service, monkeypatch, contact, "once") is not None
    (reply,) = await phone.next()
    assert "我能帮您" in reply["text"]
    assert await begin(service, monkeypatch, contact, "once") is None
    sent = await line(service, contact, "sent")
    assert (sent["lane"], sent["basis"].partition("@")[0]) == ("proactive", "response:utter_help")
    assert "不客气" in await phone.ask("谢谢"), "the conversation goes on from it"


async def test_a_form_in_progress_is_not_disturbed(
    http: aiohttp.ClientSession, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = await Phone.newcomer(http, service.url, "填表中")
    contact = f"wechat:sandbox:{phone.openid}"
    assert "邀请码" in await phone.ask("你好")
    number = await begin(service, monkeypatch, contact, "form")
    waiting = await line(service, contact, "deferred")
    assert (waiting["id"], waiting["reason"]) == (f"trigger:{number}", "form in progress")
    assert waiting["not_before"]
    assert "还差医院" in await phone.ask("我叫钱十五"), "the form goes on, and nobody was told of anything"

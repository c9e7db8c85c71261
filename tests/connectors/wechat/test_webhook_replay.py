"""What is posted twice, or at a wrong time: a replay acts on nothing, and no clock silences anybody."""

from __future__ import annotations

import hashlib
import time
from datetime import timedelta

import pytest

from bot.model import Message
from bot.privacy.retention import RULES
from connectors.wechat import webhook
from tests.connectors.wechat import world
from tests.connectors.wechat.conftest import MODES, Site
from tests.connectors.wechat.world import OPENID, Gateways, counted, event, post, text

YEAR = 60 * 24 * 365


@pytest.mark.parametrize("mode", ["compatible", "safe"])
@pytest.mark.parametrize("minutes", [-11, -YEAR, 11, YEAR])
async def test_a_signed_post_is_stored_however_wrong_a_clock_is(
    site: Site, gateways: Gateways, mode: str, minutes: int
) -> None:
    """F12: with our clock 11 minutes off every message was acknowledged and dropped, red flags too."""
    before = counted("medrep_webhook_clock_off_total", account=f"wechat:{mode}", outcome="accepted")
    sent = post(mode, text("胸痛"), at=time.time() + 60 * minutes)
    assert await site.send(mode, sent) == (200, "success")
    assert gateways[mode].one.text == "胸痛"
    after = counted("medrep_webhook_clock_off_total", account=f"wechat:{mode}", outcome="accepted")
    assert after == before + 1
    # A replay is caught by its key: the gateway is asked again, and stores nothing.
    assert await site.send(mode, sent) == (200, "success")
    assert (gateways[mode].accepted, len(gateways[mode].rows)) == (2, 1)


@pytest.mark.parametrize("minutes", [-11, -YEAR, 11, YEAR])
async def test_a_signature_without_the_body_is_good_for_its_time_only(
    site: Site, gateways: Gateways, minutes: int
) -> None:
    """F12: in plain mode an old address could be reused for any text; refused aloud, never acknowledged."""
    stale = post("plain", text("昨天的话"), at=time.time() + 60 * minutes)
    assert await site.send("plain", stale) == (503, "configuration")
    assert gateways["plain"].accepted == 0


async def test_an_old_post_is_refused_once_its_key_may_be_gone(site: Site, gateways: Gateways) -> None:
    """F12: only the key tells a replay, so a post may not be older than the inbox keeps keys."""
    (kept,) = (timedelta(days=rule.days) for rule in RULES if rule.store == "inbox")
    assert kept > webhook.KEYS_KEPT
    sent = post("safe", text("x"), at=time.time() - webhook.KEYS_KEPT.total_seconds() - 60)
    assert await site.send("safe", sent) == (503, "configuration")
    assert gateways["safe"].accepted == 0


async def test_a_clock_a_little_off_is_fine(site: Site, gateways: Gateways) -> None:
    for minutes in (-9, 9):
        await site.send("safe", post("safe", text("x"), at=time.time() + 60 * minutes))
    assert len(gateways["safe"].rows) == 2


@pytest.mark.parametrize("mode", MODES)
async def test_a_replay_is_acknowledged_and_acts_on_nothing(
    site: Site, gateways: Gateways, mode: str
) -> None:
    once = post(mode, text("你好", "6054768590064713728"))
    for _ in range(3):
        assert await site.send(mode, once) == (200, "success")
    assert list(gateways[mode].rows) == ["m:6054768590064713728"]


async def test_an_events_key_is_its_sender_time_name_and_key(site: Site, gateways: Gateways) -> None:
    same = {"CreateTime": "1409735668", "EventKey": "A"}
    for message in (
        event("CLICK", **same),
        event("CLICK", **same),  # the platform's retry
        event("CLICK", **{**same, "EventKey": "B"}),
        event("CLICK", **{**same, "CreateTime": "1409735669"}),
        event("CLICK", FromUserName="another", **same),
        event("VIEW", **same),
    ):
        await site.message("safe", message)
    keys = list(gateways["safe"].rows)
    assert len(keys) == 5
    assert keys[0] == "e:" + hashlib.sha256(f"{OPENID}\x001409735668\0CLICK\0A\0".encode()).hexdigest()
    assert not any(OPENID in key for key in keys)


async def test_two_reports_in_one_second_are_two(site: Site, gateways: Gateways) -> None:
    for msg_id in ("1", "2"):
        await site.message(
            "safe", event("TEMPLATESENDJOBFINISH", CreateTime="1409735668", MsgID=msg_id, Status="success")
        )
    assert [row.detail["platform_id"] for row in gateways["safe"].rows.values()] == ["1", "2"]


async def test_a_retry_is_offered_the_same_reply(site: Site, gateways: Gateways) -> None:
    gateways["plain"].reply = Message("答")
    once = post("plain", text("问"))
    first, again = await site.send("plain", once), await site.send("plain", once)
    assert world.flat(first[1])["Content"] == world.flat(again[1])["Content"] == "答"
    assert len(gateways["plain"].rows) == 1

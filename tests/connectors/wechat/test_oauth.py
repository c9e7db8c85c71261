"""Web OAuth: the state is ours, fresh and bound; the code gives the openid."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from bot.clock import real_now
from bot.model import Fault, MedrepError
from connectors.wechat import OAuth, WeChat
from tests.connectors.wechat import world
from tests.connectors.wechat.calls import Side, chain
from tests.connectors.wechat.world import APP_ID, OPENID, SECRET

KEY = b"k" * 32
BOUND = "meeting:7:cookie-a"


class Time:
    def __init__(self) -> None:
        self.moment = real_now()

    def __call__(self) -> datetime:
        return self.moment


def oauth(
    wechat: WeChat, base: str, *, now: Time | None = None, key: bytes = KEY, name: str = "demo"
) -> OAuth:
    return OAuth(world.account(name), world.settings("safe", base), wechat.api, key, now=now or Time())


def state_of(url: str) -> str:
    return parse_qs(urlsplit(url).query)["state"][0]


@pytest.mark.parametrize(
    ("base", "host"),
    [
        ("https://api.weixin.qq.com", "https://open.weixin.qq.com"),
        ("https://sh.api.weixin.qq.com/", "https://open.weixin.qq.com"),
        ("http://127.0.0.1:8080/sandbox/api/", "http://127.0.0.1:8080/sandbox/api"),
        ("https://weixin.qq.com.evil.example", "https://weixin.qq.com.evil.example"),
    ],
)
async def test_authorize_url(wechat: WeChat, base: str, host: str) -> None:
    url = oauth(wechat, base).authorize_url("https://rep.example/m/7?a=1&b=2", bound_to=BOUND)
    assert re.fullmatch(
        re.escape(host) + r"/connect/oauth2/authorize\?appid=" + APP_ID + r"&redirect_uri=[^&]+"
        r"&response_type=code&scope=snsapi_base&state=[a-zA-Z0-9]{1,128}#wechat_redirect",
        url,
    )
    assert parse_qs(urlsplit(url).query)["redirect_uri"] == ["https://rep.example/m/7?a=1&b=2"]
    assert SECRET not in url


async def test_a_code_gives_the_openid(wechat: WeChat, platform: Side) -> None:
    client = oauth(wechat, platform[1])
    state = state_of(client.authorize_url("https://rep.example/", bound_to=BOUND))
    assert await client.openid("good", state, bound_to=BOUND) == OPENID


async def test_a_state_is_ours_fresh_and_bound(wechat: WeChat, platform: Side) -> None:
    now = Time()
    client = oauth(wechat, platform[1], now=now)
    state = state_of(client.authorize_url("https://rep.example/", bound_to=BOUND))
    late = Time()
    late.moment += timedelta(minutes=11)
    later = f"{int(state[:8], 16) + 3600:08x}{state[8:]}"
    for who, given, bound in (
        (client, state, "meeting:7:cookie-b"),
        (client, later, BOUND),
        (client, state[:-1] + ("0" if state[-1] != "0" else "1"), BOUND),
        (client, state.upper() + "x", BOUND),
        (client, "", BOUND),
        (client, "药" * 88, BOUND),
        (oauth(wechat, platform[1], now=late), state, BOUND),
        (oauth(wechat, platform[1], key=b"x" * 32), state, BOUND),
        (oauth(wechat, platform[1], name="other"), state, BOUND),
    ):
        with pytest.raises(MedrepError) as caught:
            await who.openid("good", given, bound_to=bound)
        assert caught.value.fault is Fault.FORGED
    assert platform[0].requests == []


@pytest.mark.parametrize(
    ("code", "fault", "expected"),
    [
        ("bad", None, Fault.BAD_INPUT),
        ("good", 40163, Fault.BAD_INPUT),
        ("", None, Fault.BAD_INPUT),
        ("a&secret=b", None, Fault.BAD_INPUT),
        ("good", -1, Fault.TRANSIENT),
        ("good", "timeout", Fault.TRANSIENT),
        ("good", "midway", Fault.TRANSIENT),
    ],
)
async def test_no_openid(
    wechat: WeChat,
    platform: Side,
    code: str,
    fault: object,
    expected: Fault,
    caplog: pytest.LogCaptureFixture,
) -> None:
    platform[0].faults = [fault] if fault else []
    client = oauth(wechat, platform[1])
    state = state_of(client.authorize_url("https://rep.example/", bound_to=BOUND))
    with pytest.raises(MedrepError) as caught:
        await client.openid(code, state, bound_to=BOUND)
    assert caught.value.fault is expected
    assert SECRET not in chain(caught.value)

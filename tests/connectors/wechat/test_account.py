"""Menu and QR codes: the real calls against the platform's double, and how they fail."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from bot.model import Fault, MedrepError
from bot.settings import WeChatAccount
from connectors.wechat import OfficialAccount
from tests.connectors.wechat import world
from tests.connectors.wechat.world import MemoryTokens
from tests.sandbox.conftest import Bench, bench

__all__ = ["bench"]  # the fixture
MENU: list[dict[str, Any]] = [
    {"type": "click", "name": "今日一分钟", "key": "intent:visit_ask"},
    {"name": "我的", "sub_button": [{"type": "view", "name": "说明", "url": "https://a.cn"}]},
]


def owner(bench: Bench) -> OfficialAccount:
    known = bench.accounts["sandbox"]
    settings = WeChatAccount(
        **{name: getattr(known, name) for name in ("app_id", "app_secret", "token", "encoding_aes_key")},
        audience="doctor",
        api_base=f"{bench.url}/sandbox/wechat",
    )
    return OfficialAccount(world.account("sandbox"), settings, MemoryTokens(), bench.http)


async def refused(work: Any) -> MedrepError:
    with pytest.raises(MedrepError) as caught:
        await work
    return caught.value


async def test_a_menu_is_set_and_read_back(bench: Bench) -> None:
    account = owner(bench)
    assert await account.menu() is None
    await account.publish_menu(MENU)
    assert await account.menu() == MENU
    assert bench.double.world.menus["sandbox"] == {"button": MENU}


async def test_what_the_platform_refuses_is_told_with_its_code(bench: Bench) -> None:
    account = owner(bench)
    error = await refused(account.publish_menu([{**MENU[0], "name": "一个太长的菜单名"}]))
    assert (error.fault, error.code) == (Fault.REJECTED, 40018)
    await bench.faults(api=[{"api": "menu/create", "kind": "errcode", "errcode": 48001}])
    assert (await refused(account.publish_menu(MENU))).fault is Fault.NO_PERMISSION


async def test_a_call_without_an_answer_may_be_repeated(bench: Bench) -> None:
    account = owner(bench)
    for api, work in (
        ("menu/create", partial(account.publish_menu, MENU)),
        ("menu/get", account.menu),
        ("qrcode/create", partial(account.scan_url, "TY5BEA9QMECV", 60)),
    ):
        await bench.faults(api=[{"api": api, "kind": "html"}])
        assert (await refused(work())).fault is Fault.TRANSIENT, api
    await account.publish_menu(MENU)
    assert await account.menu() == MENU


async def test_a_qr_code_carries_its_scene_for_thirty_days_at_most(bench: Bench) -> None:
    account = owner(bench)
    url = await account.scan_url("TY5BEA9QMECV", 40 * 86_400)
    code = bench.double.world.code("sandbox", url)
    assert code is not None and code.scene == "TY5BEA9QMECV"
    assert code.until - bench.double.world.now() <= 30 * 86_400
    assert (await refused(account.scan_url("x" * 65, 60))).fault is Fault.BAD_INPUT
    assert (await refused(account.scan_url("", 60))).fault is Fault.BAD_INPUT

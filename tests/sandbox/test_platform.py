"""Tokens, users, menus, notices, web authorisation."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from sandbox.tokens import QuotaError, Tokens
from tests.sandbox.conftest import DOCTOR, PATIENT, Bench

# ---------------------------------------------------------------- tokens


async def test_stable_token_is_stable_and_apart_from_token(bench: Bench) -> None:
    first = await bench.token()
    assert await bench.token() == first
    account = bench.accounts["sandbox"]
    asked = {"grant_type": "client_credential", "appid": account.app_id, "secret": account.app_secret}
    ordinary = [(await bench.get("wechat/cgi-bin/token", **asked))["access_token"] for _ in range(2)]
    assert len({first, *ordinary}) == 3
    for token in (first, *ordinary):  # the ordinary one that was replaced lives five minutes more
        assert (await bench.get("wechat/cgi-bin/user/info", access_token=token, openid=DOCTOR))[
            "subscribe"
        ] == 1


async def test_a_forced_refresh_ends_the_old_one_at_once(bench: Bench) -> None:
    first = await bench.token()
    second = await bench.token(force_refresh=True)
    assert second != first
    assert await bench.token(force_refresh=True) == second  # within 30 seconds nothing is refreshed
    assert (await bench.call("message/custom/send", {}, token=first))["errcode"] == 40001
    assert (await bench.call("message/custom/send", {}, token=second))["errcode"] == 40003


def test_lifetimes() -> None:
    now = 1000.0
    tokens = Tokens(lambda: now)
    stable, seconds = tokens.stable("a", force=False)
    assert seconds == 7200
    now += 7200 - 301
    assert tokens.stable("a", force=False) == (stable, 301)
    now += 2  # five minutes early the next one is given out, and both hold
    renewed, _ = tokens.stable("a", force=False)
    assert renewed != stable
    assert tokens.check(stable) == tokens.check(renewed) == ("a", 0)
    now += 300
    assert tokens.check(stable) == ("", 42001)
    old, _ = tokens.ordinary("a")
    tokens.ordinary("a")
    now += 301
    assert tokens.check(old) == ("", 42001)


def test_twenty_forced_refreshes_a_day() -> None:
    now = 1000.0
    tokens = Tokens(lambda: now)
    for _ in range(20):
        tokens.stable("a", force=True)
        now += 31
    with pytest.raises(QuotaError):
        tokens.stable("a", force=True)


BAD_CLIENTS = [
    ({"grant_type": ""}, 40002),
    ({"appid": ""}, 41002),
    ({"appid": "wxnobody"}, 40013),
    ({"secret": ""}, 41004),
    ({"secret": "wrong"}, 40125),
]


@pytest.mark.parametrize(("swap", "errcode"), BAD_CLIENTS)
async def test_wrong_client(bench: Bench, swap: dict[str, str], errcode: int) -> None:
    account = bench.accounts["sandbox"]
    asked = {"grant_type": "client_credential", "appid": account.app_id, "secret": account.app_secret} | swap
    assert (await bench.post("wechat/cgi-bin/stable_token", asked))["errcode"] == errcode
    assert (await bench.get("wechat/cgi-bin/token", **asked))["errcode"] == errcode


async def test_token_refusals(bench: Bench) -> None:
    async def errcode(token: str) -> int:
        return int((await bench.call("message/custom/send", {"touser": "o"}, token=token))["errcode"])

    assert await errcode("") == 41001
    assert await errcode("invented") == 40001
    token = await bench.token()
    await bench.post("control/tokens", {"account": "sandbox", "end": True})
    assert await errcode(token) == 42001
    token = await bench.token()
    assert await errcode(token) == 40003
    await bench.post("control/tokens", {"account": "sandbox", "revoke": True})
    assert await errcode(token) == 40001


async def test_a_token_serves_its_own_account_only(bench: Bench) -> None:
    body = {"touser": PATIENT, "msgtype": "text", "text": {"content": "好"}}
    assert (await bench.call("message/custom/send", body, account="sandbox"))["errcode"] == 40003


async def test_get_where_post_is_required(bench: Bench) -> None:
    answer = await bench.get("wechat/cgi-bin/message/custom/send", access_token=await bench.token())
    assert answer["errcode"] == 43002


async def test_no_secret_reaches_the_log(bench: Bench) -> None:
    token = await bench.token()
    await bench.call("message/custom/send", {"touser": "o"})
    account = bench.accounts["sandbox"]
    asked = {"grant_type": "client_credential", "appid": account.app_id, "secret": account.app_secret}
    await bench.get("wechat/cgi-bin/token", **asked)
    log = str(await bench.log())
    assert account.app_secret not in log
    assert token not in log


# ---------------------------------------------------------------- users and menus


async def test_user_info(bench: Bench) -> None:
    async def info(openid: str) -> dict[str, Any]:
        query = {"access_token": await bench.token(), "openid": openid}
        answer: dict[str, Any] = await bench.get("wechat/cgi-bin/user/info", **query)
        return answer

    assert (await info(DOCTOR))["subscribe"] == 1
    await bench.say(type="event", event="unsubscribe")
    assert await info(DOCTOR) == {"subscribe": 0, "openid": DOCTOR, "tagid_list": []}
    assert (await info("oNobody"))["errcode"] == 40003


CLICK = {"type": "click", "name": "找人工", "key": "human"}
MENUS = [
    ([CLICK], 0),
    ([{"name": "更多", "sub_button": [CLICK, {"type": "view", "name": "说明", "url": "https://a.cn"}]}], 0),
    ([], 40016),
    ([CLICK] * 4, 40016),
    ([{"name": "更多", "sub_button": [CLICK] * 6}], 40023),
    ([{"name": "更多", "sub_button": [{"name": "再多", "sub_button": [CLICK]}]}], 40022),
    ([{"name": "更多", "sub_button": [{**CLICK, "name": "长" * 21}]}], 40025),
    ([{"name": "更多", "sub_button": [{**CLICK, "key": "k" * 129}]}], 40026),
    ([{**CLICK, "name": ""}], 40018),
    ([{**CLICK, "name": "一个太长的菜单名"}], 40018),
    ([{**CLICK, "type": "jump"}], 40017),
    ([{**CLICK, "key": ""}], 40019),
    ([{"type": "view", "name": "说明", "url": "javascript:1"}], 40020),
]


@pytest.mark.parametrize(("buttons", "errcode"), MENUS)
async def test_menu_create(bench: Bench, buttons: list[Any], errcode: int) -> None:
    assert (await bench.call("menu/create", {"button": buttons}))["errcode"] == errcode
    got = await bench.get("wechat/cgi-bin/menu/get", access_token=await bench.token())
    assert got.get("menu") == (None if errcode else {"button": buttons})


async def test_menu_delete(bench: Bench) -> None:
    await bench.call("menu/create", {"button": [CLICK]})
    token = await bench.token()
    assert (await bench.get("wechat/cgi-bin/menu/delete", access_token=token))["errcode"] == 0
    assert (await bench.get("wechat/cgi-bin/menu/get", access_token=token))["errcode"] == 46003


SCENE = {"action_name": "QR_STR_SCENE", "action_info": {"scene": {"scene_str": "TY5BEA9QMECV"}}}
CODES = [
    (SCENE, 0),
    ({**SCENE, "expire_seconds": 2_592_000}, 0),
    ({**SCENE, "expire_seconds": 2_592_001}, 40052),
    ({**SCENE, "action_name": "QR_SQUARE"}, 40054),
    ({**SCENE, "action_info": {"scene": {"scene_str": "x" * 65}}}, 40053),
    ({"action_name": "QR_STR_SCENE"}, 40053),
]


@pytest.mark.parametrize(("body", "errcode"), CODES)
async def test_qrcode_create(bench: Bench, body: dict[str, Any], errcode: int) -> None:
    answer = await bench.call("qrcode/create", body)
    assert answer.get("errcode", 0) == errcode
    if not errcode:
        assert answer["url"].startswith("http://weixin.qq.com/q/") and answer["ticket"]
        assert answer["expire_seconds"] == body.get("expire_seconds", 60)


async def test_who_scans_a_code_comes_with_its_scene_until_it_ends(bench: Bench) -> None:
    made = await bench.call("qrcode/create", {**SCENE, "expire_seconds": 600})
    await bench.say(type="event", event="SCAN", url=made["url"])
    event = bench.gateway.posts[-1].fields
    assert (event["Event"], event["EventKey"], event["Ticket"]) == ("SCAN", "TY5BEA9QMECV", made["ticket"])
    bench.double.world.offset += 601
    assert "expired" in (await bench.say(type="event", event="SCAN", url=made["url"]))["error"]
    assert len(bench.gateway.posts) == 1, "a code that has ended leads nowhere"


async def test_clear_quota_is_recorded(bench: Bench) -> None:
    assert await bench.log(api="clear_quota") == []
    await bench.call("clear_quota", {"appid": "x"})
    assert len(await bench.log(api="clear_quota")) == 1


# ---------------------------------------------------------------- template messages

GOOD = {
    "thing1": {"value": "血脂管理小讲堂"},
    "time2": {"value": "2026年11月21日 19:30"},
    "thing3": {"value": "线上"},
}


def template_id(bench: Bench) -> str:
    return bench.accounts["sandbox"].templates["meeting"].id


async def notify(bench: Bench, **swap: Any) -> Any:
    body = {"touser": DOCTOR, "template_id": template_id(bench), "data": GOOD} | swap
    return await bench.call("message/template/send", body)


async def settled(bench: Bench, posts: int) -> None:
    for _ in range(100):
        if len(bench.gateway.posts) >= posts:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"only {len(bench.gateway.posts)} posts came")


async def test_a_template_message_needs_no_window_and_reports_its_fate(bench: Bench) -> None:
    answer = await notify(bench, url="https://a.cn/m", client_msg_id="m1")
    assert answer["errcode"] == 0
    (shown,) = await bench.chat()
    assert (shown["type"], shown["via"]) == ("template", "template")
    assert shown["card"]["rows"][0] == {"label": "会议名称", "value": "血脂管理小讲堂"}
    await settled(bench, 1)
    fields = bench.gateway.posts[0].fields
    assert (fields["Event"], fields["Status"]) == ("TEMPLATESENDJOBFINISH", "success")
    assert fields["MsgID"] == str(answer["msgid"])


def field(value: Any) -> dict[str, Any]:
    return {"data": {**GOOD, "thing1": {"value": value}}}


TEMPLATES = [
    ({"template_id": "unheard"}, 40037),
    ({"touser": "oNobody"}, 40003),
    ({"data": None}, 47001),
    ({"data": {}}, 47003),
    (field(""), 47003),
    (field("二" * 21), 47003),
    (field("两\n行"), 47003),
    (field("好😀"), 47003),
    (field("请看✅"), 47003),
    (field({"a": 1}), 47003),
    ({"client_msg_id": ""}, 47003),
    (field("二" * 20), 0),
    (field(5), 0),
    ({"data": {**GOOD, "first": {"value": "长" * 50}, "remark": {"value": "😀"}}}, 0),
]


@pytest.mark.parametrize(("swap", "errcode"), TEMPLATES)
async def test_template_rules(bench: Bench, swap: dict[str, Any], errcode: int) -> None:
    assert (await notify(bench, **swap))["errcode"] == errcode
    shown = await bench.chat()
    assert len(shown) == (errcode == 0)
    if shown:
        assert [row["label"] for row in shown[0]["card"]["rows"]] == ["会议名称", "会议时间", "会议地点"]


async def test_template_of_the_other_account(bench: Bench) -> None:
    other = bench.accounts["sandbox-patient"].templates["medication"].id
    assert (await notify(bench, template_id=other))["errcode"] == 40037


async def test_client_msg_id_is_sent_once_in_ten_minutes(bench: Bench) -> None:
    first = await notify(bench, client_msg_id="due-1")
    again = await notify(bench, client_msg_id="due-1")
    assert again["msgid"] == first["msgid"]
    assert len(await bench.chat()) == 1
    await notify(bench, client_msg_id="due-2")
    assert len(await bench.chat()) == 2
    await bench.post("control/clock", {"offset_seconds": 601})
    await notify(bench, client_msg_id="due-1")
    assert len(await bench.chat()) == 3


async def test_templates_to_who_left_or_refuses(bench: Bench) -> None:
    await bench.post("api/block", {"account": "sandbox", "openid": DOCTOR, "blocked": True})
    assert (await notify(bench))["errcode"] == 0
    await settled(bench, 1)
    assert bench.gateway.posts[0].fields["Status"] == "failed:user block"
    assert await bench.chat() == []
    await bench.say("", type="event", event="unsubscribe")
    assert (await notify(bench))["errcode"] == 43004


async def test_template_status_can_be_forced(bench: Bench) -> None:
    await bench.faults(template_status="failed: system failed")
    await notify(bench)
    await settled(bench, 1)
    assert bench.gateway.posts[0].fields["Status"] == "failed: system failed"


async def test_one_consent_one_notice(bench: Bench) -> None:
    body = {"touser": DOCTOR, "template_id": template_id(bench), "data": GOOD}
    assert (await bench.call("message/subscribe/bizsend", body))["errcode"] == 43101
    agreed = {"account": "sandbox", "openid": DOCTOR, "template_id": template_id(bench)}
    assert await bench.post("api/subscriptions", agreed) == {"left": 1}
    await settled(bench, 1)
    assert bench.gateway.posts[0].fields["SubscribeStatusString"] == "accept"
    assert (await bench.call("message/subscribe/bizsend", body))["errcode"] == 0
    assert (await bench.call("message/subscribe/bizsend", body))["errcode"] == 43101
    assert [item["via"] for item in await bench.chat()] == ["subscription"]
    await settled(bench, 2)
    assert bench.gateway.posts[1].fields["Event"] == "subscribe_msg_sent_event"
    assert await bench.post("api/subscriptions", {**agreed, "accept": False}) == {"left": 0}


# ---------------------------------------------------------------- web authorisation


async def authorize(bench: Bench, **swap: str) -> tuple[int, str, str]:
    """(status, Location, page)."""
    query = {
        "appid": bench.accounts["sandbox"].app_id,
        "redirect_uri": "http://127.0.0.1:8080/me?a=1",
        "response_type": "code",
        "scope": "snsapi_base",
        "state": "a1",
        "openid": DOCTOR,
    } | swap
    url = f"{bench.url}/sandbox/wechat/connect/oauth2/authorize"
    async with bench.http.get(url, params=query, allow_redirects=False) as response:
        return response.status, response.headers.get("Location", ""), await response.text()


async def exchange(bench: Bench, code: str, **swap: str) -> Any:
    account = bench.accounts["sandbox"]
    query = {
        "appid": account.app_id,
        "secret": account.app_secret,
        "code": code,
        "grant_type": "authorization_code",
    }
    return await bench.get("wechat/sns/oauth2/access_token", **(query | swap))


async def test_web_authorisation(bench: Bench) -> None:
    status, location, _ = await authorize(bench)
    assert status == 302
    parts = urlsplit(location)
    assert (parts.netloc, parts.path) == ("127.0.0.1:8080", "/me")
    query = parse_qs(parts.query)
    assert (query["a"], query["state"]) == (["1"], ["a1"])
    code = query["code"][0]
    assert (await exchange(bench, code, secret="wrong"))["errcode"] == 40125
    assert (await exchange(bench, code))["openid"] == DOCTOR
    assert (await exchange(bench, code))["errcode"] == 40163
    assert (await exchange(bench, "invented"))["errcode"] == 40029
    other = bench.accounts["sandbox-patient"]
    foreign = await exchange(bench, code, appid=other.app_id, secret=other.app_secret)
    assert foreign["errcode"] == 40029


async def test_the_authorisation_page_asks_who_you_are(bench: Bench) -> None:
    nickname = "<img src=x onerror=alert(1)>"
    await bench.post("api/followers", {"account": "sandbox", "nickname": nickname})
    status, _, page = await authorize(bench, openid="")
    assert status == 200
    assert "陈甲" in page and "钱奶奶" not in page
    assert "<img" not in page


NOT_AUTHORISED = [
    {"appid": "wxnobody"},
    {"redirect_uri": "https://evil.example/x"},
    {"redirect_uri": "javascript:alert(1)"},
    {"response_type": "token"},
    {"scope": "all"},
    {"state": "with space"},
    {"state": "a" * 129},
    {"openid": "oNobody"},
]


@pytest.mark.parametrize("swap", NOT_AUTHORISED)
async def test_authorisation_refused(bench: Bench, swap: dict[str, str]) -> None:
    status, location, page = await authorize(bench, **swap)
    assert (status, location) == (200, "")
    assert "出错了" in page

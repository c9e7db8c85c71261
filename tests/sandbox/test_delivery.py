"""Platform to gateway: what is posted, how it is sealed, when it is tried again, what the user sees."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest
from aiohttp import web

from sandbox.delivery import FAULT_TEXT
from tests.sandbox.conftest import DOCTOR, Bench
from tests.sandbox.gateway import Post


async def follow(bench: Bench, account: str) -> str:
    answer = await bench.post("api/followers", {"account": account, "nickname": "某某"})
    return str(answer["openid"])


@pytest.mark.parametrize("account", ["sandbox", "plain", "compatible"])
async def test_a_text_travels_signed_and_its_passive_reply_comes_back(bench: Bench, account: str) -> None:
    async def answer(post: Post) -> web.StreamResponse:
        xml = post.reply("收到：" + post.fields["Content"])
        return web.Response(text=xml) if account == "plain" else post.sealed(xml)

    bench.gateway.answer = answer
    openid = DOCTOR if account == "sandbox" else await follow(bench, account)
    sent = await bench.say("二甲双胍 <能用> ]]> 吗\n😀", account, openid)
    assert sent["outcome"] == "replied"
    (post,) = bench.gateway.posts
    assert post.fields["Content"] == "二甲双胍 <能用> ]]> 吗\n😀"
    assert post.fields["MsgId"] == sent["msg_id"]
    assert post.fields["FromUserName"] == openid == post.query["openid"]
    assert post.fields["ToUserName"] == bench.accounts[account].original_id
    clear_in_body = "二甲双胍" in post.body
    assert clear_in_body == (account != "sandbox")
    assert ("encrypt_type" in post.query) == (account != "plain")
    question, reply = await bench.chat(account, openid)
    assert (question["from"], question["delivery"]) == ("user", "delivered")
    assert (reply["text"], reply["via"]) == ("收到：二甲双胍 <能用> ]]> 吗\n😀", "passive")


MESSAGES = [
    ({"type": "voice", "content": "缬沙坦"}, {"MsgType": "voice", "Format": "amr", "Recognition": "缬沙坦"}),
    ({"type": "image", "content": ""}, {"MsgType": "image"}),
    ({"type": "location", "content": "某某村"}, {"MsgType": "location", "Label": "某某村", "Scale": "15"}),
    ({"type": "menu", "id": "entry:a", "content": "问"}, {"MsgType": "text", "bizmsgmenuid": "entry:a"}),
    ({"type": "event", "event": "CLICK", "event_key": "K"}, {"Event": "CLICK", "EventKey": "K"}),
    ({"type": "event", "event": "SCAN", "event_key": "9"}, {"Event": "SCAN", "EventKey": "9"}),
    ({"type": "event", "event": "VIEW", "event_key": "http://a.b"}, {"Event": "VIEW", "EventKey": "http://a.b"}),
    ({"type": "event", "event": "unsubscribe"}, {"Event": "unsubscribe"}),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "expected"), MESSAGES)
async def test_kinds_of_messages(bench: Bench, sent: dict[str, str], expected: dict[str, str]) -> None:
    assert (await bench.say(**sent))["outcome"] == "acknowledged"
    (post,) = bench.gateway.posts
    assert expected.items() <= post.fields.items()
    assert ("MsgId" in post.fields) == (sent["type"] != "event")


async def test_voice_without_recognised_words_has_no_recognition(bench: Bench) -> None:
    await bench.say("", type="voice")
    assert "Recognition" not in bench.gateway.posts[0].fields


async def test_following_by_scan_carries_the_scene(bench: Bench) -> None:
    body = {"account": "sandbox", "nickname": "新人", "subscribed": False}
    openid = (await bench.post("api/followers", body))["openid"]
    assert (await bench.say("你好", openid=openid))["error"] == "not following"
    await bench.say(openid=openid, type="event", event="SCAN", event_key="42")
    assert bench.gateway.posts[0].fields["Event"] == "subscribe"
    assert bench.gateway.posts[0].fields["EventKey"] == "qrscene_42"
    assert (await bench.say("你好", openid=openid))["outcome"] == "acknowledged"


# ---------------------------------------------------------------- tries


async def test_no_answer_in_time_is_tried_three_times_with_the_same_msgid(bench: Bench) -> None:
    async def hang(post: Post) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response(text="success")

    bench.gateway.answer = hang
    await bench.faults(webhook={"timeout_seconds": 0.3})
    begun = time.monotonic()
    sent = await bench.say()
    assert sent["outcome"] == "unreachable"
    assert 0.8 < time.monotonic() - begun < 3
    posts = bench.gateway.posts
    assert len(posts) == 3
    assert {post.fields["MsgId"] for post in posts} == {sent["msg_id"]}
    assert len({post.query["nonce"] for post in posts}) == 3
    assert len({post.query["msg_signature"] for post in posts}) == 3
    shown = await bench.chat()
    assert [item["text"] for item in shown] == ["你好", FAULT_TEXT]
    assert shown[0]["delivery"] == "failed"


async def test_a_try_that_succeeds_ends_the_tries(bench: Bench) -> None:
    async def second_time_lucky(post: Post) -> web.StreamResponse:
        if len(bench.gateway.posts) == 1:
            await asyncio.sleep(30)
        return post.sealed(post.reply("赶上了"))

    bench.gateway.answer = second_time_lucky
    await bench.faults(webhook={"timeout_seconds": 0.3})
    assert (await bench.say())["outcome"] == "replied"
    assert len(bench.gateway.posts) == 2
    assert [item["text"] for item in await bench.chat()] == ["你好", "赶上了"]


async def test_an_unreachable_gateway_is_tried_three_times(bench: Bench) -> None:
    await bench.gateway.stop()
    assert (await bench.say())["outcome"] == "unreachable"
    assert [entry["number"] for entry in await bench.log(kind="delivery")] == [1, 2, 3]
    assert (await bench.chat())[-1]["type"] == "fault"


async def test_an_event_is_tried_again_with_the_same_time(bench: Bench) -> None:
    async def hang(post: Post) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    bench.gateway.answer = hang
    await bench.faults(webhook={"timeout_seconds": 0.5})
    await bench.say(type="event", event="CLICK", event_key="K")
    assert Counter(post.fields["CreateTime"] for post in bench.gateway.posts).most_common()[0][1] == 3


async def test_a_lost_answer_is_offered_again(bench: Bench) -> None:
    async def answer(post: Post) -> web.StreamResponse:
        return post.sealed(post.reply("同一条"))

    bench.gateway.answer = answer
    await bench.faults(webhook={"timeout_seconds": 0.3, "drop_responses": 2})
    assert (await bench.say())["outcome"] == "replied"
    assert len(bench.gateway.posts) == 3
    gap = bench.gateway.posts[1].at - bench.gateway.posts[0].at
    assert gap > 0.25  # the platform waits its time out before it tries again
    assert [item["text"] for item in await bench.chat()] == ["你好", "同一条"]


async def test_copies_arrive_at_once_and_show_one_reply(bench: Bench) -> None:
    inside = 0
    together = 0

    async def answer(post: Post) -> web.StreamResponse:
        nonlocal inside, together
        inside += 1
        together = max(together, inside)
        await asyncio.sleep(0.2)
        inside -= 1
        return post.sealed(post.reply("一次"))

    bench.gateway.answer = answer
    await bench.faults(webhook={"copies": 3})
    sent = await bench.say()
    assert together == 3
    assert {post.fields["MsgId"] for post in bench.gateway.posts} == {sent["msg_id"]}
    assert [item["text"] for item in await bench.chat()] == ["你好", "一次"]
    repeated = [entry.get("repeated", False) for entry in await bench.log(kind="delivery")]
    assert sorted(repeated) == [False, True, True]


async def test_messages_do_not_wait_for_each_other(bench: Bench) -> None:
    async def slow(post: Post) -> web.StreamResponse:
        await asyncio.sleep(0.5)
        return web.Response(text="success")

    bench.gateway.answer = slow
    begun = time.monotonic()
    await asyncio.gather(*(bench.say(f"{number}") for number in range(8)))
    assert time.monotonic() - begun < 2
    assert len({post.fields["MsgId"] for post in bench.gateway.posts}) == 8


# ---------------------------------------------------------------- what counts as an answer


def swapped(**swap: str):  # type: ignore[no-untyped-def]
    return lambda post: post.sealed(post.reply(**swap))


BAD_ANSWERS = {
    "json": lambda post: web.json_response({"ok": True}),
    "other words": lambda post: web.Response(text="ok"),
    "success and a newline": lambda post: web.Response(text="success\n"),
    "error page": lambda post: web.Response(status=502, text="success"),
    "moved": lambda post: web.Response(status=302, headers={"Location": "/"}),
    "clear in safe mode": lambda post: web.Response(text=post.reply()),
    "wrong receiver": swapped(ToUserName="oSomebodyElse"),
    "wrong sender": swapped(FromUserName="gh_other"),
    "menu": swapped(MsgType="msgmenu"),
    "empty": swapped(Content=""),
    "too long": swapped(Content="长" * 683),
    "no time": swapped(CreateTime="now"),
    "broken": lambda post: post.sealed("<xml><ToUserName>"),
    "doctype": lambda post: post.sealed('<!DOCTYPE a [<!ENTITY b "c">]><xml/>'),
    "another root": lambda post: post.sealed("<html/>"),
    "news without an article": swapped(MsgType="news", Content=""),
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
async def test_a_bad_answer_shows_the_fault_at_once(bench: Bench, name: str) -> None:
    async def answer(post: Post) -> web.StreamResponse:
        made: web.StreamResponse = BAD_ANSWERS[name](post)
        return made

    bench.gateway.answer = answer
    assert (await bench.say())["outcome"] == "fault"
    assert len(bench.gateway.posts) == 1
    assert [item["text"] for item in await bench.chat()] == ["你好", FAULT_TEXT]


@pytest.mark.parametrize("part", ["MsgSignature", "TimeStamp", "Nonce", "Encrypt"])
async def test_a_tampered_reply_is_refused(bench: Bench, part: str) -> None:
    async def answer(post: Post) -> web.StreamResponse:
        sealed = post.sealed(post.reply())
        assert isinstance(sealed, web.Response) and sealed.text
        head, tail = sealed.text.split(f"<{part}>", 1)
        at = tail.index("[CDATA[") + 8 if "CDATA" in tail[:12] else 0
        flipped = "A" if tail[at] != "A" else "B"
        return web.Response(
            text=f"{head}<{part}>{tail[:at]}{flipped if part != 'TimeStamp' else '9'}{tail[at + 1 :]}"
        )

    bench.gateway.answer = answer
    assert (await bench.say())["outcome"] == "fault"


async def test_a_reply_of_exactly_2048_bytes_is_shown(bench: Bench) -> None:
    content = "长" * 682 + "ab"

    async def answer(post: Post) -> web.StreamResponse:
        return post.sealed(post.reply(content))

    bench.gateway.answer = answer
    assert (await bench.say())["outcome"] == "replied"
    assert (await bench.chat())[-1]["text"] == content


async def test_an_empty_body_acknowledges(bench: Bench) -> None:
    async def answer(post: Post) -> web.StreamResponse:
        return web.Response()

    bench.gateway.answer = answer
    assert (await bench.say())["outcome"] == "acknowledged"


async def test_news_is_shown_as_a_card(bench: Bench) -> None:
    async def answer(post: Post) -> web.StreamResponse:
        article = (
            "<Articles><item><Title>标题</Title><Description>说明</Description>"
            "<PicUrl/><Url>https://a.cn</Url></item></Articles></xml>"
        )
        return post.sealed(post.reply("", "news").replace("</xml>", article))

    bench.gateway.answer = answer
    await bench.say()
    assert (await bench.chat())[-1]["card"] == {"title": "标题", "description": "说明", "url": "https://a.cn"}


async def test_url_verification(bench: Bench) -> None:
    assert (await bench.post("control/verify", {"account": "sandbox"})) == {"verified": True}
    await bench.gateway.stop()
    assert (await bench.post("control/verify", {"account": "sandbox"})) == {"verified": False}


async def test_raw_xml_is_sealed_as_it_is(bench: Bench) -> None:
    xml = "<xml><FromUserName>o</FromUserName><MsgType>unheard</MsgType><A><B>c</B></A></xml>"
    body = {"account": "sandbox", "openid": DOCTOR, "xml": xml, "wait": True}
    assert (await bench.post("control/raw", body))["outcome"] == "acknowledged"
    assert bench.gateway.posts[0].fields["MsgType"] == "unheard"


async def test_a_hundred_thousand_characters_arrive_whole(bench: Bench) -> None:
    await bench.say("糖" * 100_000)
    assert bench.gateway.posts[0].fields["Content"] == "糖" * 100_000


async def test_characters_xml_cannot_hold_are_left_out(bench: Bench) -> None:
    await bench.say("a\x00b\x08c\ud83dd".encode("utf-8", "ignore").decode())
    assert bench.gateway.posts[0].fields["Content"] == "abcd"

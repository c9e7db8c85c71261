"""The faults that are an answer: any HTTP status and body, done or not, and a report before its send."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import DOCTOR, Bench
from tests.sandbox.test_platform import notify

SEND = "message/custom/send"


async def posted(bench: Bench, api: str, body: Any, query: dict[str, str] | None = None) -> tuple[int, str]:
    url = f"{bench.url}/sandbox/wechat/cgi-bin/{api}"
    async with bench.http.post(url, json=body, params=query or {}) as response:
        return response.status, await response.text()


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("status", [404, 500])
async def test_errcode_0_with_another_status(bench: Bench, status: int, done: bool) -> None:
    """F17: the double can say errcode 0 with HTTP 404 or 500, whether it did the call or not."""
    await bench.say()
    token = await bench.token()
    await bench.faults(api=[{"api": SEND, "kind": "answer", "status": status, "done": done}])
    body = {"touser": DOCTOR, "msgtype": "text", "text": {"content": "ok"}}
    answer = await posted(bench, SEND, body, {"access_token": token})
    assert answer == (status, '{"errcode": 0, "errmsg": "ok"}')
    assert len(await bench.chat()) == 1 + done
    assert (await posted(bench, SEND, body, {"access_token": token}))[0] == 200, "once"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, "<html>系统繁忙</html>"),
        (503, ""),
        (200, ""),
        (200, '{"access_token": 7, "expires_in": 7200}'),
        (200, '{"access_token": "x", "expires_in": "7200"}'),
        (200, '{"access_token": "x"}'),
    ],
)
async def test_a_token_endpoint_that_answers_anything(bench: Bench, status: int, body: str) -> None:
    """F16: HTML, 503, nothing, and JSON of the wrong types in place of a token."""
    await bench.faults(api=[{"api": "stable_token", "kind": "answer", "status": status, "body": body}])
    account = bench.accounts["sandbox"]
    asked = {"grant_type": "client_credential", "appid": account.app_id, "secret": account.app_secret}
    assert await posted(bench, "stable_token", asked) == (status, body)
    assert (await posted(bench, "stable_token", asked))[0] == 200


async def test_a_report_can_come_before_its_send_is_answered(bench: Bench) -> None:
    """The gateway has the report in its hands before it knows the message's id."""
    await bench.faults(template_early=True)
    answer = await notify(bench)
    (post,) = bench.gateway.posts
    assert (post.fields["Event"], post.fields["MsgID"]) == ("TEMPLATESENDJOBFINISH", str(answer["msgid"]))
    assert len(bench.gateway.posts) == 1, "and not again afterwards"

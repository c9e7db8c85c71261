"""One turn at a time: what comes back, what is kept, what is refused."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web

from tests.engine.engine_process import ACTIONS_TOKEN, TOKEN, ActionServer, Call, Engine, turn_of


async def answered(engine: Engine, text: str = "", **given: Any) -> dict[str, Any]:
    status, body = await engine.turn(text=text, **given)
    assert status == 200, body
    return body


def slots_of(conversation: dict[str, Any]) -> dict[str, Any]:
    return {event["name"]: event["value"] for event in conversation["events"] if event["event"] == "slot"}


async def test_a_response_comes_with_its_name_and_choices(engine: Engine, actions: ActionServer) -> None:
    body = await answered(engine, "你好")
    assert body["intent"]["name"] == "greet"
    assert body["intent"]["confidence"] > 0.5
    assert body["actions"] == ["utter_greet"]
    assert body["replies"] == [
        {
            "text": "您好，我是AI助手。",
            "choices": [{"id": "entry:x", "label": "说明书"}, {"id": "human", "label": "找同事"}],
            "response": "utter_greet",
            "custom": None,
        }
    ]
    assert not actions.calls


async def test_an_action_is_called_with_token_turn_and_ordinal(engine: Engine, actions: ActionServer) -> None:
    turn_id = str(uuid4())
    body = await answered(engine, "格华止肾功能不全能用吗", turn_id=turn_id, slots={"verified": True})
    assert body["turn_id"] == turn_id
    assert body["entities"] == [{"entity": "drug", "value": "二甲双胍", "start": 0, "end": 3}]
    assert body["actions"] == ["action_answer"]
    reply = body["replies"][0]
    assert reply["custom"] == {"basis": "content:x@1"}
    assert reply["choices"] == [{"id": "entry:a", "label": "甲"}]
    (call,) = actions.calls
    assert call.headers["Authorization"] == f"Bearer {ACTIONS_TOKEN}"
    assert call.headers["X-Turn-Id"] == turn_id
    assert call.headers["X-Action-Ordinal"] == "0"
    assert "domain" not in call.body
    assert call.body["tracker"]["slots"]["verified"] is True
    assert call.body["tracker"]["slots"]["drug"] == "二甲双胍"


async def test_the_form_goes_on_from_turn_to_turn(engine: Engine, actions: ActionServer) -> None:
    first = await answered(engine, "我想约个时间", slots={"verified": True})
    assert [reply["text"] for reply in first["replies"]] == ["哪一天？"]
    second = await answered(engine, "星期三", conversation=first["conversation"], slots={"verified": True})
    assert [reply["text"] for reply in second["replies"]] == ["在哪里？"]
    third = await answered(engine, "卫生院", conversation=second["conversation"])
    assert [reply["text"] for reply in third["replies"]] == ["星期三在卫生院，记下了。"]
    assert slots_of(third["conversation"])["verified"] is True
    # The slot was fed twice with the same value and is told once.
    slot_events = [event for event in third["conversation"]["events"] if event.get("name") == "verified"]
    assert len(slot_events) == 1
    numbers: dict[str, list[str]] = {}
    for call in actions.calls:
        numbers.setdefault(call.headers["X-Turn-Id"], []).append(call.headers["X-Action-Ordinal"])
    assert len(numbers) == 3
    for counted in numbers.values():  # each turn counts its own calls
        assert counted == [str(number) for number in range(len(counted))]


async def test_a_form_survives_a_long_conversation(engine: Engine, actions: ActionServer) -> None:
    conversation = None
    for _ in range(30):
        conversation = (await answered(engine, "你好", conversation=conversation))["conversation"]

    async def refuse(_: Call) -> web.StreamResponse:
        return web.json_response(
            {"events": [{"event": "slot", "name": "day", "value": None}], "responses": []}
        )

    actions.answers["validate_meeting_form"] = refuse
    body = await answered(engine, "我想约个时间", conversation=conversation, slots={"verified": True})
    for _ in range(20):  # asked again and again, until what is kept no longer reaches back to its beginning
        body = await answered(engine, "哪天呢", conversation=body["conversation"])
        assert [reply["text"] for reply in body["replies"]] == ["哪一天？"]
        assert len(body["conversation"]["events"]) <= 80
    assert "我想约个时间" not in json.dumps(body["conversation"], ensure_ascii=False)
    actions.answers.clear()
    assert len(json.dumps(body["conversation"])) < 60_000
    status, refused = await engine.turn(intent="announce", trigger=True, conversation=body["conversation"])
    assert (status, refused["error"]) == (409, "form_active")
    body = await answered(engine, "星期五", intent="inform", conversation=body["conversation"])
    assert slots_of(body["conversation"])["day"] == "星期五"
    assert slots_of(body["conversation"])["verified"] is True
    assert [reply["text"] for reply in body["replies"]] == ["在哪里？"]


async def test_a_given_intent_is_not_questioned(engine: Engine, actions: ActionServer) -> None:
    body = await answered(engine, "第一个", intent="choose", entities={"choice": "entry:x"})
    assert body["intent"] == {"name": "choose", "confidence": 1.0}
    assert body["entities"] == [{"entity": "choice", "value": "entry:x"}]
    (call,) = actions.calls
    assert call.action == "action_choose"
    assert call.message["text"] == "第一个"
    assert call.message["entities"][0]["value"] == "entry:x"


async def test_a_trigger_carries_our_metadata(engine: Engine, actions: ActionServer) -> None:
    body = await answered(engine, intent="announce", trigger=True, metadata={"visit": "v-1", "plan": 7})
    assert body["actions"] == ["action_announce"]
    (call,) = actions.calls
    assert call.message["metadata"]["visit"] == "v-1"
    assert call.message["metadata"]["plan"] == 7


async def test_a_trigger_is_refused_while_a_form_is_active(engine: Engine, actions: ActionServer) -> None:
    begun = await answered(engine, "我想约个时间")
    actions.calls.clear()
    status, body = await engine.turn(intent="announce", trigger=True, conversation=begun["conversation"])
    assert (status, body["error"]) == (409, "form_active")
    assert not actions.calls


@pytest.mark.parametrize(
    "text",
    [
        "/restart",
        " /greet",
        '/greet{"drug":"x"}',
        "／greet",
        "　/restart",
        "/session_start",
        "/back",
        "{drug}",
        "{0[drug]}",
    ],
)
async def test_text_is_never_a_command(engine: Engine, actions: ActionServer, text: str) -> None:
    begun = await answered(engine, "我想约个时间")
    body = await answered(engine, text, conversation=begun["conversation"])
    events = [event["event"] for event in body["conversation"]["events"]]
    assert events.count("session_started") == 1
    assert "restart" not in events
    assert "rewind" not in events
    # It is what the form was waiting for: words.
    assert slots_of(body["conversation"])["day"] == text
    assert [reply["text"] for reply in body["replies"]] == ["在哪里？"]


async def test_a_command_gets_no_more_certainty_than_any_words(engine: Engine, actions: ActionServer) -> None:
    status, body = await engine.call("POST", "/understand", {"texts": ["/greet", "/restart"]})
    assert status == 200
    for result in body["results"]:
        assert result["confidence"] < 1.0
        assert result["intent"] != "restart"


async def test_braces_in_a_slot_are_words_too(engine: Engine, actions: ActionServer) -> None:
    first = await answered(engine, "我想约个时间")
    second = await answered(engine, "{place} {0.__class__}", conversation=first["conversation"])
    third = await answered(engine, "卫生院", conversation=second["conversation"])
    assert third["replies"][0]["text"] == "{place} {0.__class__}在卫生院，记下了。"


async def test_a_hundred_thousand_characters(engine: Engine, actions: ActionServer) -> None:
    text = "二甲双胍肾功能不全能用吗" * 8334
    began = time.monotonic()
    body = await answered(engine, text)
    assert time.monotonic() - began < 3
    assert actions.calls[0].message["text"] == text  # the action sees all of it
    assert all(entity["end"] <= 1000 for entity in body["entities"])
    assert len(json.dumps(body["conversation"], ensure_ascii=False)) < 30_000


@pytest.mark.parametrize("text", ["", "   ", "\u200b", "\x00", "\ud800", "😂", "，。！"])
async def test_hardly_any_text_is_answered(engine: Engine, actions: ActionServer, text: str) -> None:
    body = await answered(engine, text)
    assert body["replies"]


async def test_entities_count_in_the_text_as_written(engine: Engine, actions: ActionServer) -> None:
    text = "  😊 ｍｅｔｆｏｒｍｉｎ 怎么吃"
    body = await answered(engine, text)
    (entity,) = body["entities"]
    assert text[entity["start"] : entity["end"]] == "ｍｅｔｆｏｒｍｉｎ"
    assert entity["value"] == "二甲双胍"


async def test_a_repeated_turn_is_replayed(engine: Engine, actions: ActionServer) -> None:
    turn_id = str(uuid4())
    first = await answered(engine, "二甲双胍怎么吃", turn_id=turn_id)
    again = await answered(engine, "二甲双胍怎么吃", turn_id=turn_id)
    assert again == first
    assert len(actions.calls) == 1
    await answered(engine, "二甲双胍怎么吃", turn_id=turn_id, attempt=2)
    assert len(actions.calls) == 2, "F13: what the first attempt wrote may be lost"
    # The same number from somebody else is somebody else's turn.
    other = await answered(engine, "二甲双胍怎么吃", turn_id=turn_id, contact="c2")
    assert other["replies"] != first["replies"]


@pytest.mark.parametrize("path", ["/turn", "/understand", "/model", "/ready", "/nowhere"])
@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", "令牌"])
async def test_without_the_token_nothing(
    engine: Engine, actions: ActionServer, path: str, token: str
) -> None:
    method = {"/ready": "GET", "/model": "PUT"}.get(path, "POST")
    status, body = await engine.call(method, path, turn_of("你好") if method != "GET" else None, token=token)
    assert status == (404 if path == "/nowhere" else 401)
    assert set(body) == {"error", "detail"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        {},
        {"turn_id": "1"},
        {"turn_id": 1, "contact": "c"},
        turn_of("x", conversation={"events": [1]}),
        turn_of("x", conversation={"events": [{"event": "no_such_event"}]}),
        turn_of("x", conversation={"events": {}}),
        turn_of("x", intent="no_such_intent"),
        turn_of("x", trigger=True),
        turn_of("x", slots={"no_such_slot": 1}),
        {**turn_of("x"), "input": {"text": 1}},
        {**turn_of("x"), "input": {"text": "x", "entities": []}},
    ],
)
async def test_a_bad_request_says_so(engine: Engine, actions: ActionServer, body: Any) -> None:
    status, answer = await engine.call("POST", "/turn", body)
    assert (status, answer["error"]) == (400, "bad_request")


async def test_a_body_too_large(engine: Engine, actions: ActionServer) -> None:
    """Refused by the length that its head names. Whoever goes on sending may find the connection reset."""
    reader, writer = await asyncio.open_connection("127.0.0.1", engine.port)
    key = f"Authorization: Bearer {TOKEN}"
    head = ("POST /turn HTTP/1.1", "Host: engine", key, "Content-Length: 6000000")
    writer.write(("\r\n".join(head) + "\r\n\r\n").encode())
    async with asyncio.timeout(20):
        answer = (await reader.read()).decode()
    writer.close()
    assert answer.startswith("HTTP/1.1 413") and '"error":"too_large"' in answer.replace(" ", "")


async def test_nothing_a_person_wrote_is_in_the_log(engine: Engine, actions: ActionServer) -> None:
    secret = "张三丰13800138000"
    await answered(engine, secret)
    await engine.call(
        "POST", "/turn", turn_of(secret, conversation={"events": [{"event": "slot", "x": secret}]})
    )
    await engine.call("POST", "/turn", f'{{"turn_id": "{secret}'.encode())
    log = engine.log.read_text()
    assert "13800138000" not in log
    assert all(json.loads(line)["level"] in {"info", "warning", "error"} for line in log.splitlines())


async def test_no_variation_is_said_twice_while_there_is_another(engine: Engine) -> None:
    """Also after the turns in which they were said have been folded away."""
    conversation, heard = None, []
    for number in range(24):
        intent = "thank" if number % 6 == 0 else "greet"
        body = await answered(engine, intent=intent, conversation=conversation, slots={"drug": "甲"})
        conversation = body["conversation"]
        if intent == "thank":
            heard.append(body["replies"][0]["text"])
    assert heard == ["甲，不客气。", "甲，应该的。", "甲，随时问我。", "甲，不客气。"]
    assert slots_of(conversation)["just_said"] == ["utter_greet"]


@pytest.mark.parametrize(
    ("slots", "text"),
    [
        ({"brief": True}, "甲，好。"),
        ({"audience": "patient"}, "甲，您客气了。"),
        ({"audience": "patient", "brief": True}, "甲，您客气了。"),
    ],
)
async def test_what_is_made_for_this_person_comes_first(
    engine: Engine, slots: dict[str, Any], text: str
) -> None:
    body = await answered(engine, intent="thank", slots={"drug": "甲", **slots})
    assert [reply["text"] for reply in body["replies"]] == [text]

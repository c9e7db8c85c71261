"""What goes wrong fails the turn: a 5xx and no reply, so that the app tries again."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from aiohttp import web

from tests.engine import engine_process
from tests.engine.engine_process import ActionServer, Answer, Call, Engine

QUESTION = "二甲双胍怎么吃"
REMINDER = {"event": "reminder", "name": "r", "intent": "greet", "date_time": "2030-01-01T00:00:00"}


def status(code: int, body: object = None) -> Answer:
    async def answer(_: Call) -> web.StreamResponse:
        return web.json_response(body if body is not None else {"error": "x"}, status=code)

    return answer


async def test_an_unreachable_action_host_counts_like_a_dead_engine(
    engine: Engine, actions: ActionServer
) -> None:
    """F8: 503, so that the app does not count the turn as failed; and each turn names its own host."""
    dead = f"http://127.0.0.1:{engine_process.free_port()}/actions"
    code, body = await engine.turn(text=QUESTION, actions=dead)
    assert (code, body["error"]) == (503, "actions_unreachable")
    assert not actions.calls
    code, _ = await engine.turn(text=QUESTION)
    assert code == 200


async def broken(call: Call) -> web.StreamResponse:
    response = web.StreamResponse()
    response.content_length = 1000
    response.force_close()
    raise ConnectionResetError(call.action)


def says(body: object) -> Answer:
    return status(200, body)


@pytest.mark.parametrize(
    "answer",
    [
        status(500),
        status(503),
        status(404, {"error": "No registered action found", "action_name": "action_answer"}),
        status(401),
        status(400),  # a 400 that is no rejection
        says([]),
        says({"events": "none"}),
        says({"events": [{"event": "slot"}]}),
        says({"events": [REMINDER], "responses": []}),
        says({"events": [{"event": "followup", "name": "action_nowhere"}], "responses": []}),
        says({"events": [], "responses": [{"response": "utter_nowhere"}]}),
        broken,
    ],
)
async def test_an_action_that_fails(engine: Engine, actions: ActionServer, answer: Answer) -> None:
    actions.answers["action_answer"] = answer
    code, body = await engine.turn(text=QUESTION)
    assert (code, body["error"]) == (500, "action_failed")
    assert "replies" not in body


async def test_the_same_turn_may_be_tried_again(engine: Engine, actions: ActionServer) -> None:
    actions.answers["action_answer"] = status(500)
    turn = engine_process.turn_of(QUESTION)
    code, _ = await engine.call("POST", "/turn", turn)
    assert code == 500
    actions.answers.clear()
    code, body = await engine.call("POST", "/turn", turn)
    assert code == 200
    assert body["replies"]


async def test_a_validation_that_fails_is_not_swallowed(engine: Engine, actions: ActionServer) -> None:
    code, begun = await engine.turn(text="我想约个时间")
    assert code == 200
    actions.answers["validate_meeting_form"] = status(500)
    code, body = await engine.turn(text="星期三", conversation=begun["conversation"])
    assert (code, body["error"]) == (500, "action_failed")


async def test_a_rejected_form_lets_another_action_answer(engine: Engine, actions: ActionServer) -> None:
    code, begun = await engine.turn(text="我想约个时间")
    assert code == 200
    rejection = {"error": "not a day", "action_name": "meeting_form"}
    actions.answers["validate_meeting_form"] = status(400, rejection)
    code, body = await engine.turn(text="你好", intent="greet", conversation=begun["conversation"])
    assert code == 200
    assert body["actions"][0] == "utter_greet"
    assert any(event["event"] == "action_execution_rejected" for event in body["conversation"]["events"])


async def test_no_action_server(model: Path, tmp_path: Path) -> None:
    async with engine_process.engine(model, engine_process.free_port(), tmp_path) as alone:
        code, body = await alone.turn(text=QUESTION)
        assert (code, body["error"]) == (503, "actions_unreachable")
        code, body = await alone.turn(text="你好")
        assert code == 200  # what needs no action is answered


async def test_an_action_that_hangs_does_not_stop_the_others(engine: Engine, actions: ActionServer) -> None:
    free = asyncio.Event()

    async def hang(_: Call) -> web.StreamResponse:
        await free.wait()
        return web.json_response({"events": [], "responses": [{"text": "终于"}]})

    actions.answers["action_answer"] = hang
    hanging = asyncio.create_task(engine.turn(text=QUESTION))
    await asyncio.sleep(0.2)
    code, _ = await asyncio.wait_for(engine.turn(text="你好", contact="c2"), 2)
    assert code == 200
    assert not hanging.done()
    free.set()
    code, body = await hanging
    assert (code, body["replies"][0]["text"]) == (200, "终于")


async def test_a_dialogue_in_circles(engine: Engine, actions: ActionServer) -> None:
    actions.answers["action_circle"] = says(
        {"events": [{"event": "followup", "name": "action_circle"}], "responses": [{"text": "又来了"}]}
    )
    code, body = await engine.turn(text="一直转圈", intent="circle")
    assert (code, body["error"]) == (500, "prediction_limit")
    assert "replies" not in body
    assert len(actions.calls) == 10
    assert [call.headers["X-Action-Ordinal"] for call in actions.calls] == [str(n) for n in range(10)]


async def test_a_response_that_lacks_its_value(engine: Engine, actions: ActionServer) -> None:
    # utter_thank says {drug}; stock Rasa would send the word None.
    code, body = await engine.turn(text="谢谢", intent="thank")
    assert (code, body["error"]) == (500, "action_failed")
    code, body = await engine.turn(text="谢谢", intent="thank", slots={"drug": "二甲双胍"})
    assert body["replies"][0]["text"] == "二甲双胍，不客气。"


async def test_a_model_that_is_none(engine: Engine, actions: ActionServer, tmp_path: Path) -> None:
    _, before = await engine.call("GET", "/ready")
    wrong = tmp_path / "wrong.tar.gz"
    wrong.write_bytes(b"no archive")
    for body in ({"path": str(wrong)}, {"path": str(tmp_path / "nowhere.tar.gz")}, {"path": 1}, {}):
        code, answer = await engine.call("PUT", "/model", json.dumps(body).encode())
        assert (code, answer["error"]) == (400, "bad_request")
    assert await engine.call("GET", "/ready") == (200, before)


async def test_a_start_without_token_or_with_a_wrong_model(tmp_path: Path) -> None:
    async def start(**given: str) -> tuple[int | None, str]:
        environment = {"PATH": "/usr/bin:/bin", "MEDREP_ENGINE_PORT": str(engine_process.free_port())}
        process = await asyncio.create_subprocess_exec(
            str(engine_process.PYTHON),
            "-m",
            "engine",
            cwd=engine_process.ROOT,
            env=environment | given,
            stderr=asyncio.subprocess.PIPE,
        )
        _, errors = await asyncio.wait_for(process.communicate(), 90)
        return process.returncode, errors.decode()

    code, errors = await start()
    assert code == 2
    assert "MEDREP_ENGINE_TOKEN" in errors
    wrong = tmp_path / "wrong.tar.gz"
    wrong.write_bytes(b"no archive")
    code, errors = await start(MEDREP_ENGINE_TOKEN="t", MEDREP_ACTIONS_TOKEN="t", MEDREP_MODEL=str(wrong))
    assert code == 1
    assert "cannot start" in errors

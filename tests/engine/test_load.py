"""Many at once: contacts do not mix, one turn runs once, and a model is swapped under load."""

from __future__ import annotations

import asyncio
import random
import shutil
from pathlib import Path
from uuid import uuid4

from aiohttp import web

from tests.engine import engine_process
from tests.engine.engine_process import ActionServer, Call, Engine


async def test_contacts_do_not_mix(engine: Engine, actions: ActionServer) -> None:
    async def slow(call: Call) -> web.StreamResponse:
        await asyncio.sleep(random.uniform(0, 0.05))
        slots = call.body["tracker"]["slots"]
        text = (
            f"{call.body['sender_id']} {call.message['text']} {slots['audience']} {call.headers['X-Turn-Id']}"
        )
        return web.json_response({"events": [], "responses": [{"text": text}]})

    actions.answers["action_answer"] = slow

    async def contact(name: str) -> None:
        conversation = None
        for number in range(4):
            turn_id, text = str(uuid4()), f"二甲双胍怎么吃 {name} {number}"
            code, body = await engine.turn(
                text=text, contact=name, conversation=conversation, turn_id=turn_id, slots={"audience": name}
            )
            assert code == 200
            assert [reply["text"] for reply in body["replies"]] == [f"{name} {text} {name} {turn_id}"]
            conversation = body["conversation"]
            texts = [event["text"] for event in conversation["events"] if event["event"] == "user"]
            assert texts == [f"二甲双胍怎么吃 {name} {earlier}" for earlier in range(number + 1)]

    await asyncio.gather(*(contact(f"c{number}") for number in range(12)))


async def test_the_same_turn_at_once_runs_once(engine: Engine, actions: ActionServer) -> None:
    turn_id = str(uuid4())
    answers = await asyncio.gather(*(engine.turn(text="二甲双胍怎么吃", turn_id=turn_id) for _ in range(6)))
    assert all(answer == answers[0] for answer in answers)
    assert answers[0][0] == 200
    assert len(actions.calls) == 1


async def test_a_swap_under_load_fails_no_turn(
    engine: Engine, actions: ActionServer, model: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.tar.gz"  # a model is known by its name
    shutil.copy(model, other)
    _, before = await engine.call("GET", "/ready")
    served: list[str] = []
    done = asyncio.Event()

    async def client(name: str) -> None:
        conversation = None
        while not done.is_set():
            code, body = await engine.turn(text="二甲双胍怎么吃", contact=name, conversation=conversation)
            assert code == 200, body
            assert body["replies"]
            conversation = body["conversation"]
            served.append(body["model"])

    clients = [asyncio.create_task(client(f"s{number}")) for number in range(4)]
    await asyncio.sleep(0.5)
    code, swapped = await engine.call("PUT", "/model", {"path": str(other)})
    assert code == 200
    assert swapped["model"] != before["model"]
    await asyncio.sleep(0.5)
    done.set()
    await asyncio.gather(*clients)
    assert served[0] == before["model"]
    assert served[-1] == swapped["model"]
    assert len(served) > 20


async def test_a_turn_under_way_is_answered_before_the_engine_stops(
    actions: ActionServer, model: Path, tmp_path: Path
) -> None:
    called = asyncio.Event()

    async def slow(_: Call) -> web.StreamResponse:
        called.set()
        await asyncio.sleep(0.5)
        return web.json_response({"events": [], "responses": [{"text": "还来得及"}]})

    actions.answers["action_answer"] = slow
    async with engine_process.engine(model, actions.port, tmp_path) as leaving:
        turn = asyncio.create_task(leaving.turn(text="二甲双胍怎么吃"))
        await called.wait()
        leaving.process.terminate()
        code, body = await turn
    assert code == 200
    assert body["replies"][0]["text"] == "还来得及"

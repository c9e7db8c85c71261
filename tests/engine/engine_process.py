"""A real engine as a child process, and a real action server for it to call."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
from aiohttp import web

from bot.service.postgres import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
PYTHON = ROOT / ".venv-engine" / "bin" / "python"
FIXTURE = Path(__file__).resolve().parent / "fixture"
TOKEN = "engine-token"
ACTIONS_TOKEN = "actions-token"


def train(data: Path, out: Path) -> None:
    command = [str(PYTHON), "-m", "engine.train", "--data", str(data), "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]


@dataclass
class Call:
    """One request the engine made to the action server."""

    action: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def message(self) -> dict[str, Any]:
        message: dict[str, Any] = self.body["tracker"]["latest_message"]
        return message


Answer = Callable[[Call], Awaitable[web.StreamResponse]]


async def say_who(call: Call) -> web.StreamResponse:
    """The default action: tells whose message it saw, so that mixed-up conversations show."""
    text = f"{call.action}:{call.body['sender_id']}:{call.message['text'][:40]}"
    response = {
        "text": text,
        "custom": {"basis": "content:x@1"},
        "buttons": [{"title": "甲", "payload": "entry:a"}],
    }
    return web.json_response({"events": [], "responses": [response]})


async def nothing(_: Call) -> web.StreamResponse:
    return web.json_response({"events": [], "responses": []})


@dataclass
class ActionServer:
    port: int
    calls: list[Call] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        call = Call(body["next_action"], dict(request.headers), body)
        self.calls.append(call)
        default = nothing if call.action.startswith("validate_") else say_who
        return await self.answers.get(call.action, default)(call)


@asynccontextmanager
async def action_server() -> AsyncIterator[ActionServer]:
    server = ActionServer(free_port())
    app = web.Application(client_max_size=8 * 1024 * 1024)
    app.router.add_post("/actions", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", server.port).start()
    try:
        yield server
    finally:
        await runner.cleanup()


@dataclass
class Engine:
    port: int
    process: subprocess.Popen[bytes]
    log: Path
    http: aiohttp.ClientSession

    async def call(
        self, method: str, path: str, body: Any = None, *, token: str = TOKEN
    ) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {token}"}
        url = f"http://127.0.0.1:{self.port}{path}"
        send = {"data": body} if isinstance(body, (bytes, io.IOBase)) else {"json": body}
        async with self.http.request(method, url, headers=headers, **send) as response:
            return response.status, await response.json()

    async def turn(self, **turn: Any) -> tuple[int, dict[str, Any]]:
        return await self.call("POST", "/turn", turn_of(**turn))


def turn_of(
    text: str = "",
    *,
    contact: str = "c1",
    conversation: dict[str, Any] | None = None,
    slots: dict[str, Any] | None = None,
    turn_id: str = "",
    attempt: int = 1,
    actions: str = "",
    **given: Any,
) -> dict[str, Any]:
    return {
        "turn_id": turn_id or str(uuid4()),
        "attempt": attempt,
        "actions": actions,
        "contact": contact,
        "conversation": conversation,
        "input": {"text": text, **given},
        "slots": slots or {},
    }


@asynccontextmanager
async def engine(model: Path, actions_port: int, folder: Path) -> AsyncIterator[Engine]:
    """A serving engine, ready; it is terminated and must leave with 0."""
    port = free_port()
    log = folder / f"engine-{port}.log"
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        "MEDREP_ENGINE_PORT": str(port),
        "MEDREP_ENGINE_TOKEN": TOKEN,
        "MEDREP_ACTIONS_URL": f"http://127.0.0.1:{actions_port}/actions",
        "MEDREP_ACTIONS_TOKEN": ACTIONS_TOKEN,
        "MEDREP_MODEL": str(model),
    }
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(PYTHON), "-m", "engine"], cwd=ROOT, env=environment, stdout=out, stderr=out
        )
    async with aiohttp.ClientSession() as http:
        running = Engine(port, process, log, http)
        try:
            await _until_ready(running)
            yield running
        finally:
            process.terminate()
            code = await asyncio.to_thread(process.wait, 20)
    assert code == 0, f"engine left with {code}: {log.read_text()[-2000:]}"


async def _until_ready(running: Engine) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert running.process.poll() is None, running.log.read_text()[-2000:]
        try:
            status, _ = await running.call("GET", "/ready")
        except aiohttp.ClientConnectionError:
            status = 0
        if status == 200:
            return
        await asyncio.sleep(0.2)
    sys.stderr.write(running.log.read_text()[-2000:])
    raise AssertionError("the engine did not become ready")

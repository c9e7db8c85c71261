"""The supervisor ends an engine that falls silent, and says where everything is."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

import bot.dialogue.engine_client
import bot.service.supervisor
from bot.service.home import ServiceTokens
from bot.service.postgres import free_port
from bot.service.process import Child
from bot.service.supervisor import Options, Supervisor
from bot.settings import read_settings

READY = """
import sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer
time.sleep(float(sys.argv[2]))
class Ready(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Type", "application/json"); self.end_headers()
        self.wfile.write(b'{"model": "m"}')
    def log_message(self, *_): pass
HTTPServer(("127.0.0.1", int(sys.argv[1])), Ready).serve_forever()
"""


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bot.service.supervisor, "ENGINE_CHECK_SECONDS", 0.1)
    monkeypatch.setattr(bot.service.supervisor, "HUNG_SECONDS", 1.0)
    monkeypatch.setattr(bot.dialogue.engine_client, "READY_SECONDS", 0.3)


@pytest.mark.usefixtures("fast")
async def test_only_an_engine_that_was_ready_counts_as_hung(tmp_path: Path) -> None:
    lines: list[str] = []
    port = free_port()
    settings = read_settings({"MEDREP_HOME": str(tmp_path), "MEDREP_ENGINE_PORT": str(port)})
    supervisor = Supervisor(settings, Options(), lines.append)
    supervisor._shared = ServiceTokens("engine", "actions")
    command = (sys.executable, "-c", READY, str(port), "2.5")
    engine = Child("engine", command, lambda: os.environ, tmp_path / "engine.log")
    await engine.start()
    assert engine.process is not None
    watching = asyncio.create_task(supervisor._end_hung(engine))
    try:
        await asyncio.sleep(4.0)
        assert engine.process.returncode is None, "it took longer to start than an engine may hang"
        engine.process.send_signal(signal.SIGSTOP)
        assert await asyncio.wait_for(engine.wait(), 10) == -signal.SIGKILL
        assert lines == ["engine hangs since 1 s, ending it"]
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await engine.stop(1.0)


def test_it_says_where_everything_is_and_what_nobody_serves(tmp_path: Path) -> None:
    (tmp_path / "medrep.toml").write_text(
        '[telegram.tg]\nbot_token = "1:a"\nwebhook_secret = "12345678"\naudience = "doctor"\n'
        '[wechat.demo]\napp_id = "wx1"\napp_secret = "s"\ntoken = "token1"\naudience = "doctor"\n'
        f'encoding_aes_key = "{"a" * 43}"\n',
        encoding="utf-8",
    )
    environment = {
        "MEDREP_HOME": str(tmp_path),
        "MEDREP_CONFIG": str(tmp_path / "medrep.toml"),
        "MEDREP_PORT": "8181",
    }

    def lines(**more: str) -> list[str]:
        return list(Supervisor(read_settings({**environment, **more}), Options(), print)._addresses())

    assert "webhook     http://127.0.0.1:8181/wechat/demo" in lines()
    assert "webhook     http://10.0.0.7:8181/wechat/demo" in lines(MEDREP_HOST="10.0.0.7")
    public = lines(MEDREP_PUBLIC_URL="https://medrep.example.org")
    assert "webhook     https://medrep.example.org/wechat/demo" in public
    assert public[0].startswith("health      http://127.0.0.1:8181/"), "that is for this machine"
    assert any("[telegram.tg]" in line for line in public)

"""What a newcomer sees of a running service, and what the service survives."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.running import PORTS, Service, descendants


def children(service: Service, pattern: str) -> list[int]:
    """The process ids of the children whose command line matches."""
    return [pid for pid, line in service.processes().items() if re.search(pattern, line)]


def child(service: Service, pattern: str) -> int:
    found = children(service, pattern)
    assert found, service.processes()
    return min(found)


def secrets(home: Path) -> list[str]:
    """Everything secret below the home that could show as text."""
    passwords = json.loads((home / "keys" / "database.json").read_text()).values()
    tokens = [path.read_text() for path in (home / "keys").glob("*.token")]
    demo = re.findall(r'(?:app_secret|token|encoding_aes_key) = "(.+?)"', (home / "sandbox.toml").read_text())
    assert len(tokens) == 2
    assert len(demo) == 6
    return [*passwords, *tokens, *demo]


def test_it_answers_and_says_where(service: Service) -> None:
    for path in ("/healthz", "/readyz", "/metrics", "/sandbox/"):
        assert service.status(path) == 200, path
        assert path == "/metrics" or f"{service.url}{path}" in service.terminal()
    assert re.search(r"invitation  DEMO-D006  code [0-9A-Z-]{14}", service.terminal())
    assert "/wechat/sandbox" in service.terminal()
    assert "Ctrl-C" in service.terminal()


def test_no_secret_on_terminal_in_command_lines_or_logs(service: Service) -> None:
    shown = [service.terminal(), *service.processes().values()]
    shown += [path.read_text(errors="replace") for path in (service.home / "logs").iterdir()]
    for secret in secrets(service.home):
        assert not any(secret in text for text in shown)


def test_secrets_are_for_the_owner_alone(service: Service) -> None:
    assert (service.home / "keys").stat().st_mode & 0o777 == 0o700
    for path in [
        *(service.home / "keys").iterdir(),
        service.home / "sandbox.toml",
        service.home / "demo-codes.csv",
    ]:
        assert path.stat().st_mode & 0o777 == 0o600, path.name


def test_the_engine_is_told_nothing_of_the_database(service: Service) -> None:
    environment = Path(f"/proc/{child(service, '-m engine')}/environ").read_text()
    assert "MEDREP_ENGINE_TOKEN" in environment
    assert "DATABASE" not in environment
    assert "postgresql" not in environment


def test_a_second_supervisor_is_refused(service: Service) -> None:
    second = Service(service.home).medrep("serve")
    assert second.returncode == 2
    assert f"already runs in {service.home} (process {service.running.pid})" in second.stderr
    assert service.status("/readyz") == 200


def test_commands_use_the_running_service(service: Service) -> None:
    began = set(descendants(os.getpid()))  # other tests' services are among them
    service.prints("tasks")
    assert re.fullmatch(r"OK \d+ rows\n", service.prints("evidence", "verify"))
    texts = "二甲双胍肾功能不全能用吗\n\n胸痛得厉害，喘不上气\n"
    printed = service.prints("understand", "--audience", "doctor", stdin=texts)
    lines = [json.loads(line) for line in printed.splitlines()]
    assert [line["route"] for line in lines] == ["answer", "dialogue", "emergency"]
    asked = lines[0]
    assert asked["intent"] == "ask_product"
    assert {"type": "drug", "value": "二甲双胍", "start": 0, "end": 4} in asked["entities"]
    assert asked["knowledge"][0]["id"].startswith("metformin-")
    assert len(asked["knowledge"]) <= 5
    assert "-m engine" not in "".join(
        line
        for pid, line in descendants(os.getpid()).items()
        if pid not in began and pid != service.running.pid
    )


@pytest.mark.parametrize("pattern", ["-m engine", "-m bot.app", "-m sandbox", r"/postgres -D"])
def test_what_is_killed_comes_back(service: Service, pattern: str) -> None:
    victim, count = child(service, pattern), len(children(service, pattern))
    os.kill(victim, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while True:
        again = children(service, pattern)
        if len(again) >= count and victim not in again and service.status("/readyz") == 200:
            break
        assert time.monotonic() < deadline, service.logs()
        time.sleep(0.1)
    while service.status("/sandbox/") != 200:
        assert time.monotonic() < deadline, service.logs()
        time.sleep(0.2)
    assert service.running.poll() is None
    service.await_ready(30)


def test_a_port_in_use_is_named_at_once(service: Service, tmp_path: Path) -> None:
    taken = {name: service.env[name] for name in PORTS}
    refused = Service(tmp_path / "other", taken).medrep("serve")
    assert refused.returncode == 2
    for name in PORTS:
        assert f"port {taken[name]} is in use or not allowed; choose another with {name}" in refused.stderr
    assert not (tmp_path / "other" / "database").exists()

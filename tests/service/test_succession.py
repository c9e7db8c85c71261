"""A published dialogue takes over in a running engine; one that cannot be trained does not."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from bot.dialogue.version import FED_INTENTS, FED_SLOTS, read_dialogue
from bot.service.training import model_path
from bot.settings import ROOT
from tests.running import Service, ask

SECONDS = 240


def until(service: Service, true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline, service.terminal() + service.logs()
        time.sleep(0.2)


def spoken_by(service: Service) -> str:
    """The model that the engine speaks with."""
    token = (service.home / "keys" / "engine.token").read_text()
    status, answer = ask(f"http://127.0.0.1:{service.env['MEDREP_ENGINE_PORT']}/ready", token)
    assert status == 200
    return str(answer["model"])


def complete(path: Path) -> None:
    """Give the engine's test domain what the app asks of a version: its slots, its intents, typed texts."""
    domain = yaml.safe_load(re.sub(r"\{(day|place|drug)\}", "某", path.read_text()))
    flag = {"type": "bool", "influence_conversation": False, "mappings": [{"type": "custom"}]}
    for slot in sorted(FED_SLOTS - set(domain["slots"])):
        domain["slots"][slot] = dict(flag)
    intents = {one if isinstance(one, str) else next(iter(one)) for one in domain["intents"]}
    domain["intents"] += sorted(FED_INTENTS - intents)
    path.write_text(yaml.safe_dump(domain, allow_unicode=True, sort_keys=False))


def test_a_new_version_speaks_without_a_restart_and_a_bad_one_never_does(tmp_path: Path) -> None:
    """With the engine's small test dialogue; `medrep engine` follows what is published as `serve` does."""
    files = tmp_path / "files"
    shutil.copytree(ROOT / "tests" / "engine" / "fixture", files)
    complete(files / "domain.yml")
    service = Service(tmp_path / "home")
    service.prints("dialogue", "import", files)
    with service.serving("engine"):
        first = spoken_by(service)
        engine = [pid for pid, line in service.processes().items() if "-m engine" in line]

        domain = files / "domain.yml"
        domain.write_text(domain.read_text() + "# a newer version\n")
        service.prints("dialogue", "import", files)
        until(service, lambda: spoken_by(service) != first)
        second = spoken_by(service)
        assert model_path(service.home, read_dialogue(files).fingerprint).exists()

        good = domain.read_text()
        for broken in ("intents: [[[\n", good.replace("utter_stop:", "utter_halt:")):
            domain.write_text(broken)
            refused = service.medrep("dialogue", "import", files)
            assert refused.returncode == 2, "what the app could not speak with is never put in force"
            assert "domain.yml" in refused.stderr

        domain.write_text(good)
        config = files / "config.yml"
        config.write_text(
            config.read_text().replace("engine.intents.IntentRegression", "engine.intents.Nothing")
        )
        service.prints("dialogue", "import", files)
        until(service, lambda: "cannot be used, the old one stays" in service.terminal())
        assert spoken_by(service) == second
        assert engine == [pid for pid, line in service.processes().items() if "-m engine" in line]
        tasks = [json.loads(line) for line in service.prints("tasks").splitlines()]
        assert [task["kind"] for task in tasks] == ["platform"]

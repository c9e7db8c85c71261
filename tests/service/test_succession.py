"""A published dialogue takes over in a running engine; one that cannot be trained does not."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from bot.dialogue import read_dialogue
from bot.settings import ROOT
from bot.training import model_path
from tests.service.running import Running, descendants, environment, get_json, medrep, serving

SECONDS = 240


def until(running: Running, true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline, running.said() + running.logs()
        time.sleep(0.2)


def test_a_new_version_speaks_without_a_restart_and_a_bad_one_never_does(tmp_path: Path) -> None:
    """With the engine's small test dialogue; `medrep engine` follows what is published as `serve` does."""
    files = tmp_path / "files"
    shutil.copytree(ROOT / "tests" / "engine" / "fixture", files)
    home = tmp_path / "home"
    env = environment(home)
    assert medrep(env, "dialogue", "import", files).returncode == 0
    with serving(env, "engine") as running:
        token = (home / "keys" / "engine.token").read_text()
        url = f"http://127.0.0.1:{env['MEDREP_ENGINE_PORT']}/ready"
        first = get_json(url, token)["model"]
        engine = [pid for pid, line in descendants(running.process.pid).items() if "-m engine" in line]

        domain = files / "domain.yml"
        domain.write_text(domain.read_text() + "# a newer version\n")
        assert medrep(env, "dialogue", "import", files).returncode == 0
        until(running, lambda: get_json(url, token)["model"] != first)
        second = get_json(url, token)["model"]
        assert model_path(home, read_dialogue(files).fingerprint).exists()

        good = domain.read_text()
        for broken in ("intents: [[[\n", good.replace("utter_stop:", "utter_halt:")):
            domain.write_text(broken)
            refused = medrep(env, "dialogue", "import", files)
            assert refused.returncode == 2, "what the app could not speak with is never put in force"
            assert "domain.yml" in refused.stderr

        domain.write_text(good)
        config = files / "config.yml"
        config.write_text(
            config.read_text().replace("engine.intents.IntentRegression", "engine.intents.Nothing")
        )
        assert medrep(env, "dialogue", "import", files).returncode == 0
        until(running, lambda: "cannot be used, the old one stays" in running.said())
        assert get_json(url, token)["model"] == second
        assert engine == [
            pid for pid, line in descendants(running.process.pid).items() if "-m engine" in line
        ]
        tasks = [json.loads(line) for line in medrep(env, "tasks").stdout.splitlines()]
        assert [task["kind"] for task in tasks] == ["platform"]

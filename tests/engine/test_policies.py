"""The policies that serve decide as Rasa's own do, with the seed's model."""

from __future__ import annotations

import asyncio
import json
import subprocess

from bot.dialogue.version import read_dialogue
from bot.service.training import train
from bot.settings import ROOT
from tests.engine.engine_process import PYTHON


def test_the_same_turns_come_out_and_the_memory_is_hardly_asked() -> None:
    model = asyncio.run(train(ROOT / "var", read_dialogue(ROOT), print))
    command = [str(PYTHON), "tests/engine/side_by_side.py", str(model)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    found = json.loads(done.stdout)
    stock, product = found["asked"]
    assert found["alike"] == 420
    assert product < stock / 10, "else nothing is gained"

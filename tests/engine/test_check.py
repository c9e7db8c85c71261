"""The check that stands before publishing, on the seed itself and on a dialogue that is broken."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.engine.engine_process import FIXTURE, PYTHON, ROOT


def check(data: Path, out: Path, *more: str) -> tuple[int, dict[str, Any]]:
    command = [str(PYTHON), "-m", "engine.check", "--data", str(data), "--out", str(out), *more]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=290, check=False)
    assert out.exists(), done.stderr[-2000:]
    return done.returncode, json.loads(out.read_text(encoding="utf-8"))


def test_the_seed_is_understood(tmp_path: Path) -> None:
    code, report = check(ROOT, tmp_path / "report.json", "--floor", "0.80")
    assert report["valid"], report["warnings"]
    assert code == 0, report["nlu"]
    nlu = report["nlu"]
    assert nlu["held_out"] > 400
    assert nlu["macro_f1"] > 0.75
    # The fallback keeps silent where it is right to: what is answered is answered better.
    assert nlu["answered"] > 0.85
    assert nlu["accuracy_answered"] > nlu["accuracy"]
    # An adverse event is also screened without NLU, but it must not be lost here either.
    assert nlu["intents"]["report_adverse_event"]["recall"] > 0.7


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("  - rule: x\n    steps: [{intent: greet}, {action: action_nowhere}]\n", "action_nowhere"),
        (
            "  - rule: x\n    steps: [{intent: thank}, {action: utter_greet}]\n",
            "contradicting with rule(s) 'x'",
        ),
    ],
)
def test_a_broken_dialogue_is_refused(tmp_path: Path, rule: str, why: str) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(FIXTURE, broken)
    rules = broken / "data" / "rules" / "rules.yml"
    rules.write_text(rules.read_text(encoding="utf-8") + rule, encoding="utf-8")
    code, report = check(broken, tmp_path / "report.json")
    assert code == 1
    assert report["valid"] is False
    assert report["nlu"] is None
    assert any(why in warning for warning in report["warnings"]), report["warnings"]


def test_training_that_fails_leaves_the_old_model(tmp_path: Path) -> None:
    out = tmp_path / "model.tar.gz"
    out.write_bytes(b"the old one")
    (tmp_path / "empty").mkdir()
    command = [str(PYTHON), "-m", "engine.train", "--data", str(tmp_path / "empty"), "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "missing below empty: domain.yml" in done.stdout
    assert out.read_bytes() == b"the old one"

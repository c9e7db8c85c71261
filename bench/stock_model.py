"""Stock Rasa's model: its own default configuration on the seed's training data, trained once, kept by hash.

Rasa names no default tokenizer for Chinese: its default one refuses zh, and JiebaTokenizer is the one it
brings. Our components and our lexicon stay out. DIET learns for fewer epochs unless asked: what a turn costs
does not depend on them, and 100 epochs on the seed take the better part of an hour on two cores.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from bot.dialogue.version import read_dialogue
from bot.model import Fault, MedrepError
from bot.service.process import plain_environment
from bot.settings import ROOT

PYTHON = ROOT / ".venv-engine" / "bin" / "python"
CACHE = ROOT / "var" / "bench"
DEFAULT = "rasa/engine/recipes/config_files/default_config.yml"
SOURCES = ("domain.yml", "data/nlu", "data/rules", "data/stories")
TRAINING_SECONDS = 4 * 3600.0
EPOCHS = 15  # of DIET; Rasa's own default is 100


def trained(epochs: int = EPOCHS) -> Path:
    """The archive of stock Rasa's model for the checkout's seed. Raises MedrepError(CONFIGURATION)."""
    files = {name: text for name, text in read_dialogue(ROOT).files.items() if name.startswith(SOURCES)}
    files["config.yml"] = yaml.safe_dump(configuration(epochs), allow_unicode=True, sort_keys=False)
    digest = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()
    archive = CACHE / f"stock-{digest[:16]}.tar.gz"
    if not archive.exists():
        _train(files, archive)
    return archive


def configuration(epochs: int) -> dict[str, Any]:
    """Rasa's default configuration, for Chinese."""
    config: dict[str, Any] = yaml.safe_load(_site_packages().joinpath(DEFAULT).read_text(encoding="utf-8"))
    for component in config["pipeline"]:
        if component["name"] == "WhitespaceTokenizer":
            component["name"] = "JiebaTokenizer"
        if component["name"] == "DIETClassifier":
            component["epochs"] = epochs
    return {**config, "recipe": "default.v1", "assistant_id": "stock", "language": "zh"}


def environment() -> dict[str, str]:
    """For every process of stock Rasa: as a shell would start it, without telemetry."""
    return {**plain_environment(), "RASA_TELEMETRY_ENABLED": "false", "SQLALCHEMY_SILENCE_UBER_WARNING": "1"}


def _site_packages() -> Path:
    return next((PYTHON.parent.parent / "lib").glob("python3.*/site-packages"))


def _train(files: dict[str, str], archive: Path) -> None:
    print("training stock Rasa (DIET and TED, many minutes; kept for the next time) …", flush=True)
    folder = CACHE / f".training-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    with (CACHE / "stock-training.log").open("wb") as log:
        done = subprocess.run(
            [str(PYTHON), "-m", "rasa", "train", "--fixed-model-name", "model", "--out", "."],
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            timeout=TRAINING_SECONDS,
            check=False,
        )
    if done.returncode != 0 or not (folder / "model.tar.gz").exists():
        raise MedrepError(Fault.CONFIGURATION, f"stock Rasa did not train; see {log.name}")
    (folder / "model.tar.gz").replace(archive)
    shutil.rmtree(folder)

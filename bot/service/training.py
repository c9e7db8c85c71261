"""Training: a published dialogue becomes a model file, once, keyed by the dialogue's fingerprint."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bot.dialogue.version import Dialogue, write_dialogue
from bot.model import Fault, MedrepError
from bot.service.process import Say, bound_to_us, plain_environment
from bot.settings import ROOT

ENGINE_PYTHON = ROOT / ".venv-engine" / "bin" / "python"
KEPT = 3  # models on disk: the one in force and what it replaced, for a quick way back
POLL_SECONDS = 0.5


def model_path(home: Path, fingerprint: str) -> Path:
    return home / "models" / f"{fingerprint}.tar.gz"


def materialise(home: Path, dialogue: Dialogue) -> Path:
    """The dialogue's files below `home`, written whole or not at all; returns their folder."""
    folder = home / "dialogue" / dialogue.fingerprint
    if not folder.exists():
        part = folder.with_name(f".{folder.name}.{os.getpid()}")
        shutil.rmtree(part, ignore_errors=True)
        write_dialogue(dialogue, part)
        part.rename(folder)
    return folder


async def train(home: Path, dialogue: Dialogue, say: Say) -> Path:
    """The model of this dialogue, trained if it is not there yet. Raises MedrepError(CONFIGURATION)."""
    model = model_path(home, dialogue.fingerprint)
    model.parent.mkdir(parents=True, exist_ok=True)
    async with _alone(model.parent / ".lock"):
        if not model.exists():
            say("training the language model (some minutes, only when the dialogue changed) …")
            await _train(materialise(home, dialogue), model, home / "logs" / "training.log", say)
        model.touch()
        prune(home, model)
    return model


async def _train(folder: Path, model: Path, log: Path, say: Say) -> None:
    if not ENGINE_PYTHON.exists():
        raise MedrepError(Fault.CONFIGURATION, "the engine's environment is missing; run `make setup`")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *bound_to_us(),
            *(str(ENGINE_PYTHON), "-m", "engine.train", "--data", str(folder), "--out", str(model)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            cwd=ROOT,
            env=plain_environment(),
            start_new_session=True,
        )
        try:
            assert process.stdout is not None  # noqa: S101 - for the type checker; it is a pipe
            async for line in process.stdout:
                say(f"training: {line.decode(errors='replace').rstrip()}")
            code = await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    if code != 0:
        raise MedrepError(Fault.CONFIGURATION, f"training failed with exit code {code}; see {log}")


def prune(home: Path, current: Path) -> None:
    """Keep the newest models, the current one in any case, and only the files that belong to them."""
    models = sorted((home / "models").glob("*.tar.gz"), key=lambda path: path.stat().st_mtime, reverse=True)
    kept = {current.name.removesuffix(".tar.gz")}
    for model in models:
        name = model.name.removesuffix(".tar.gz")
        if len(kept) < KEPT or name in kept:
            kept.add(name)
        else:
            model.unlink()
    for folder in (home / "dialogue").glob("*/"):
        if folder.name not in kept:
            shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def _alone(path: Path) -> AsyncIterator[None]:
    """One training at a time in this home; the lock goes with the process."""
    with path.open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(POLL_SECONDS)
        yield

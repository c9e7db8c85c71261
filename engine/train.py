"""Train a model: `python -m engine.train --data DIR --out FILE`.

DIR holds domain.yml, config.yml and data/{nlu,rules,stories,lexicon}; FILE is replaced in one step.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from engine import quiet

NEEDED = ("domain.yml", "config.yml", "data/nlu", "data/lexicon")
SOURCES = ("data/nlu", "data/rules", "data/stories")


class TrainingFailed(Exception):  # noqa: N818 - it is what happened
    """Why there is no model, in Rasa's words: a rule that contradicts another, a file it cannot read."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="engine.train", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args(arguments)
    quiet.prepare()
    began = time.monotonic()
    out = given.out.resolve()
    try:
        train(given.data.resolve(), out)
    except TrainingFailed as error:
        _say(f"training failed: {error}")
        return 1
    _say(f"trained in {time.monotonic() - began:.0f} s: {out.name}, {out.stat().st_size / 1e6:.1f} MB")
    return 0


def train(data: Path, out: Path) -> None:
    """Train on the files below `data` and put the archive at `out`. Raises TrainingFailed."""
    missing = [name for name in NEEDED if not (data / name).exists()]
    if missing:
        raise TrainingFailed(f"missing below {data.name}: {', '.join(missing)}")
    out.parent.mkdir(parents=True, exist_ok=True)
    # Beside its destination, so that the last step is a rename within one file system.
    with TemporaryDirectory(dir=out.parent, prefix=".training-") as folder:
        os.environ["RASA_CACHE_DIRECTORY"] = str(Path(folder) / "cache")
        os.chdir(data)  # paths in config.yml are relative to it
        _say("loading")
        from rasa import model_training  # noqa: PLC0415 - slow, and reads the environment set above

        _say("training")
        report = io.StringIO()  # Rasa's own report is told only when it matters
        try:
            with contextlib.redirect_stdout(report):
                result = model_training.train(
                    domain="domain.yml",
                    config="config.yml",
                    training_files=[name for name in SOURCES if Path(name).exists()],
                    output=folder,
                    force_training=True,
                    fixed_model_name="model",
                )
        except Exception as error:
            raise TrainingFailed(f"{_root(error)} {report.getvalue()}".strip()) from error
        if result.code != 0 or not result.model:
            raise TrainingFailed(report.getvalue().strip())
        Path(result.model).replace(out)


def _root(error: BaseException) -> BaseException:
    """What a graph component said, below the wrappers that only say which one it was."""
    return _root(error.__cause__) if error.__cause__ else error


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - progress for whoever waits


if __name__ == "__main__":
    sys.exit(main())

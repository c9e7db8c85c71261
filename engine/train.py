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


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="engine.train", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args(arguments)
    quiet.prepare()
    return train(given.data.resolve(), given.out.resolve())


def train(data: Path, out: Path) -> int:
    """Train on the files below `data` and put the archive at `out`. Returns the exit code."""
    missing = [name for name in NEEDED if not (data / name).exists()]
    if missing:
        _say(f"missing below {data.name}: {', '.join(missing)}")
        return 2
    began = time.monotonic()
    out.parent.mkdir(parents=True, exist_ok=True)
    # Beside its destination, so that the last step is a rename within one file system.
    with TemporaryDirectory(dir=out.parent, prefix=".training-") as folder:
        os.environ["RASA_CACHE_DIRECTORY"] = str(Path(folder) / "cache")
        os.chdir(data)  # paths in config.yml are relative to it
        _say("loading")
        from rasa import model_training  # noqa: PLC0415 - slow, and reads the environment set above

        _say("training")
        told = io.StringIO()  # Rasa's own report is told only when it matters
        with contextlib.redirect_stdout(told):
            result = model_training.train(
                domain="domain.yml",
                config="config.yml",
                training_files=[name for name in SOURCES if Path(name).exists()],
                output=folder,
                force_training=True,
                fixed_model_name="model",
            )
        if result.code != 0 or not result.model:
            _say(f"training failed: {told.getvalue()}")
            return 1
        Path(result.model).replace(out)
    _say(f"trained in {time.monotonic() - began:.0f} s: {out.name}, {out.stat().st_size / 1e6:.1f} MB")
    return 0


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - progress for whoever waits


if __name__ == "__main__":
    sys.exit(main())

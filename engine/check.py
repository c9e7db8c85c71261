"""Check the dialogue before it is published: `python -m engine.check --data DIR [--out FILE] [--floor N]`.

Rasa's own validation of domain, NLU, rules and stories; then the intents on a fifth of the examples that a
model trained on the rest has not seen. The report is JSON, on stdout or in FILE; the exit code is 1 where
the validation fails or the accuracy on the held-out fifth is below the floor.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from engine import quiet
from engine.train import SOURCES, TrainingFailed, train

SEED = 7
TRAINED_ON = 0.8
FALLBACK = "nlu_fallback"
THRESHOLDS = (0.0, 0.2, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="engine.check", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--floor", type=float, default=0.0)
    given = parser.parse_args(arguments)
    quiet.prepare()
    data = given.data.resolve()
    out = given.out.resolve() if given.out else None
    valid, messages = validate(data)
    nlu = None
    if valid:
        try:
            nlu = held_out(data)
        except TrainingFailed as error:  # what only training finds: rules that contradict each other
            valid, messages = False, [*messages, str(error)]
    report = {"valid": valid, "warnings": messages, "nlu": nlu}
    text = json.dumps(report, ensure_ascii=False, indent=1)
    if out:
        out.write_text(text, encoding="utf-8")
    else:
        print(text)  # noqa: T201 - the report is what was asked for
    return 0 if nlu and nlu["accuracy"] >= given.floor else 1


def validate(data: Path) -> tuple[bool, list[str]]:
    """`rasa data validate`: whether all is well, and what it warned of."""
    from rasa.cli.utils import validate_files  # noqa: PLC0415 - slow
    from rasa.shared.importers.importer import TrainingDataImporter  # noqa: PLC0415

    os.chdir(data)
    valid = True
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        importer = TrainingDataImporter.load_from_config("config.yml", "domain.yml", list(SOURCES))
        try:
            validate_files(fail_on_warnings=False, max_history=None, importer=importer)
        except SystemExit:
            valid = False
    messages = {str(warning.message) for warning in caught if issubclass(warning.category, UserWarning)}
    return valid, sorted(messages)


def held_out(data: Path) -> dict[str, Any]:
    """Train on four fifths of every intent's examples and ask for the rest."""
    from rasa.shared.importers.importer import TrainingDataImporter  # noqa: PLC0415
    from rasa.shared.nlu.constants import INTENT, TEXT  # noqa: PLC0415

    from engine.actions import ActionServer  # noqa: PLC0415
    from engine.processor import TurnProcessor  # noqa: PLC0415

    os.chdir(data)
    nlu = TrainingDataImporter.load_from_config("config.yml", "domain.yml", ["data/nlu"]).get_nlu_data()
    trained, unseen = nlu.train_test_split(TRAINED_ON, random_seed=SEED)
    with TemporaryDirectory() as folder:
        part = Path(folder) / "part"
        for name in ("domain.yml", "config.yml"):
            part.mkdir(exist_ok=True)
            shutil.copy(data / name, part)
        (part / "data" / "nlu").mkdir(parents=True)
        for name in ("rules", "stories", "lexicon"):
            if (data / "data" / name).exists():  # a dialogue need not have stories
                shutil.copytree(data / "data" / name, part / "data" / name)
        (part / "data" / "nlu" / "known.yml").write_text(trained.nlu_as_yaml(), encoding="utf-8")
        model = Path(folder) / "model.tar.gz"
        train(part, model)
        processor = TurnProcessor(model, ActionServer("http://127.0.0.1:9/", ""))
        os.chdir(data)  # the folder it trained in is about to go
    results = [
        (example.get(INTENT), processor.understand(example.get(TEXT))) for example in unseen.intent_examples
    ]
    return {"trained_on": len(trained.intent_examples), **_scores(results)}


def _scores(results: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    from sklearn.metrics import classification_report  # noqa: PLC0415

    truth = [intent for intent, _ in results]
    best = [_best(parsed) for _, parsed in results]
    each = classification_report(truth, [name for name, _ in best], output_dict=True, zero_division=0)
    right = [(chance, name == intent) for intent, (name, chance) in zip(truth, best, strict=True)]
    served = [parsed["intent"]["name"] for _, parsed in results]
    answered = [name == intent for intent, name in zip(truth, served, strict=True) if name != FALLBACK]
    return {
        "held_out": len(results),
        "accuracy": round(each.pop("accuracy"), 4),
        "macro_f1": round(each.pop("macro avg")["f1-score"], 4),
        "weighted_f1": round(each.pop("weighted avg")["f1-score"], 4),
        "answered": round(len(answered) / len(results), 4),  # with the configured fallback
        "accuracy_answered": round(sum(answered) / max(len(answered), 1), 4),
        "thresholds": [_at(threshold, right) for threshold in THRESHOLDS],
        "intents": {name: {key: round(value, 3) for key, value in row.items()} for name, row in each.items()},
        "confused": _confused(truth, [name for name, _ in best]),
    }


def _best(parsed: dict[str, Any]) -> tuple[str, float]:
    """The likeliest intent before the fallback had its say."""
    ranking = [intent for intent in parsed.get("intent_ranking", []) if intent["name"] != FALLBACK]
    first = ranking[0] if ranking else parsed["intent"]
    return first["name"], first["confidence"]


def _at(threshold: float, right: list[tuple[float, bool]]) -> dict[str, float]:
    kept = [correct for chance, correct in right if chance >= threshold]
    share = len(kept) / len(right)
    return {
        "threshold": threshold,
        "answered": round(share, 4),
        "accuracy_answered": round(sum(kept) / max(len(kept), 1), 4),
    }


def _confused(truth: list[str], best: list[str]) -> list[list[Any]]:
    """The ten most frequent mistakes: true intent, taken for, how often."""
    counts: dict[tuple[str, str], int] = {}
    for pair in zip(truth, best, strict=True):
        if pair[0] != pair[1]:
            counts[pair] = counts.get(pair, 0) + 1
    return [[*pair, count] for pair, count in sorted(counts.items(), key=lambda item: -item[1])[:10]]


if __name__ == "__main__":
    sys.exit(main())

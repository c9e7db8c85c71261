"""Talk about the talk (`talk.yml`) is heard as what it is, through the running engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.running import Service

SETS: dict[str, dict[str, list[str]]] = yaml.safe_load(
    Path(__file__).with_name("talk.yml").read_text(encoding="utf-8")
)


@pytest.mark.parametrize(("name", "floor"), [("tuned", 0.93), ("held_out", 0.82)])
def test_talk_is_heard(service: Service, name: str, floor: float) -> None:
    lines = [(intent, text) for intent, texts in SETS[name].items() for text in texts]
    stdin = "".join(f"{text}\n" for _, text in lines)
    printed = service.prints("understand", "--audience", "doctor", stdin=stdin).splitlines()
    heard = [
        (intent, text, json.loads(line)["intent"])
        for (intent, text), line in zip(lines, printed, strict=True)
    ]
    lost = [one for one in heard if one[0] != one[2]]
    assert 1 - len(lost) / len(lines) >= floor, lost

"""What is held out is learnt nowhere, neither as a wording nor as a question that no entry answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.knowledge import Content, candidates
from bot.knowledge.candidates import QuestionReader
from bot.knowledge.products import nameless

HERE = Path(__file__).parent
LEARNT = Path(candidates.__file__).parent


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def reader(content: Content) -> QuestionReader:
    return QuestionReader(content)


@pytest.mark.parametrize("name", ["fresh.yml", "once.yml", "others.yml"])
def test_no_question_is_a_wording_of_its_entry(content: Content, reader: QuestionReader, name: str) -> None:
    """Whatever the product is called in it, and whatever slips are put right in both."""

    def asked(text: str) -> str:
        return nameless(*reader.names(text))

    cases = read(HERE / name)["entry"]
    found = [
        (key, text)
        for keys, texts in cases.items()
        for key in keys.split("/")
        for text in texts
        if asked(text) in {asked(wording) for wording in content.entry[key].texts}
    ]
    assert len(cases) > 20 and not found


def test_what_no_entry_answers_was_not_learnt(reader: QuestionReader) -> None:
    def asked(text: str) -> str:
        return nameless(*reader.names(text))

    learnt = {asked(text) for text in read(LEARNT / "unanswered.yaml")}
    held = [
        text
        for name in ("fresh.yml", "once.yml", "others.yml")
        for kind in ("unanswered", "safety", "off_label")
        for text in read(HERE / name).get(kind, [])
    ]
    held += [
        case["turns"].split(" | ")[-1]
        for case in read(HERE / "dialogues_once.yml")
        if case["expect"] == "open"
    ]
    assert len(held) >= 120 and len(learnt) > 80
    assert [text for text in held if asked(text) in learnt] == []

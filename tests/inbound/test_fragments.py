"""Which messages are pieces of a question: what is waited for, and what is answered at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.inbound.fragments import Piece, bare, piece_of
from bot.knowledge import is_name
from bot.knowledge.content import load
from bot.settings import ROOT

SETS: dict[str, dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "fragments.yml").read_text(encoding="utf-8")
)
PRODUCTS = load(ROOT / "data" / "content").products


def kind(text: str) -> Piece:
    return piece_of(text, is_name=is_name(bare(text), PRODUCTS))


@pytest.mark.parametrize(("name", "floor"), [("tuned", 1.0), ("held_out", 0.87)])
def test_pieces_are_waited_for(name: str, floor: float) -> None:
    """The first is an opening, and nothing before the last is taken for whole."""
    lines = SETS[name]["pieces"]
    lost = [
        line
        for line in lines
        if kind(line[0]) != Piece.OPENING or any(kind(text) == Piece.WHOLE for text in line[1:-1])
    ]
    assert 1 - len(lost) / len(lines) >= floor, lost


@pytest.mark.parametrize("name", ["tuned", "held_out"])
def test_what_stands_alone_is_answered_at_once(name: str) -> None:
    assert [text for text in SETS[name]["alone"] if kind(text) == Piece.OPENING] == []


@pytest.mark.parametrize("text", ["吗" * 100_000, "老人 " * 30_000, "1" * 100_000, ""])
def test_whatever_it_is_takes_no_time(text: str) -> None:
    assert kind(text) in (Piece.WHOLE, Piece.PART)

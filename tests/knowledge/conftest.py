"""One real index over the seed, with the real encoder: building it takes seconds."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from bot.clock import CHINA
from bot.knowledge import Content, Encoder, Index, kept_index, load

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 21, 9, 0, tzinfo=CHINA)


@pytest.fixture(scope="session")
def content() -> Content:
    return load(ROOT / "data/content")


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return Encoder()


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `index` was left when it was built."""
    return tmp_path_factory.mktemp("index")


@pytest.fixture(scope="session")
def index(content: Content, encoder: Encoder, kept: Path) -> Index:
    """Built, not read: nothing lies there yet."""
    return kept_index(content, encoder, kept)

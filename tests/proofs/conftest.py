"""One house for all proofs: four app processes, the engine, the database and the double, under attack."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.proofs.scene import House, house


@pytest.fixture(scope="package")
async def whole(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with house(tmp_path_factory.mktemp("proofs") / "home", workers=4) as running:
        yield running


@pytest.fixture
async def home(whole: House) -> AsyncIterator[House]:
    """The house, whole again: what the test before broke has come back."""
    await whole.back()
    yield whole
    await whole.control("faults", method="DELETE")

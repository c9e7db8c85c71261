"""One scene for all proofs: four app processes, the engine, the database and the double, under attack."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.proofs.scene import Scene, scene


@pytest.fixture(scope="package")
async def whole(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with scene(tmp_path_factory.mktemp("proofs") / "home", workers=4) as running:
        yield running


@pytest.fixture
async def home(whole: Scene) -> AsyncIterator[Scene]:
    """The scene, whole again: what the test before broke has come back."""
    await whole.back()
    yield whole
    await whole.control("faults", method="DELETE")

"""One trained fixture model and one serving engine for all tests of the engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.engine import engine_process
from tests.engine.engine_process import ActionServer, Engine


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("models") / "fixture.tar.gz"
    engine_process.train(engine_process.FIXTURE, out)
    return out


@pytest_asyncio.fixture(scope="session")
async def action_server() -> AsyncIterator[ActionServer]:
    async with engine_process.action_server() as server:
        yield server


@pytest.fixture
def actions(action_server: ActionServer) -> ActionServer:
    action_server.calls.clear()
    action_server.answers.clear()
    return action_server


@pytest_asyncio.fixture(scope="session")
async def engine(
    model: Path, action_server: ActionServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Engine]:
    async with engine_process.engine(model, action_server.port, tmp_path_factory.mktemp("engine")) as running:
        yield running

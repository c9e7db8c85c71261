"""One service for the tests that only use it; those that end it start their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.service.running import Running, environment, lend_model, serving


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """`make run`'s service, with the demo's people and two app processes, in a 0700 home."""
    home = tmp_path_factory.mktemp("service") / "home"
    home.mkdir(mode=0o700)
    lend_model(home)
    with serving(environment(home, MEDREP_SANDBOX="1"), "serve", "--demo", "--workers", "2") as running:
        yield running


@pytest.fixture
def new_home(tmp_path: Path) -> Callable[[], Path]:
    """Makes homes of the test's own that hold the seed's trained model."""

    def make() -> Path:
        home = tmp_path / "home"
        home.mkdir(mode=0o700)
        lend_model(home)
        return home

    return make

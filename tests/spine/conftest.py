"""One running service for the whole spine; what breaks it starts its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from tests.phone import Phone
from tests.running import Service


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = Service(tmp_path_factory.mktemp("service") / "home")
    running.start()
    yield running
    running.stop()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def doctor(http: aiohttp.ClientSession, service: Service) -> Phone:
    """陈甲, imported with an openid and so verified; every test goes on in the same chat."""
    phone = Phone(http, service.url, "oSbx1Dctr_ChenJia000000001aA")
    phone.heard = len(await phone.replies())
    return phone


@pytest.fixture(autouse=True)
async def no_faults(http: aiohttp.ClientSession, service: Service) -> AsyncIterator[None]:
    """What one test breaks is whole for the next."""
    yield
    async with http.delete(f"{service.url}/sandbox/control/faults") as answer:
        assert answer.status == 200

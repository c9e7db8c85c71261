"""The journeys go on in the session's one running service; what breaks it starts its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.phone import Phone
from tests.running import Service


@pytest.fixture
async def doctor(http: aiohttp.ClientSession, service: Service) -> Phone:
    """陈甲, imported with an openid and so verified; every test goes on in the same chat."""
    phone = Phone(http, service.url, "oSbx1Dctr_ChenJia000000001aA")
    phone.replies_read = len(await phone.replies())
    return phone


@pytest.fixture(autouse=True)
async def no_faults(http: aiohttp.ClientSession, service: Service) -> AsyncIterator[None]:
    """What one test breaks is whole for the next."""
    yield
    async with http.delete(f"{service.url}/sandbox/control/faults") as answer:
        assert answer.status == 200

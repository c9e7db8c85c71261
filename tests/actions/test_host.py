"""The action listener under bodies that are none."""

from __future__ import annotations

from uuid import uuid4

import pytest
from aiohttp.test_utils import TestClient, TestServer

import actions
from bot.runtime.services import Services

DEEP = 100_000


@pytest.mark.parametrize(
    "body",
    [
        b"[" * DEEP,
        b'{"a":' * DEEP,
        b'{"next_action": "action_source", "tracker": ' + b"[" * DEEP + b"]" * DEEP + b"}",
        b"[]",
        b"null",
        b"\xff",
        b"",
    ],
    ids=["lists", "objects", "tracker", "list", "null", "no text", "nothing"],
)
async def test_a_body_that_cannot_be_read_is_a_bad_request(services: Services, body: bytes) -> None:
    """F29: deeply nested JSON was a 500."""
    headers = {"Authorization": "Bearer t", "X-Turn-Id": str(uuid4()), "X-Action-Ordinal": "0"}
    async with (
        TestClient(TestServer(actions.routes(services, "t"))) as client,
        client.post("/actions", data=body, headers=headers) as response,
    ):
        assert (response.status, await response.json()) == (400, {"error": "bad request"})

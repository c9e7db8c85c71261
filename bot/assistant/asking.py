"""One question to the endpoint, in the protocol of chat completions."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from bot.endpoints import Assistant
from bot.text.patterns import read_rules

if TYPE_CHECKING:
    import aiohttp

log = structlog.get_logger()
LARGEST = 256 * 1024  # bytes of an answer; a longer one is none
_TOKENS = 4000  # that it may write


@dataclass(frozen=True, slots=True)
class Endpoint:
    settings: Assistant
    key: str | None = field(repr=False)


async def ask(http: aiohttp.ClientSession, endpoint: Endpoint, question: dict[str, Any]) -> Any:
    """What it answers, parsed; None where it is away, slow, too long or says no JSON: nobody waits for it."""
    import aiohttp  # noqa: PLC0415 - commands ask nobody

    settings = endpoint.settings
    headers = {"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {}
    body = {
        "model": settings.model,
        "temperature": 0,
        "max_tokens": _TOKENS,
        "response_format": {"type": "json_object"},
        "messages": [
            {"role": "system", "content": read_rules("visits", "assistant")["ask"]},
            {"role": "user", "content": json.dumps(question, ensure_ascii=False)},
        ],
    }
    url = f"{settings.base_url.rstrip('/')}/chat/completions"
    patience = aiohttp.ClientTimeout(total=settings.timeout)
    try:
        async with http.post(
            url, json=body, headers=headers, timeout=patience, allow_redirects=False
        ) as answer:
            if answer.status != 200:
                log.warning("assistant.refused", status=answer.status)
                return None
            said = await _read(answer)
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        log.warning("assistant.away", reason=type(error).__name__)
        return None
    found = _content(said)
    if found is None:
        log.warning("assistant.unreadable")
    return found


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    """At most LARGEST bytes; empty when it is longer."""
    said = bytearray()
    async for piece in answer.content.iter_chunked(16 * 1024):
        said += piece
        if len(said) > LARGEST:
            answer.close()
            return b""
    return bytes(said)


def _content(said: bytes) -> Any:
    try:
        return json.loads(json.loads(said)["choices"][0]["message"]["content"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return None

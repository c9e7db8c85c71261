"""One post to a webhook, signed after the convention of Standard Webhooks."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from standardwebhooks.webhooks import Webhook

from bot import endpoints
from bot.clock import real_now

if TYPE_CHECKING:
    import aiohttp


@dataclass(frozen=True, slots=True)
class Answer:
    """`fault` is None when it was taken; else timeout | unreachable | refused | gone."""

    status: int | None
    fault: str | None


async def post(
    http: aiohttp.ClientSession, to: endpoints.Webhook, event_id: str, body: bytes, patience: float
) -> Answer:
    """Tell it once, with so many seconds for an answer. Of that the status alone is read: its words are
    nothing that we need, however many there are. A redirect is none: it goes where the settings say."""
    import aiohttp  # noqa: PLC0415 - commands tell nobody

    at = real_now()
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(to.secret).sign(event_id, at, body.decode()),
    }
    limit = aiohttp.ClientTimeout(total=patience)
    try:
        async with http.post(
            to.url, data=body, headers=headers, allow_redirects=False, timeout=limit
        ) as answer:
            answer.close()
            return Answer(answer.status, _fault(answer.status))
    except TimeoutError:
        return Answer(None, "timeout")
    except (aiohttp.ClientError, OSError):
        return Answer(None, "unreachable")


def _fault(status: int) -> str | None:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return None
    return "gone" if status == HTTPStatus.GONE else "refused"

"""One post to the CRM, signed after the convention of Standard Webhooks."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from standardwebhooks.webhooks import Webhook

from bot.clock import real_now
from bot.endpoints import Crm

if TYPE_CHECKING:
    import aiohttp

PATIENCE = 15.0  # seconds for an answer


@dataclass(frozen=True, slots=True)
class Answer:
    """`fault` is None when the CRM took it; else timeout | unreachable | refused | gone."""

    status: int | None
    fault: str | None


async def post(http: aiohttp.ClientSession, crm: Crm, event_id: str, body: bytes) -> Answer:
    """Tell it once. Of the answer the status alone is read: its words are nothing that we need, however
    many there are. A redirect is no answer: what is about people goes where the settings say."""
    import aiohttp  # noqa: PLC0415 - commands tell nobody

    at = real_now()
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(crm.secret).sign(event_id, at, body.decode()),
    }
    patience = aiohttp.ClientTimeout(total=PATIENCE)
    try:
        async with http.post(
            crm.url, data=body, headers=headers, allow_redirects=False, timeout=patience
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

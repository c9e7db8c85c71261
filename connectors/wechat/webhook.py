"""What WeChat calls: URL verification (GET) and messages (POST) at `/wechat/NAME`.

A POST is answered with
- 200 and a passive reply, or 200 and the literal `success`: it is durable, or of a type unknown to us;
- 403 forged, unsigned or ambiguous; 400 unreadable; 413 too large. Nothing is stored;
- 503 after `STORE_S`: authentic, but it could not be stored; at once: more is coming in than can be stored in
  time, and the screening found nothing in it; after `TURN_S`: there was not even time to read it.

The signed time decides nothing where the signature covers the message (safe, compatible). WeChat signs when
it posts, so a time far from ours means a wrong clock or a replay. What is authentic is stored, or a wrong
clock would silence red flags; a replay changes nothing, because its key is in the inbox. Two get 503 and
never `success`, so that the person sees that the service fails: a time before `KEYS_KEPT`, whose key may be
gone; and in plain mode, whose signature covers no word of the body, one outside `FRESH`, or whoever saw the
address of one post could write anything under it for ever. All of these are counted and logged as errors.

Whoever cannot sign writes nothing into the log: a refusal is a count and its fault, at most once a minute.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import aiohttp
from aiohttp import http_exceptions, web
from prometheus_client import Counter

from bot.model import (
    Accepted,
    Account,
    Attachment,
    Fault,
    Gateway,
    Inbound,
    InboundKind,
    MedrepError,
    PassiveReply,
)
from bot.settings import WeChatAccount
from connectors.wechat import envelope, render
from connectors.wechat.crypto import Crypto
from connectors.wechat.parse import parse

log = logging.getLogger(__name__)

BODY_LIMIT = 1 << 20  # bytes
# WeChat hangs up 5 s after it began. Seconds from the arrival of the request until
BODY_S = 3.0  # the body is whole,
TURN_S = 1.5  # (of the body) its turn to be read has come,
STORE_S = 3.0  # the message is durable,
REPLY_S = 4.0  # the reply is there; later ones are pushed.
STORE_AGAIN_S = 1.0  # between two attempts to store
AT_A_TIME = 8  # requests that are read in a round of the event loop

FRESH = timedelta(minutes=10)  # how far the signed time may be from ours before it is remarkable
KEYS_KEPT = timedelta(days=1000)  # less than the inbox keeps its rows, see `bot.privacy.retention`
LOG_EVERY_S = 60.0  # one line of a kind at most; it says how many it stands for
TIMESTAMP = re.compile(r"[0-9]{10}")  # exactly: the signature joins its parts without a separator

STATUS = {
    Fault.FORGED: 403,
    Fault.MALFORMED: 400,
    Fault.TOO_LARGE: 413,
    Fault.CONFIGURATION: 503,
    Fault.BUSY: 503,
}

REFUSED = Counter("medrep_webhook_refused", "Requests of which nothing was stored", ["account", "fault"])
CLOCK_OFF = Counter(
    "medrep_webhook_clock_off", "Posts signed at a time far from ours", ["account", "outcome"]
)


class Webhook:
    """The two handlers of one account. `now` is real time; `picture_id`: see `Pictures.id_of`."""

    def __init__(
        self,
        account: Account,
        settings: WeChatAccount,
        gateway: Gateway,
        now: Callable[[], datetime],
        picture_id: Callable[[Attachment], Awaitable[str]],
    ) -> None:
        self._account = account
        self._plain = settings.mode == "plain"
        self._crypto = Crypto(settings.token, settings.encoding_aes_key, settings.app_id)
        self._gateway = gateway
        self._now = now
        self._picture_id = picture_id
        self._turns = asyncio.Semaphore(AT_A_TIME)
        self._lines: dict[str, tuple[float, int]] = {}  # kind of line -> last written, left out since

    async def verify(self, request: web.Request) -> web.StreamResponse:
        """GET: prove to WeChat that we know the token. The echo is plain text in every mode."""
        try:
            query = _query(request, "signature", "timestamp", "nonce", "echostr")
            self._crypto.check(query["signature"], query["timestamp"], query["nonce"])
        except MedrepError as error:
            return self._refuse(error)
        return web.Response(text=query["echostr"], headers={"X-Content-Type-Options": "nosniff"})

    async def receive(self, request: web.Request) -> web.StreamResponse:
        """POST: one message."""
        arrived = asyncio.get_running_loop().time()
        try:
            fields = await self._authentic(request)
            inbound = parse(fields, self._account, self._now())
        except MedrepError as error:
            return self._refuse(error)
        if inbound is None:
            kind, event = fields.get("MsgType", ""), fields.get("Event", "")
            log.info("%s: acknowledged an unknown %.40r %.60r", self._account, kind, event)
            return _success()
        # A report and a farewell leave nobody to reply to.
        passive = inbound.kind is not InboundKind.RECEIPT and inbound.event != "unsubscribe"
        accepted = await self._store(inbound, passive=passive, until=arrived + STORE_S)
        if accepted is None:
            return web.Response(status=503, text="not stored")
        reply = await self._reply(accepted, until=arrived + REPLY_S) if passive else None
        if reply is None:
            return _success()
        media_id = await self._media_id(reply, until=arrived + REPLY_S)
        if reply.message.attachment is not None and not media_id:
            return _success()
        return await self._write(request, fields, reply, media_id)

    # ------------------------------------------------------------ in

    async def _authentic(self, request: web.Request) -> dict[str, str]:
        """The fields of the message once its signature holds. Raises MedrepError."""
        signed = "signature" if self._plain else "msg_signature"
        # Without msg_signature there is nothing that covers the body: `signature` alone would be a downgrade.
        query = _query(request, signed, "timestamp", "nonce")
        given, stamp, nonce = query[signed], query["timestamp"], query["nonce"]
        if not TIMESTAMP.fullmatch(stamp):
            raise MedrepError(Fault.FORGED, "the timestamp is not one")
        if self._plain:
            self._crypto.check(given, stamp, nonce)
            body = await self._turn(request)
            self._check_time(stamp)
            return envelope.read(body)
        body = await self._turn(request)
        encrypted = envelope.read(body).get("Encrypt", "")
        if not encrypted:
            raise MedrepError(Fault.FORGED, "nothing is encrypted")
        self._crypto.check(given, stamp, nonce, encrypted)
        # Only what was encrypted counts; the clear fields of compatible mode are not even looked at.
        message = self._crypto.decrypt(encrypted)
        self._check_time(stamp)
        return envelope.read(message)

    async def _turn(self, request: web.Request) -> bytes:
        """The body, when it is this request's turn to be read. Raises MedrepError(BUSY) and as `_body`.

        A few requests go on in each round of the event loop, so those that were read get on with being stored
        however many come in. Without it a process short of CPU read all and stored nothing in time.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + TURN_S
        body = await _body(request)
        try:
            async with asyncio.timeout_at(until):
                await self._turns.acquire()
        except TimeoutError:
            raise MedrepError(Fault.BUSY) from None
        loop.call_soon(self._turns.release)
        return body

    def _check_time(self, stamp: str) -> None:
        """Count and log a signed time far from ours. Raises MedrepError(CONFIGURATION) where it decides."""
        age = self._now().timestamp() - int(stamp)
        if abs(age) <= FRESH.total_seconds():
            return
        refused = self._plain or age > KEYS_KEPT.total_seconds()
        outcome = "refused" if refused else "accepted"
        CLOCK_OFF.labels(str(self._account), outcome).inc()
        self._log(logging.ERROR, "clock", f"{outcome} a post signed {age:.0f} s ago by our clock")
        if refused:
            raise MedrepError(Fault.CONFIGURATION, "a clock is wrong, or this is a replay")

    def _refuse(self, error: MedrepError) -> web.Response:
        REFUSED.labels(str(self._account), error.fault.value).inc()
        # Not its detail: who cannot sign does not write into our log.
        self._log(logging.WARNING, error.fault, f"refused a request: {error.fault}")
        return web.Response(status=STATUS[error.fault], text=error.fault.value)

    def _log(self, level: int, kind: str, text: str) -> None:
        """One line of a kind in LOG_EVERY_S, with how many it stands for."""
        now = time.monotonic()
        written, more = self._lines.get(kind, (-LOG_EVERY_S, 0))
        if now - written < LOG_EVERY_S:
            self._lines[kind] = (written, more + 1)
            return
        self._lines[kind] = (now, 0)
        log.log(level, "%s: %s (%d more since the last line)", self._account, text, more)

    # ------------------------------------------------------------ through

    async def _store(self, inbound: Inbound, *, passive: bool, until: float) -> Accepted | None:
        """Hand it to the gateway; None when that failed up to `until` (loop time).

        `success` would lose the message. WeChat was seen to repeat a post answered with another status three
        times within a second, and after silence three times in 15 s; so we hold the connection and try again
        ourselves (accepting is idempotent by key), which outlasts a restart of the database unseen.
        """
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with asyncio.timeout_at(until):
                    return await self._gateway.accept(inbound, passive=passive)
            except Exception as error:
                if isinstance(error, MedrepError) and error.fault is Fault.BUSY:
                    # At once: waiting here would only make all others wait longer. WeChat asks again.
                    self._log(logging.WARNING, Fault.BUSY, "refused a message: too many come in")
                    return None
                # The type alone: a database error may quote the row.
                name = type(error).__name__
                self._log(logging.ERROR, f"not stored {name}", f"a message could not be stored ({name})")
            if loop.time() >= until:
                return None
            await asyncio.sleep(min(STORE_AGAIN_S, until - loop.time()))

    async def _reply(self, accepted: Accepted, *, until: float) -> PassiveReply | None:
        """The reply that is ready in time. It is stored whatever happens here; at worst it is pushed."""
        try:
            async with asyncio.timeout_at(until):
                reply = await self._gateway.passive_reply(accepted)
        except Exception as error:
            log.error("%s: no passive reply (%s)", self._account, type(error).__name__)
            return None
        if reply is not None and not render.passive_fits(reply.message):
            await self._written(reply, written=False)
            return None
        return reply

    async def _media_id(self, reply: PassiveReply, *, until: float) -> str:
        """The platform's id of the picture that the reply is; "" for none, or not in time: it is pushed."""
        attachment, media_id = reply.message.attachment, ""
        if attachment is None:
            return media_id
        try:
            async with asyncio.timeout_at(until):
                media_id = await self._picture_id(attachment)
        except (MedrepError, TimeoutError) as error:
            fault = error.fault if isinstance(error, MedrepError) else "no upload in time"
            log.info("%s: a picture is pushed instead of replied (%s)", self._account, fault)
        finally:
            if not media_id:
                await asyncio.shield(self._written(reply, written=False))
        return media_id

    # ------------------------------------------------------------ out

    async def _write(
        self, request: web.Request, fields: dict[str, str], reply: PassiveReply, media_id: str = ""
    ) -> web.StreamResponse:
        """Write the reply and report whether the connection took it, also when we are cancelled at it."""
        now = self._now()
        if media_id:
            xml = envelope.picture(fields, media_id, now)
        else:
            xml = envelope.reply(fields, render.passive_text(reply.message), now)
        if not self._plain:
            xml = envelope.seal(self._crypto, xml, now)
        response = web.Response(text=xml, content_type="application/xml", charset="utf-8")
        written = False
        try:
            await response.prepare(request)
            await response.write_eof()
            written = request.transport is not None and not request.transport.is_closing()
        except OSError:
            log.info("%s: WeChat hung up before its passive reply", self._account)
        finally:
            await asyncio.shield(self._written(reply, written=written))
        return response

    async def _written(self, reply: PassiveReply, *, written: bool) -> None:
        try:
            await self._gateway.passive_written(reply, written=written)
        except Exception as error:
            # The gateway's own deadline for this row decides then.
            log.error("%s: a passive reply's fate is unrecorded (%s)", self._account, type(error).__name__)


def _success() -> web.Response:
    """The literal acknowledgement; anything else shows the person 「该公众号提供的服务出现故障」."""
    return web.Response(text="success")


def _query(request: web.Request, *names: str) -> dict[str, str]:
    """The query. Raises MedrepError(FORGED) when one of `names` is missing or anything is given twice."""
    query = dict(request.query)
    if len(query) != len(request.query):
        raise MedrepError(Fault.FORGED, "a query parameter is given twice")
    missing = [name for name in names if not query.get(name)]
    if missing:
        raise MedrepError(Fault.FORGED, f"without {missing[0]}")
    return query


async def _body(request: web.Request) -> bytes:
    """At most BODY_LIMIT bytes, never more in memory. Raises MedrepError(TOO_LARGE, MALFORMED)."""
    if (request.content_length or 0) > BODY_LIMIT:
        raise MedrepError(Fault.TOO_LARGE, "the body is too large")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        # aiohttp would unpack it, and a small body can unpack to a large one. WeChat never packs.
        raise MedrepError(Fault.MALFORMED, "the body is packed")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > BODY_LIMIT:
                    raise MedrepError(Fault.TOO_LARGE, "the body is too large")
    except (aiohttp.ClientError, http_exceptions.HttpProcessingError, OSError) as error:
        # Broken chunks, a sender that hung up or is too slow (TimeoutError).
        raise MedrepError(Fault.MALFORMED, f"no whole body ({type(error).__name__})") from None
    return bytes(body)

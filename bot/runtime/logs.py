"""Structured logs: one JSON object a line, without personal data and without secrets."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

import structlog

BURST = 10  # lines from one place in the code
LINES_KEPT = 200  # of what cannot be written now, the newest
PERIOD = 60.0  # in so many seconds


class Lasting:
    """A stream of lines that never raises: what a full disk does not take is kept and written once it does.

    Lines go straight to the file: a buffer that could not be written would raise at every later line, too.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        try:
            self._descriptor: int | None = stream.fileno()
        except OSError:  # it is no file
            self._descriptor = None
        self._waiting: deque[bytes] = deque(maxlen=LINES_KEPT)
        self._torn = False  # the file ends with a part of a line

    def write(self, text: str) -> None:
        self._waiting.append(text.encode("utf-8", "backslashreplace"))
        with suppress(OSError):
            while self._waiting:
                self._put(self._waiting[0])
                self._waiting.popleft()

    def flush(self) -> None:
        """Every line was written, or waits."""

    def _put(self, line: bytes) -> None:
        if self._descriptor is None:
            self._stream.write(line.decode())
            return
        rest = b"\n" + line if self._torn else line
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
            self._torn = bool(rest)


def configure(stream: TextIO | None = None) -> None:
    """Our own events as JSON on standard output (or `stream`); libraries only from WARNING on.

    HTTP clients log URLs at INFO and DEBUG, and platform tokens ride in URLs: they stay silent there.
    """
    lines: Any = Lasting(stream or sys.stdout)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(_trace),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=lines),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(lines)
    handler.setFormatter(_Line())
    handler.addFilter(_Limit())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("connectors").setLevel(logging.INFO)


class _Limit(logging.Filter):
    """At most BURST lines a PERIOD from one place in a library's code.

    The HTTP server logs each request that it cannot read, and anybody can send those. The first
    line of the next period says how many were left out. Our connectors see to it themselves.
    """

    def __init__(self) -> None:
        super().__init__()
        self._places: dict[tuple[str, int], tuple[float, int]] = {}  # when its period began, lines in it

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("connectors."):
            return True
        place, now = (record.pathname, record.lineno), time.monotonic()
        began, count = self._places.get(place, (now, 0))
        if now - began >= PERIOD:
            record.left_out = max(0, count - BURST)
            began, count = now, 0
        self._places[place] = (began, count + 1)
        return count < BURST


class _Line(logging.Formatter):
    """What is logged the standard way. Our connectors write what may be read; a library's words may quote
    an address, a statement or a text, so of those only who and where is kept."""

    def format(self, record: logging.LogRecord) -> str:
        own_record = record.name.startswith("connectors.")
        fields: dict[str, Any] = {
            "event": record.getMessage() if own_record else "library",
            "logger": record.name,
            "level": record.levelname.lower(),
            "timestamp": datetime.now(UTC).isoformat(),
        }
        if left_out := getattr(record, "left_out", 0):
            fields["left_out"] = left_out
        if record.exc_info and record.exc_info[0] is not None and record.exc_info[1] is not None:
            fields["exception"] = _trace((record.exc_info[0], record.exc_info[1], record.exc_info[2]))
        return json.dumps(fields, ensure_ascii=False)


def _trace(exc_info: tuple[type[BaseException], BaseException, TracebackType | None]) -> str:
    """Where it went wrong, without the message: an exception's text can quote what a person wrote."""
    kind, _, trace = exc_info
    frames = []
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{code.co_filename.rsplit('/', 2)[-1]}:{trace.tb_lineno}:{code.co_name}")
        trace = trace.tb_next
    return f"{kind.__name__} at " + " < ".join(reversed(frames[-8:]))

"""Structured logs: one JSON object a line, without personal data and without secrets."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from types import TracebackType
from typing import TextIO

import structlog


def configure(stream: TextIO | None = None) -> None:
    """Our own events as JSON on standard output (or `stream`); libraries only from WARNING on.

    HTTP clients log URLs at INFO and DEBUG, and platform tokens ride in URLs: they stay silent there.
    """
    stream = stream or sys.stdout
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(_trace),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Line())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("connectors").setLevel(logging.INFO)


class _Line(logging.Formatter):
    """What is logged the standard way. Our connectors write what may be read; a library's words may quote
    an address, a statement or a text, so of those only who and where is kept."""

    def format(self, record: logging.LogRecord) -> str:
        ours = record.name.startswith("connectors.")
        said = {
            "event": record.getMessage() if ours else "library",
            "logger": record.name,
            "level": record.levelname.lower(),
            "timestamp": datetime.now(UTC).isoformat(),
        }
        if record.exc_info and record.exc_info[0] is not None and record.exc_info[1] is not None:
            said["exception"] = _trace((record.exc_info[0], record.exc_info[1], record.exc_info[2]))
        return json.dumps(said, ensure_ascii=False)


def _trace(exc_info: tuple[type[BaseException], BaseException, TracebackType | None]) -> str:
    """Where it went wrong, without the message: an exception's text can quote what a person wrote."""
    kind, _, trace = exc_info
    frames = []
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{code.co_filename.rsplit('/', 2)[-1]}:{trace.tb_lineno}:{code.co_name}")
        trace = trace.tb_next
    return f"{kind.__name__} at " + " < ".join(reversed(frames[-8:]))

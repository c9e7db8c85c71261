"""Structured logs: one JSON object a line, without personal data and without secrets."""

from __future__ import annotations

import logging
import sys
from types import TracebackType
from typing import TextIO

import structlog


def configure(stream: TextIO | None = None) -> None:
    """Our own events as JSON on standard output (or `stream`); libraries only from WARNING on.

    HTTP clients log URLs at INFO and DEBUG, and platform tokens ride in URLs: they stay silent.
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
    logging.basicConfig(level=logging.WARNING, stream=stream, format="%(levelname)s %(name)s")
    for name in (
        "aiohttp",
        "httpx",
        "httpcore",
        "urllib3",
        "apscheduler",
        "rasa_sdk",
        "asyncio",
        "sqlalchemy",
    ):
        logging.getLogger(name).setLevel(logging.ERROR)


def _trace(exc_info: tuple[type[BaseException], BaseException, TracebackType | None]) -> str:
    """Where it went wrong, without the message: an exception's text can quote what a person wrote."""
    kind, _, trace = exc_info
    frames = []
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{code.co_filename.rsplit('/', 2)[-1]}:{trace.tb_lineno}:{code.co_name}")
        trace = trace.tb_next
    return f"{kind.__name__} at " + " < ".join(reversed(frames[-8:]))

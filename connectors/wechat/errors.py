"""What WeChat's errcodes mean to us. Any other number than these and 0: REJECTED."""

from __future__ import annotations

import re

from bot.model import Fault, MedrepError

# The token is not (or no longer) good: renew it, once.
TOKEN_REFUSED = frozenset({40001, 40014, 42001})

FAULTS = {
    -1: Fault.TRANSIENT,
    **dict.fromkeys(TOKEN_REFUSED, Fault.TOKEN),
    40003: Fault.UNREACHABLE,
    43004: Fault.UNREACHABLE,
    40164: Fault.ADDRESS_NOT_ALLOWED,
    45002: Fault.TOO_LONG,
    45009: Fault.DAILY_QUOTA,
    45011: Fault.MINUTE_QUOTA,
    45015: Fault.WINDOW_CLOSED,
    45047: Fault.COUNT_USED_UP,
    48001: Fault.NO_PERMISSION,
}

# What may be quoted from an errmsg: the platform's request id, and our own address when it is not allowed.
QUOTABLE = re.compile(r"rid: ?[0-9a-f-]{8,64}|invalid ip [0-9a-fA-F.:]{3,45}")


def refusal(errcode: int, errmsg: object) -> MedrepError:
    """The error for an errcode other than 0. Of the errmsg only what cannot be personal or secret is kept."""
    quoted = "; ".join(QUOTABLE.findall(str(errmsg)))
    detail = f"errcode {errcode}" + (f" ({quoted})" if quoted else "")
    return MedrepError(FAULTS.get(errcode, Fault.REJECTED), detail, code=errcode)

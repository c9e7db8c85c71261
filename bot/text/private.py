"""Numbers by which somebody is found (telephone, identity card), taken out of what is quoted elsewhere."""

from __future__ import annotations

import re

HIDDEN = "〔号码〕"
_NUMBERS = re.compile(
    r"(?<!\d)1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?!\d)"  # a mobile telephone
    r"|(?<!\d)\d{17}[\dXx](?!\d)"  # an identity card
    r"|(?<!\d)0\d{2,3}-\d{7,8}(?!\d)"  # a telephone with its area
)


def hide_numbers(text: str) -> str:
    return _NUMBERS.sub(HIDDEN, text)

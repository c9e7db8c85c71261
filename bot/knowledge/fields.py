"""The kinds of fields that approved material is made of."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated

from pydantic import BeforeValidator, StringConstraints


def _iso_date(value: object) -> object:
    """YAML gives dates, JSON gives strings; pydantic alone would also read a number as seconds."""
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        return date.fromisoformat(value)
    if type(value) is date:  # not a datetime, which is a subclass
        return value
    raise ValueError("not a date (YYYY-MM-DD)")


Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
# What an answer quotes; short enough that answer and source fit into 600 characters.
Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
Day = Annotated[date, BeforeValidator(_iso_date)]

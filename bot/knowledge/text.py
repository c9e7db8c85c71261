"""One plain form of what people type, so that look-ups and n-grams see the same characters."""

from __future__ import annotations

import re
import unicodedata

from zhconv_rs import zhconv

LONGEST = 1000  # characters of a question that are looked at (contracts: NLU sees at most 1,000)

# Decimal points stay (eGFR 29.5); everything else that is neither letter, digit nor Chinese goes,
# emoji and zero-width characters included.
_NOISE = re.compile(r"(?<!\d)\.|\.(?!\d)|[^\w.%<>/+-]|_")
_GAP = re.compile(r"(?<![a-z]) | (?![a-z])")


def plain(text: str) -> str:
    """At most LONGEST characters: NFKC, simplified, lower case, no punctuation or emoji, spaces only
    between latin words.

    Cut before anything else is done, so 100,000 characters cost what 1,000 do.
    """
    cut = unicodedata.normalize("NFKC", text[:LONGEST])[:LONGEST]
    if not cut.isascii():
        cut = zhconv(cut, "zh-Hans")
    return _GAP.sub("", " ".join(_NOISE.sub(" ", cut.lower()).split()))

"""A folded text cut into clauses."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from bot.text.folding import Folded

_ENDS = re.compile(r"[,。;!?:\n、~… ]")


def clauses(folded: Folded) -> Iterator[tuple[int, int]]:
    """(start, end) in the folded text: it is cut at punctuation and where a space stood."""
    cuts = [0, *sorted(folded.breaks), len(folded.text)]
    for start, high in itertools.pairwise(cuts):
        low = start
        for end in [*(match.start() for match in _ENDS.finditer(folded.text, low, high)), high]:
            if end > low:
                yield low, end
            low = end + 1

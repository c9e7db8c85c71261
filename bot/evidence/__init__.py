"""The record an inspector can trust: append-only rows, linked and signed by one sealer.

Rows hold ciphertext and digests, so erasing a person leaves the chain whole. `note` writes one.
"""

from bot.evidence.heads import public_pem, read_public, signed_document, signing_key
from bot.evidence.inspection import check_file, export
from bot.evidence.pruning import prune_heads
from bot.evidence.sealer import Sealer
from bot.evidence.verification import Verdict, inspect, verify
from bot.evidence.writing import Evidence, Owner, about, note, note_all

__all__ = [
    "Evidence",
    "Owner",
    "Sealer",
    "Verdict",
    "about",
    "check_file",
    "export",
    "inspect",
    "note",
    "note_all",
    "prune_heads",
    "public_pem",
    "read_public",
    "signed_document",
    "signing_key",
    "verify",
]

"""The record an inspector can trust: append-only rows, linked and signed by one sealer.

Rows hold ciphertext and digests, so erasing a person leaves the chain whole. `note` writes one.
"""

from bot.evidence.export import check_file, export
from bot.evidence.heads import public_pem, read_public, signed_document, signing_key
from bot.evidence.note import Evidence, about, note
from bot.evidence.pruning import prune_heads
from bot.evidence.sealer import Sealer
from bot.evidence.verification import Verdict, inspect, verify

__all__ = [
    "Evidence",
    "Sealer",
    "Verdict",
    "about",
    "check_file",
    "export",
    "inspect",
    "note",
    "prune_heads",
    "public_pem",
    "read_public",
    "signed_document",
    "signing_key",
    "verify",
]

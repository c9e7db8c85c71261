"""The record an inspector can trust: append-only rows, linked and signed by one sealer.

Rows hold ciphertext and digests, so erasing a person leaves the chain whole.
"""

from bot.evidence.chain import Evidence
from bot.evidence.sealer import Sealer
from bot.evidence.verification import Verdict, verify

__all__ = ["Evidence", "Sealer", "Verdict", "verify"]

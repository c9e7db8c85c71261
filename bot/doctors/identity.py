"""How names, hospitals, phones and codes are compared.

Stored digests are made of these forms, so the rules here are part of the stored data: they may not be
loosened or tightened without importing the doctors anew. Only what does not change who is meant is
levelled (width, spaces, invisible characters, case, the dot in a name); 县医院 is not 县人民医院.
"""

from __future__ import annotations

import re
import unicodedata

from bot.store.keyring import Keyring

# No 0 O 1 I L, and no U beside V: what is read aloud or copied from paper stays what it is.
ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
GROUPS, GROUP = 3, 4  # like TY5B-EA9Q-MECV: 12 characters of 30, 58 bits
_DOTS = str.maketrans(dict.fromkeys("•‧∙⋅・･●.．", "·"))
_MOBILE = re.compile(r"1[3-9]\d{9}")
_LANDLINE = re.compile(r"0(?:10|2\d|[3-9]\d{2})[2-8]\d{6,7}")
_BREAKS = re.compile(r"[\s\-—–()./]+")


def plain(text: str) -> str:
    """Half-width, without what cannot be seen; runs of white space are one space."""
    if text.isascii():
        return " ".join(text.split())
    shown = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    return " ".join(shown.split())


def phone(text: str) -> str | None:
    """The number as digits (13800001234, 01062345678); None: not a number of mainland China."""
    digits = _BREAKS.sub("", plain(text))
    if digits.startswith("+86"):
        digits = digits[3:]
    elif digits.startswith("0086"):
        digits = digits[4:]
    elif digits.startswith("86") and _MOBILE.fullmatch(digits[2:]):
        digits = digits[2:]
    if not (digits.isascii() and digits.isdigit()):
        return None
    if _MOBILE.fullmatch(digits) or _LANDLINE.fullmatch(digits):
        return digits
    # +86 10 6234 5678: abroad the 0 of the area code is left out
    international = plain(text).lstrip().startswith(("+86", "0086"))
    return "0" + digits if international and _LANDLINE.fullmatch("0" + digits) else None


def code(text: str) -> str:
    """An invitation code as its bare characters."""
    return re.sub(r"[^0-9A-Z]", "", plain(text).upper())


def code_digest(keyring: Keyring, text: str) -> bytes:
    return keyring.digest("invitation.code", code(text))


def identity_digest(keyring: Keyring, name: str, hospital: str, number: str) -> bytes:
    """One keyed digest of who somebody says they are."""
    parts = (_name(name), plain(hospital).replace(" ", "").casefold(), phone(number) or "")
    return keyring.digest("doctor.identity", "\0".join(parts))


def _name(text: str) -> str:
    return plain(text).replace(" ", "").translate(_DOTS).casefold()

"""How names, hospitals, phones and codes are compared.

Stored digests are made of these forms, so the rules here are part of the stored data: whoever changes them
counts up `FORM`, so that the next import writes every doctor anew. Only what does not change who is meant
is levelled (width, spaces, invisible characters, radicals, traditional characters, case, the dots in a name).
"""

from __future__ import annotations

import re

from bot.doctors.hospitals import main_name
from bot.store.keyring import Keyring
from bot.text.han import leveled, same

FORM = 2
# No 0 O 1 I L, and no U beside V: what is read aloud or copied from paper stays what it is.
ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
GROUPS, GROUP = 3, 4  # like TY5B-EA9Q-MECV: 12 characters of 30, 58 bits
# Whatever people and their keyboards put between the parts of a name. 。 and ｡ are typed for it, too.
DOTS = "·•‧∙⋅・･●.．․﹒。｡ꞏ᛫‣◦⦁⸱⸳ᐧ·▪⚫⬤∘˙"
_DOTS = str.maketrans(dict.fromkeys(DOTS, None))
_MOBILE = re.compile(r"1[3-9]\d{9}")
_LANDLINE = re.compile(r"0(?:10|2\d|[3-9]\d{2})[2-8]\d{6,7}")
_BREAKS = re.compile(r"[\s\-—–()./]+")


def plain(text: str) -> str:
    """Half-width, without what cannot be seen; runs of white space are one space."""
    return " ".join(leveled(text).split())


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
    parts = (name_form(name), main_name(plain(hospital)), phone(number) or "")
    return keyring.digest("doctor.identity", "\0".join(parts))


def name_form(text: str) -> str:
    """阿卜杜拉•买买提, 阿卜杜拉 买买提 and 阿卜杜拉买买提 are one name; 鍾, 锺 and 钟 one character."""
    return same(plain(text)).replace(" ", "").translate(_DOTS).replace("锺", "钟").casefold()

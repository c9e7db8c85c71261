"""Signatures and AES of the message callback.

`wechatpy` does the digest, the cipher and the encryption. Its verification and decryption are not used: it
compares with `!=`, looks at one byte of the padding, and answers bad ciphertext with IndexError, TypeError,
ValueError or struct.error. Here every deviation is one MedrepError.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets

from wechatpy.crypto import PrpCrypto
from wechatpy.utils import WeChatSigner

from bot.model import Fault, MedrepError

BLOCK = 32  # WeChat pads to 32 bytes although AES needs only 16
HEAD = 20  # 16 random bytes and the length of the message, big-endian


class Cipher(PrpCrypto):  # type: ignore[misc] # wechatpy is untyped
    """wechatpy's encryption with unpredictable leading bytes.

    The IV is fixed (the key's head), so the 16 leading bytes are all that hides equal messages; wechatpy
    draws them from `random`, which is predictable.
    """

    def get_random_string(self) -> bytes:
        return secrets.token_bytes(16)


class Crypto:
    """The token, key and app id of one account at work."""

    def __init__(self, token: str, encoding_aes_key: str, app_id: str) -> None:
        self._token = token
        self._app_id = app_id
        self._cipher = Cipher(base64.b64decode(encoding_aes_key + "="))

    def signature(self, *parts: str) -> str:
        """sha1 over the token and the parts, sorted and joined, as hex."""
        signer = WeChatSigner()
        # A lone surrogate cannot be encoded; it can only come from a forged query, so any digest will do.
        signer.add_data(self._token, *(part.encode("utf-8", "replace") for part in parts))
        return str(signer.signature)

    def check(self, given: str, *parts: str) -> None:
        """Raises MedrepError(FORGED) unless `given` is the signature of the parts. Constant time."""
        if not hmac.compare_digest(given.encode("utf-8", "replace"), self.signature(*parts).encode()):
            raise MedrepError(Fault.FORGED, "the signature does not match")

    def encrypt(self, text: str) -> str:
        """The text under the account's key, base64."""
        return str(self._cipher.encrypt(text, self._app_id).decode())

    def decrypt(self, encrypted: str) -> bytes:
        """The message inside. Check its signature first: the errors here tell bad padding apart.

        Raises MedrepError: MALFORMED for what cannot be decrypted, FORGED for another account's message.
        """
        padded = self._decipher(encrypted)
        pad = padded[-1]
        if not 1 <= pad <= BLOCK or padded[-pad:] != bytes([pad]) * pad:
            raise MedrepError(Fault.MALFORMED, "the padding is wrong")
        content = padded[:-pad]
        end = HEAD + int.from_bytes(content[16:HEAD], "big")
        if len(content) < HEAD or end > len(content):
            raise MedrepError(Fault.MALFORMED, "the length is wrong")
        if not hmac.compare_digest(content[end:], self._app_id.encode()):
            raise MedrepError(Fault.FORGED, "the message belongs to another app id")
        return content[HEAD:end]

    def _decipher(self, encrypted: str) -> bytes:
        try:
            data = base64.b64decode(encrypted, validate=True)
        except (binascii.Error, ValueError):
            raise MedrepError(Fault.MALFORMED, "Encrypt is not base64") from None
        if not data or len(data) % BLOCK:
            raise MedrepError(Fault.MALFORMED, "Encrypt is not whole blocks")
        return bytes(self._cipher.cipher.decrypt(data))

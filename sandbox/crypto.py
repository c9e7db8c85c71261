"""The platform's side of message signing and encryption.

Written from the platform's documents with `cryptography`, apart from the gateway's implementation on
purpose: two independent readings of one specification check each other.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import struct

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

BLOCK_BITS = 256  # the platform pads to 32 bytes, not to AES's own 16
RANDOM = 16


class WireError(Exception):
    """What the gateway sent cannot be what the platform expects; the text says why."""


def signature(*parts: str) -> str:
    """SHA-1 over the sorted, joined parts: what the protocol prescribes, whatever SHA-1 is worth today."""
    return hashlib.sha1("".join(sorted(parts)).encode(), usedforsecurity=False).hexdigest()


def signed_by(given: str, *parts: str) -> bool:
    return hmac.compare_digest(given.encode(), signature(*parts).encode())


def _cipher(encoding_aes_key: str) -> Cipher[modes.CBC]:
    key = base64.b64decode(encoding_aes_key + "=")
    return Cipher(algorithms.AES(key), modes.CBC(key[:16]))


def encrypt(encoding_aes_key: str, message: bytes, app_id: str) -> str:
    """Base64 of AES-CBC over 16 random bytes, the length, the message and the app id."""
    plain = secrets.token_bytes(RANDOM) + struct.pack(">I", len(message)) + message + app_id.encode()
    padder = padding.PKCS7(BLOCK_BITS).padder()
    padded = padder.update(plain) + padder.finalize()
    encryptor = _cipher(encoding_aes_key).encryptor()
    return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()


def decrypt(encoding_aes_key: str, encrypted: str, app_id: str) -> bytes:
    """The message inside. Raises WireError for anything that is not exactly right."""
    try:
        raw = base64.b64decode(encrypted, validate=True)
        decryptor = _cipher(encoding_aes_key).decryptor()
        padded = decryptor.update(raw) + decryptor.finalize()
        unpadder = padding.PKCS7(BLOCK_BITS).unpadder()
        plain = unpadder.update(padded) + unpadder.finalize()
    except (binascii.Error, ValueError) as error:
        raise WireError(f"not decryptable: {error}") from None
    head = RANDOM + 4
    if len(plain) < head:
        raise WireError("decrypted text is too short")
    (length,) = struct.unpack(">I", plain[RANDOM:head])
    message, receiver = plain[head : head + length], plain[head + length :]
    if len(message) != length or receiver != app_id.encode():
        raise WireError("the app id inside is not this account's")
    return message

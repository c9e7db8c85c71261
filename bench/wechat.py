"""WeChat's side of the wire, written from its documentation and not from the connector that is measured."""

from __future__ import annotations

import base64
import hashlib
import secrets
import struct
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode
from xml.etree.ElementTree import fromstring

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

BLOCK = 32


@dataclass(frozen=True)
class Platform:
    """The platform's half of one account in safe mode."""

    app_id: str
    token: str
    key: bytes
    path: str

    @classmethod
    def of(cls, home: Path, name: str = "sandbox") -> Platform:
        """The sandbox account `name` of a home."""
        account = tomllib.loads((home / "sandbox.toml").read_text(encoding="utf-8"))["wechat"][name]
        key = base64.b64decode(account["encoding_aes_key"] + "=")
        return cls(account["app_id"], account["token"], key, f"/wechat/{name}")

    def letter(self, openid: str, text: str, number: int) -> tuple[str, bytes]:
        """(path with its signed query, encrypted body) of a text message with this MsgId, signed now."""
        now = str(int(time.time()))
        plain = (
            f"<xml><ToUserName><![CDATA[gh_bench]]></ToUserName><FromUserName><![CDATA[{openid}]]></FromUserName>"
            f"<CreateTime>{now}</CreateTime><MsgType><![CDATA[text]]></MsgType>"
            f"<Content><![CDATA[{text}]]></Content><MsgId>{number}</MsgId></xml>"
        )
        sealed, nonce = self._encrypt(plain.encode()), secrets.token_hex(8)
        query = {
            "signature": self._sign(now, nonce),
            "timestamp": now,
            "nonce": nonce,
            "openid": openid,
            "encrypt_type": "aes",
            "msg_signature": self._sign(now, nonce, sealed),
        }
        body = (
            f"<xml><ToUserName><![CDATA[gh_bench]]></ToUserName><Encrypt><![CDATA[{sealed}]]></Encrypt></xml>"
        )
        return f"{self.path}?{urlencode(query)}", body.encode()

    def passive_text(self, body: bytes) -> str:
        """The text of a passive reply; "" for the bare acknowledgement. Fails on a wrong signature."""
        if body == b"success":
            return ""
        outer = {child.tag: child.text or "" for child in fromstring(body)}  # noqa: S314 - our own service's
        signed = self._sign(outer["TimeStamp"], outer["Nonce"], outer["Encrypt"])
        assert outer["MsgSignature"] == signed, "the reply's signature is wrong"
        inner = fromstring(self._decrypt(outer["Encrypt"]))  # noqa: S314
        return inner.findtext("Content") or ""

    def _sign(self, *parts: str) -> str:
        return hashlib.sha1("".join(sorted((self.token, *parts))).encode()).hexdigest()  # noqa: S324

    def _cipher(self) -> Cipher[modes.CBC]:
        return Cipher(algorithms.AES(self.key), modes.CBC(self.key[:16]))

    def _encrypt(self, plain: bytes) -> str:
        whole = secrets.token_bytes(16) + struct.pack(">I", len(plain)) + plain + self.app_id.encode()
        pad = BLOCK - len(whole) % BLOCK
        encryptor = self._cipher().encryptor()
        return base64.b64encode(encryptor.update(whole + bytes([pad]) * pad) + encryptor.finalize()).decode()

    def _decrypt(self, sealed: str) -> str:
        decryptor = self._cipher().decryptor()
        padded = decryptor.update(base64.b64decode(sealed)) + decryptor.finalize()
        length = struct.unpack(">I", padded[16:20])[0]
        return padded[20 : 20 + length].decode()

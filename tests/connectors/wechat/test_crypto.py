"""The official vectors, and every way a ciphertext can be bad."""

from __future__ import annotations

import base64

import pytest

from bot.model import Fault, MedrepError
from connectors.wechat.crypto import Cipher, Crypto
from tests.connectors.wechat import world
from tests.connectors.wechat.world import AES_KEY, APP_ID, TOKEN, VECTORS


def label(vector: dict[str, str]) -> str:
    return vector["id"]


def test_there_are_fourteen() -> None:
    assert sum(len(VECTORS[kind]) for kind in ("signature", "decrypt", "encrypt_deterministic")) == 14


@pytest.mark.parametrize("vector", VECTORS["signature"], ids=label)
def test_signature(vector: dict[str, str]) -> None:
    crypto = Crypto(vector["token"], AES_KEY, APP_ID)
    assert crypto.signature(vector["timestamp"], vector["nonce"]) == vector["signature"]
    crypto.check(vector["signature"], vector["timestamp"], vector["nonce"])


@pytest.mark.parametrize("vector", VECTORS["decrypt"], ids=label)
def test_decrypt(vector: dict[str, str]) -> None:
    crypto = Crypto(vector["token"], vector["encoding_aes_key"], vector["receive_id"])
    crypto.check(vector["msg_signature"], vector["timestamp"], vector["nonce"], vector["encrypt"])
    assert crypto.decrypt(vector["encrypt"]).decode() == vector["plaintext"]


@pytest.mark.parametrize("vector", VECTORS["encrypt_deterministic"], ids=label)
def test_encrypt(vector: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    # Only the random bytes are given; the rest is the code that runs.
    monkeypatch.setattr(Cipher, "get_random_string", lambda _self: vector["random16"].encode())
    crypto = Crypto(vector.get("token", TOKEN), vector["encoding_aes_key"], vector["receive_id"])
    assert crypto.encrypt(vector["plaintext"]) == vector["encrypt"]
    if "msg_signature" in vector:
        given = crypto.signature(vector["timestamp"], vector["nonce"], vector["encrypt"])
        assert given == vector["msg_signature"]


def test_what_we_encrypt_differs_each_time_and_reads_back_elsewhere() -> None:
    crypto = Crypto(TOKEN, AES_KEY, APP_ID)
    first, second = crypto.encrypt("同一句话"), crypto.encrypt("同一句话")
    assert first != second
    assert base64.b64decode(first)[:16] != base64.b64decode(second)[:16]
    assert world.decrypt(first) == world.decrypt(second) == "同一句话"


FRAMED = world.frame("a" * 17)  # 55 bytes: 9 short of two blocks
BAD = [
    ("not base64", "这不是base64", Fault.MALFORMED),
    ("base64 with a line break", world.encrypt("x")[:20] + "\n" + world.encrypt("x")[20:], Fault.MALFORMED),
    ("nothing", "", Fault.MALFORMED),
    ("half a block", base64.b64encode(b"x" * 16).decode(), Fault.MALFORMED),
    ("not whole blocks", base64.b64encode(b"x" * 33).decode(), Fault.MALFORMED),
    ("padding 0", world.encrypt_raw(world.frame("a" * 100)[:127] + b"\0"), Fault.MALFORMED),
    ("padding 33", world.encrypt_raw(world.frame("a" * 100)[:95] + b"\x21" * 33), Fault.MALFORMED),
    ("padding uneven", world.encrypt_raw(FRAMED + b"\0" * 8 + b"\x09"), Fault.MALFORMED),
    ("padded to 16 only", world.encrypt_raw(world.frame("a" * 9) + b"\1"), Fault.MALFORMED),
    ("nothing but padding", world.encrypt_raw(b"\x20" * 32), Fault.MALFORMED),
    ("shorter than its head", world.encrypt_raw(world.pad(b"x" * 19)), Fault.MALFORMED),
    ("length beyond the end", world.encrypt_raw(world.pad(b"x" * 16 + b"\xff" * 4 + b"y")), Fault.MALFORMED),
    ("another app id", world.encrypt("x", app_id="wxother"), Fault.FORGED),
    ("a longer app id", world.encrypt("x", app_id=APP_ID + "0"), Fault.FORGED),
    ("no app id", world.encrypt("x", app_id=""), Fault.FORGED),
]


@pytest.mark.parametrize(("encrypted", "fault"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_bad_ciphertext_is_one_error(encrypted: str, fault: Fault) -> None:
    with pytest.raises(MedrepError) as caught:
        Crypto(TOKEN, AES_KEY, APP_ID).decrypt(encrypted)
    assert caught.value.fault is fault


@pytest.mark.parametrize("given", ["", "é", "\ud800", "0" * 40, "F464B24FC39322E44B38AA78F5EDD27BD1441696"])
def test_a_strange_signature_is_forged(given: str) -> None:
    with pytest.raises(MedrepError) as caught:
        Crypto("AAAAA", AES_KEY, APP_ID).check(given, "1714036504", "1514711492")
    assert caught.value.fault is Fault.FORGED

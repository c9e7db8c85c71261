"""An inspector with one file and the public key, and no database, checks the record and signed documents."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from bot.clock import Clock
from bot.evidence import (
    check_file,
    export,
    prune_heads,
    public_pem,
    read_public,
    signed_document,
    signing_key,
)
from bot.model import Fault, MedrepError
from bot.service.postgres import Cluster
from bot.store.database import Database
from tests.evidence.chain import as_superuser, record, seal_ten


@pytest.fixture
async def public(database: Database, clock: Clock, home: Path, tmp_path: Path) -> Ed25519PublicKey:
    """The key of a home with ten sealed rows, as an inspector is handed it."""
    await seal_ten(database, clock, home)
    path = tmp_path / "public.pem"
    path.write_text(public_pem(signing_key(home / "keys").public_key()))
    return read_public(path)


async def lines_of(database: Database, home: Path) -> list[str]:
    return [line async for line in export(database, home)]


def written(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


async def test_an_export_verifies_with_the_public_key_alone(
    public: Ed25519PublicKey, database: Database, clock: Clock, home: Path, tmp_path: Path
) -> None:
    """F14: rows that no head covers yet are not in it; heads that were pruned are missed by nobody."""
    await record(database, clock, 1, 10)
    for count in range(2):
        verdict = await check_file(
            written(tmp_path / f"{count}.jsonl", await lines_of(database, home)), public
        )
        assert verdict is not None and verdict.ok, verdict
        assert (verdict.rows, verdict.head) == (10, 2)
        await prune_heads(database, home, datetime.now(UTC) + timedelta(days=1))


async def test_every_line_counts(
    public: Ed25519PublicKey, database: Database, home: Path, tmp_path: Path
) -> None:
    """F14: whichever line is removed, doubled, moved, emptied or changed in whichever field."""
    lines = await lines_of(database, home)
    assert len(lines) == 13
    path = tmp_path / "changed.jsonl"

    async def found(changed: list[str]) -> bool:
        verdict = await check_file(written(path, changed), public)
        assert verdict is not None
        return not verdict.ok

    for at, line in enumerate(lines):
        rest = [*lines[:at], *lines[at + 1 :]]
        assert await found(rest), f"line {at} removed"
        assert await found([*lines[: at + 1], *lines[at:]]), f"line {at} doubled"
        if at not in (0, 5):  # the first stands there; the first head may stand anywhere before the second
            assert await found([line, *rest]), f"line {at} moved to the front"
        for other in ("", "}{", '{"seq":', "[]", '{"seq":1,"id":"x","link":"zz","row":3}'):
            assert await found([*lines[:at], other, *lines[at + 1 :]]), f"line {at} is {other}"
        fields = json.loads(line)
        for changed in _changed(fields):
            text = json.dumps(changed, separators=(",", ":"))
            assert await found([*lines[:at], text, *lines[at + 1 :]]), f"line {at}: {text}"


def _changed(fields: dict[str, object]) -> list[dict[str, object]]:
    """The object with each field changed in turn, those of the row in it too."""
    found: list[dict[str, object]] = []
    for name, value in fields.items():
        if isinstance(value, dict) and name == "row":
            found += [{**fields, name: inner} for inner in _changed(value)]
        elif isinstance(value, int):
            found.append({**fields, name: value + 1})
        elif isinstance(value, str):
            found.append({**fields, name: value[:-1] + ("1" if value.endswith("0") else "0")})
        else:
            found.append({**fields, name: {"other": 1}})
    return found


async def test_another_key_opens_nothing(
    public: Ed25519PublicKey, database: Database, home: Path, tmp_path: Path
) -> None:
    path = written(tmp_path / "record.jsonl", await lines_of(database, home))
    verdict = await check_file(path, Ed25519PrivateKey.generate().public_key())
    assert verdict is not None and not verdict.ok


async def test_what_was_changed_before_the_export_is_in_it(
    public: Ed25519PublicKey, database: Database, cluster: Cluster, home: Path, tmp_path: Path
) -> None:
    await as_superuser(cluster, database, "UPDATE evidence SET subject = 'row:99' WHERE id = 3")
    verdict = await check_file(written(tmp_path / "record.jsonl", await lines_of(database, home)), public)
    assert verdict is not None and verdict.broken == "seal 3, evidence 3: the link does not match"


async def test_a_signed_document_is_what_we_signed(home: Path, tmp_path: Path) -> None:
    """F14: as `export-person` prints it, on one line or set out anew."""
    key = signing_key(home / "keys").public_key()
    signed = signed_document({"person": "甲", "messages": [{"text": "你好", "at": None}]}, home / "keys")
    path = tmp_path / "person.json"
    for indent in (None, 2):
        path.write_text(json.dumps(signed, ensure_ascii=False, indent=indent))
        assert await check_file(path, key) is None
    changed = {**signed, "person": "乙"}, {**signed, "more": 1}, {"person": "甲", "messages": []}
    for document in changed:
        path.write_text(json.dumps(document))
        with pytest.raises(MedrepError) as refused:
            await check_file(path, key)
        assert refused.value.fault == Fault.TAMPERED
    path.write_text("no JSON")
    with pytest.raises(MedrepError) as refused:
        await check_file(path, key)
    assert refused.value.fault == Fault.BAD_INPUT


def test_a_public_key_is_one(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text("nonsense")
    with pytest.raises(MedrepError) as refused:
        read_public(path)
    assert refused.value.fault == Fault.BAD_INPUT

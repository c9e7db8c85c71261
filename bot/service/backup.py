"""Backup and restore: the database at one moment, the keys that open it, and the heads that witness it.

The file is a tar of `manifest.json`, `database.dump` (PostgreSQL's custom format), `keys/` and
`evidence/`. It opens everything, so it is 0600 and belongs where the keys may rest. What is made anew on
another machine stays out: the embedded database's passwords and the tokens between our processes.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
import tempfile
from datetime import datetime
from pathlib import Path, PurePosixPath

from sqlalchemy.engine import make_url

from bot.model import Fault, MedrepError
from bot.service.postgres import binaries
from bot.service.process import plain_environment
from bot.store.key_tree import read_tree

FORMAT = 1
DUMP, MANIFEST = "database.dump", "manifest.json"
HEADS = "evidence/heads.jsonl"


def backup(home: Path, url: str, target: Path, now: datetime) -> int:
    """Write the backup to `target`, which must not exist; its size in bytes. Raises MedrepError."""
    if target.exists():
        raise MedrepError(Fault.CONFLICT, f"{target.name} exists already; a backup replaces nothing")
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=target.parent) as folder:
        # In this order: heads never run ahead of the database, and the keys cover every row of the dump.
        heads = home / HEADS
        files = {HEADS: heads.read_bytes()} if heads.exists() else {}
        dump = Path(folder) / DUMP
        _postgres(url, "pg_dump", "--format=custom", "--file", str(dump), "--dbname")
        files |= {f"keys/{path.name}": _read(path) for path in _keys(home)}
        sums = {name: hashlib.sha256(body).hexdigest() for name, body in files.items()}
        manifest = {"format": FORMAT, "created": now.isoformat(), "sha256": sums | {DUMP: _digest(dump)}}
        part = Path(folder) / "backup.tar"
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            with tarfile.open(fileobj=file, mode="w") as tar:
                _add(tar, MANIFEST, json.dumps(manifest).encode())
                for name, body in files.items():
                    _add(tar, name, body)
                tar.add(dump, DUMP)
            file.flush()
            os.fsync(file.fileno())
        part.rename(target)
    return target.stat().st_size


def _keys(home: Path) -> list[Path]:
    return sorted((home / "keys").glob("*.key"))


def _read(path: Path) -> bytes:
    return read_tree(path) if path.name == "leaves.key" else path.read_bytes()


def unpack(archive: Path, folder: Path) -> None:
    """The backup's files below `folder`, each checked. Raises MedrepError(BAD_INPUT | TAMPERED)."""
    try:
        with tarfile.open(archive, "r:") as tar:
            for member in tar:
                if not member.isfile() or not _belongs(member.name):
                    raise MedrepError(Fault.BAD_INPUT, f"{archive.name} is not a backup of medrep")
                tar.extract(member, folder, filter="data")
        manifest = json.loads((folder / MANIFEST).read_bytes())
        sums: dict[str, str] = manifest["sha256"]
        version = manifest["format"]
    except (tarfile.TarError, OSError, ValueError, KeyError, TypeError):
        raise MedrepError(Fault.BAD_INPUT, f"{archive.name} is not a whole backup of medrep") from None
    if version != FORMAT:
        raise MedrepError(
            Fault.BAD_INPUT, f"{archive.name} has format {version}, this version reads {FORMAT}"
        )
    for name, digest in sums.items():
        if not _belongs(name) or not (folder / name).is_file() or _digest(folder / name) != digest:
            raise MedrepError(Fault.TAMPERED, f"{archive.name}: {name} is damaged")
    if DUMP not in sums:
        raise MedrepError(Fault.BAD_INPUT, f"{archive.name} holds no database")


def _belongs(name: str) -> bool:
    path = PurePosixPath(name)
    return name in (MANIFEST, DUMP, HEADS) or (len(path.parts) == 2 and path.match("keys/*.key"))


def place(folder: Path, home: Path) -> None:
    """Move the unpacked keys and heads into the empty `home`."""
    for path in [*_keys(folder), *([folder / HEADS] if (folder / HEADS).exists() else [])]:
        target = home / path.relative_to(folder)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o600)
        path.rename(target)


def load(folder: Path, url: str) -> None:
    """Load the unpacked dump into the empty database at `url`, whole or not at all."""
    _postgres(
        url,
        "pg_restore",
        "--single-transaction",
        "--no-owner",
        "--exit-on-error",
        str(folder / DUMP),
        "--dbname",
    )


def _postgres(url: str, program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs; the password goes by environment, not by command line."""
    address = make_url(url)
    env = {**plain_environment(), "PGPASSWORD": str(address.password or "")}
    bare = address.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    done = subprocess.run(
        [str(binaries() / program), *arguments, bare], capture_output=True, text=True, check=False, env=env
    )
    if done.returncode != 0:
        raise MedrepError(Fault.CONFIGURATION, f"{program} failed: {done.stderr.strip()[-500:]}")


def _add(tar: tarfile.TarFile, name: str, body: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(body), 0o600
    tar.addfile(info, io.BytesIO(body))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

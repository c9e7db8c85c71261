"""Invitation codes: single use, 58 bits, kept only as keyed digests.

The clear codes exist once, in the file handed to whoever writes the invitations.
"""

from __future__ import annotations

import asyncio
import csv
import os
import secrets
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TextIO

from bot.clock import Clock
from bot.doctors.identity import ALPHABET, GROUP, GROUPS, code_digest
from bot.doctors.identity import code as bare
from bot.evidence import note
from bot.model import Fault, MedrepError
from bot.store import doctors
from bot.store.database import Database
from bot.store.keyring import Keyring

VALID = timedelta(days=30)
BATCH = 2000


def scene_of(code: str) -> str:
    """What a QR code of the platform carries for an invitation: the code's own characters."""
    return bare(code)


def scanned(scene: str) -> str:
    """The code in the scene of a scan, or of a subscription by scan, as people read it; "": none."""
    found = scene.removeprefix("qrscene_")
    if len(found) != GROUPS * GROUP or not set(found) <= set(ALPHABET):
        return ""
    return "-".join(found[at : at + GROUP] for at in range(0, len(found), GROUP))


def new_code() -> str:
    """A fresh code as people read it: three groups of four."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(GROUP)) for _ in range(GROUPS))


Codes = list[tuple[str, str]]  # (external id, code as people read it)


async def issue_codes(
    db: Database,
    keyring: Keyring,
    clock: Clock,
    external_ids: Sequence[str],
    *,
    renew: bool = False,
    by: str = "cli",
    keep: Callable[[Codes], None] | None = None,
) -> Codes:
    """Codes for those of these doctors whom one would help: not verified, with a phone on the list, no
    contact yet. Whoever holds a code that is still good is left out, unless `renew`, which voids it.

    `keep` gets each batch before it becomes valid, so a run that is cut off loses no code that works.
    """
    issued: Codes = []
    for start in range(0, len(external_ids), BATCH):
        async with db.begin() as tx:
            now = clock.now()
            whom = await doctors.without_code(tx, external_ids[start : start + BATCH], now, renew=renew)
            if not whom:
                continue
            codes = [(external_id, new_code()) for external_id, _ in whom]
            if keep is not None:
                await asyncio.to_thread(keep, codes)
            digests = [code_digest(keyring, code) for _, code in codes]
            people = [person_id for _, person_id in whom]
            await doctors.add_codes(tx, list(zip(digests, people, strict=True)), now + VALID, now, by)
            until = (now + VALID).isoformat()
            await note(
                tx, "doctors.codes_issued", now, "codes", by=by, codes=len(codes), until=until, renew=renew
            )
        issued += codes
    return issued


async def write_codes(
    db: Database,
    keyring: Keyring,
    clock: Clock,
    external_ids: Sequence[str],
    out: Path,
    *,
    renew: bool = False,
    by: str = "cli",
) -> int:
    """`issue_codes` into the new csv file `out` (0600, `external_id,code`); how many.

    Raises MedrepError(CONFLICT: the file exists | BAD_INPUT: it cannot be made).
    """
    with os.fdopen(_create(out), "w", encoding="utf-8-sig", newline="") as file:
        _append(file, [("external_id", "code")])
        issued = await issue_codes(
            db, keyring, clock, external_ids, renew=renew, by=by, keep=partial(_append, file)
        )
    return len(issued)


def _create(out: Path) -> int:
    try:
        return os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise MedrepError(Fault.CONFLICT, f"{out.name} 已存在，不会覆盖；请换一个文件名") from None
    except OSError as error:
        raise MedrepError(Fault.BAD_INPUT, f"无法写入 {out.name}：{error.strerror}") from None


def _append(file: TextIO, rows: Codes) -> None:
    csv.writer(file).writerows(rows)
    file.flush()
    os.fsync(file.fileno())

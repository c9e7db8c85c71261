"""Importing the list of doctors: idempotent on the external id, in batches, each one transaction.

A run that was cut off is simply run again: what is there already costs a look-up.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from bot.clock import Clock
from bot.doctors.batch import load
from bot.doctors.cells import SheetLine
from bot.doctors.columns import Columns, find_header
from bot.doctors.row import DoctorRow, RowFault, read_row
from bot.doctors.sheet import open_sheet
from bot.evidence import note
from bot.model import Account, Fault, MedrepError
from bot.runtime.killpoints import reached
from bot.settings import Accounts
from bot.store.database import Database
from bot.store.vault import Vault

BATCH = 2000


@dataclass(slots=True)
class ImportReport:
    """What an import did. `faults` are the rows that were not loaded, in order of the sheet."""

    file: str  # SHA-256 of the file, in hex
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    faults: list[RowFault] = field(default_factory=list)
    ignored_columns: tuple[str, ...] = ()
    ignored_sheets: tuple[str, ...] = ()
    loaded: list[str] = field(default_factory=list)  # external ids of the good rows, for issuing codes

    @property
    def rows(self) -> int:
        """Rows with something in them, the header aside."""
        return len(self.loaded) + len(self.faults)


async def import_doctors(
    db: Database, vault: Vault, clock: Clock, accounts: Accounts, path: Path, *, by: str = "cli"
) -> ImportReport:
    """Load a csv or xlsx file; bad rows are reported, good ones load.

    Raises MedrepError(NOT_FOUND | BAD_INPUT | TOO_LARGE) when the file as a whole cannot be used.
    """
    report = ImportReport(await asyncio.to_thread(_digest, path))
    seen = _Seen()
    with ExitStack() as stack:
        # Reading and checking are work for a thread: whoever else shares this loop goes on.
        sheet = await asyncio.to_thread(stack.enter_context, open_sheet(path))
        report.ignored_sheets = sheet.other_sheets
        try:
            columns = await asyncio.to_thread(find_header, sheet.lines)
        except MedrepError as error:
            if not sheet.other_sheets or error.fault != Fault.BAD_INPUT:
                raise
            others = f"{error.detail}。只读第一个工作表；如名单在其他工作表，请把它移到最前"
            raise MedrepError(error.fault, others) from None
        report.ignored_columns = columns.ignored
        while True:
            try:
                taken = await asyncio.to_thread(_take, sheet.lines, columns, accounts, seen)
            except MedrepError as error:
                done = f"{error.detail}；此前 {len(report.loaded)} 行已导入，改正后可重新导入整个文件"
                raise MedrepError(error.fault, done) from None
            if not taken.rows and not taken.faults:
                break
            await _commit(db, vault, clock, taken, report, by)
    report.faults.sort(key=lambda fault: fault.row)
    async with db.begin() as tx:
        await note(tx, "doctors.imported", clock.now(), f"file:{report.file}", **_facts(report, by))
    return report


def _digest(path: Path) -> str:
    if not path.is_file():
        raise MedrepError(Fault.NOT_FOUND, f"没有文件 {path.name}")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(slots=True)
class _Seen:
    """Rows of this file that a later row may not repeat."""

    external_ids: dict[str, int] = field(default_factory=dict)
    addresses: dict[tuple[Account | None, str], int] = field(default_factory=dict)
    people: dict[bytes, int] = field(default_factory=dict)  # by digest: half a million fit in memory

    def check(self, row: DoctorRow) -> None:
        """Raises MedrepError(BAD_INPUT)."""
        first = self.external_ids.setdefault(row.external_id, row.row)
        if first != row.row:
            raise MedrepError(Fault.BAD_INPUT, f"外部编号与第 {first} 行重复")
        if row.address:
            first = self.addresses.setdefault((row.account, row.address), row.row)
            if first != row.row:
                raise MedrepError(Fault.BAD_INPUT, f"渠道账号与第 {first} 行重复")
        if row.phone:
            # Both would have to verify as one and the same, and neither could.
            first = self.people.setdefault(row.person, row.row)
            if first != row.row:
                raise MedrepError(
                    Fault.BAD_INPUT,
                    f"与第 {first} 行是同一位医生（姓名、医院、手机都相同，外部编号不同），请只留一行",
                )


@dataclass(frozen=True, slots=True)
class _Taken:
    rows: list[DoctorRow]
    faults: list[RowFault]


def _take(lines: Iterator[SheetLine], columns: Columns, accounts: Accounts, seen: _Seen) -> _Taken:
    """The next BATCH lines, read."""
    taken = _Taken([], [])
    for line in islice(lines, BATCH):
        try:
            row = read_row(line, columns, accounts)
            seen.check(row)
        except MedrepError as error:
            taken.faults.append(RowFault(line.number, error.detail))
        else:
            taken.rows.append(row)
    return taken


async def _commit(
    db: Database, vault: Vault, clock: Clock, taken: _Taken, report: ImportReport, by: str
) -> None:
    async with db.begin() as tx:
        loaded = await load(tx, vault, taken.rows, clock.now())
        part = ImportReport(
            report.file,
            len(loaded.added),
            len(loaded.changed),
            len(loaded.unchanged),
            [*taken.faults, *loaded.faults],
            loaded=[*loaded.added, *loaded.changed, *loaded.unchanged],
        )
        await note(tx, "doctors.batch", clock.now(), f"file:{report.file}", **_facts(part, by))
    reached("import.batch")
    report.added += part.added
    report.changed += part.changed
    report.unchanged += part.unchanged
    report.faults += part.faults
    report.loaded += part.loaded


def _facts(report: ImportReport, by: str) -> dict[str, Any]:
    return {
        "by": by,
        "rows": report.rows,
        "added": report.added,
        "changed": report.changed,
        "unchanged": report.unchanged,
        "refused": len(report.faults),
    }

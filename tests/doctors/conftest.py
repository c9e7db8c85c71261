"""Lists of doctors for tests: files, and their import."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from bot.clock import Clock
from bot.doctors import ImportReport, import_doctors
from bot.model import Audience
from bot.settings import Accounts, WebChatAccount
from bot.store.database import Database
from bot.store.vault import Vault
from tests.doctors.sheets import HEADER, Load

ACCOUNTS = Accounts(
    webchat={
        "demo": WebChatAccount(audience=Audience.DOCTOR),
        "home": WebChatAccount(audience=Audience.PATIENT),
    }
)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(
        *rows: list[Any], header: list[str] = HEADER, encoding: str = "utf-8", kind: str = "csv"
    ) -> Path:
        path = tmp_path / f"doctors.{kind}"
        if kind == "csv":
            out = io.StringIO()
            csv.writer(out).writerows([header, *rows])
            path.write_bytes(out.getvalue().encode(encoding))
        else:
            book = openpyxl.Workbook()
            assert book.active is not None
            for cells in [header, *rows]:
                book.active.append(cells)
            book.save(path)
        return path

    return write


@pytest.fixture
def load(database: Database, vault: Vault, clock: Clock) -> Load:
    async def load(path: Path) -> ImportReport:
        return await import_doctors(database, vault, clock, ACCOUNTS, path, by="test")

    return load

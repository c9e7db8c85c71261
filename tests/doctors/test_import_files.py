"""Lists of doctors that cannot be used, whole or in part: each is one clear error, and quotes nobody."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from bot.model import Fault, MedrepError
from bot.store.database import Database
from bot.store.tables import doctor
from tests.doctors.sheets import HEADER, Load, count, row


@pytest.mark.parametrize(
    "column",
    [
        *(
            "处方量",
            "月处方量（盒）",
            "處方量",
            "处 方 量",
            "开方数",
            "开药量",
            "销量",
            "用量统计",
            "统方数据",
            "二甲双胍盒数",
        ),
        *(
            "Prescription Volume",
            "rx count",
            "TRx",
            "ＲＸ",
            "nbrx_2026",
            "Scripts",
            "sales volume",
            "用药金额",
        ),
    ],
)
async def test_prescription_figures_refuse_the_whole_file(
    load: Load, write: Any, database: Database, column: str
) -> None:
    with pytest.raises(MedrepError) as refused:
        await load(write([*row(1), "12"], header=[*HEADER, column]))
    assert refused.value.fault == Fault.BAD_INPUT
    assert "统方" in refused.value.detail and "禁止" in refused.value.detail
    assert await count(database, doctor) == 0


@pytest.mark.parametrize("column", ["处方权", "销售代表", "备注", "sales rep", "description"])
async def test_an_unknown_column_is_reported(load: Load, write: Any, column: str) -> None:
    report = await load(write([*row(1), "x"], header=[*HEADER, column]))
    assert (report.added, report.ignored_columns) == (1, (column,))


async def test_a_file_without_a_header_quotes_nobody(load: Load, write: Any) -> None:
    with pytest.raises(MedrepError, match="缺少必需的列") as refused:
        await load(write(row(2), header=[str(cell) for cell in row(1)]))
    assert "张三" not in refused.value.detail and "138" not in refused.value.detail


async def test_the_same_column_twice(load: Load, write: Any) -> None:
    with pytest.raises(MedrepError, match="有两列都是「姓名」"):
        await load(write([*row(1), "李四"], header=[*HEADER, "Name"]))


def _zip(path: Path, **parts: bytes) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in parts.items():
            archive.writestr(name.replace("__", "/").replace("_xml", ".xml"), body)


def _whole(path: Path) -> bytes:
    book = openpyxl.Workbook()
    assert book.active is not None
    for cells in [HEADER, *(row(n) for n in range(50))]:
        book.active.append(cells)
    book.save(path)
    return path.read_bytes()


def _truncated(path: Path) -> None:
    path.write_bytes(_whole(path)[:-400])


def _bit_flipped(path: Path) -> None:
    body = bytearray(_whole(path))
    body[len(body) // 3] ^= 0xFF
    path.write_bytes(body)


def _replaced_sheet(path: Path, sheet: bytes) -> None:
    _whole(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["xl/worksheets/sheet1.xml"] = sheet
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in parts.items():
            archive.writestr(name, body)


_SHEET = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">%b</worksheet>'


def _entities(path: Path) -> None:
    bomb = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    _replaced_sheet(path, bomb + _SHEET % b"<sheetData>&b;</sheetData>")


BROKEN: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "not_a_zip": lambda path: path.write_bytes(b"this is no workbook"),
    "password": lambda path: path.write_bytes(bytes.fromhex("D0CF11E0A1B11AE1") + bytes(4096)),
    "truncated": _truncated,
    "bit_flipped": _bit_flipped,
    "no_workbook": lambda path: _zip(path, hello_xml=b"<a/>"),
    "bomb": lambda path: _zip(path, xl__sharedStrings_xml=bytes(101 << 20)),
    "half_a_sheet": lambda path: _replaced_sheet(path, b"<worksheet><sheetData><row"),
    "entities": _entities,
    "row_two_billion": lambda path: _replaced_sheet(
        path, _SHEET % b'<sheetData><row r="2000000000"><c r="A2000000000"><v>1</v></c></row></sheetData>'
    ),
}


@pytest.mark.parametrize("how", BROKEN)
async def test_a_broken_workbook_is_one_clear_error(
    load: Load, tmp_path: Path, database: Database, how: str
) -> None:
    path = tmp_path / "broken.xlsx"
    BROKEN[how](path)
    with pytest.raises(MedrepError) as refused:
        await load(path)
    assert refused.value.fault in {Fault.BAD_INPUT, Fault.TOO_LARGE}
    assert refused.value.detail
    assert await count(database, doctor) == 0


@pytest.mark.parametrize(
    "body",
    [
        "\ufeff姓名,医院\n".encode("utf-16"),
        b"\xff\xfe\x00\xd8junk",
        bytes(range(256)) * 20,
        '姓名,医院,外部编号\n"张三,示例医院,D1\n李四,示例医院,D2\n'.encode(),
        ("姓名,医院,外部编号\n" + "张" * 200_000 + ",示例医院,D1\n").encode(),
        b"\n\n  \n,,\n",
    ],
    ids=["utf16", "surrogate", "bytes", "open_quote", "huge_cell", "blank"],
)
async def test_a_broken_csv_is_one_clear_error(
    load: Load, tmp_path: Path, database: Database, body: bytes
) -> None:
    path = tmp_path / "broken.csv"
    path.write_bytes(body)
    with pytest.raises(MedrepError) as refused:
        await load(path)
    assert refused.value.fault == Fault.BAD_INPUT
    assert await count(database, doctor) == 0


async def test_no_file(load: Load, tmp_path: Path) -> None:
    with pytest.raises(MedrepError) as refused:
        await load(tmp_path / "none.csv")
    assert refused.value.fault == Fault.NOT_FOUND


async def test_a_sheet_that_claims_ten_million_rows(load: Load, tmp_path: Path, database: Database) -> None:
    """What a workbook says of its size is not believed, neither too much nor too little."""
    for claimed, path in (("A1:L10000000", tmp_path / "much.xlsx"), ("A1:A1", tmp_path / "little.xlsx")):
        _whole(path)
        with zipfile.ZipFile(path) as archive:
            sheet = archive.read("xl/worksheets/sheet1.xml")
        _replaced_sheet(
            path, sheet.replace(b'<dimension ref="A1:L51"', f'<dimension ref="{claimed}"'.encode())
        )
        assert (await load(path)).rows == 50
    assert await count(database, doctor) == 50

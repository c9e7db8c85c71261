"""A sheet file as rows of text: csv (UTF-8 or GB18030) or xlsx, told apart by content, read as a stream.

Nothing here knows what the columns mean. Whatever makes a file unusable is found before its first row is
handed out where that is possible: the structure of a csv, the archive, sizes and checksums of an xlsx.
"""

from __future__ import annotations

import codecs
import csv
import math
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, time, timedelta
from itertools import count, islice
from pathlib import Path
from xml.etree.ElementTree import ParseError

import openpyxl
from defusedxml.common import DefusedXmlException
from openpyxl.utils.exceptions import InvalidFileException

from bot.model import Fault, MedrepError

MAX_BYTES = 200 << 20
MAX_UNPACKED = 600 << 20  # a sheet of 500,000 doctors unpacks to about 400 MB
MAX_SHARED_STRINGS = 100 << 20  # openpyxl keeps these in memory
MAX_ROWS = 500_000
MAX_SHEET_ROW = 1_048_576  # the last row a spreadsheet can have
EXACT_DIGITS = 15  # a spreadsheet's number keeps no more
_OLE = bytes.fromhex("D0CF11E0A1B11AE1")
_ZIP = b"PK\x03\x04"
_CHUNK = 1 << 20
_TOGETHER = 500  # rows read at once


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell as text; `fault` says why its value cannot be taken as it stands."""

    text: str
    fault: str = ""


@dataclass(frozen=True, slots=True)
class SheetLine:
    """One row that is not blank. `number` is its row in the sheet, from 1."""

    number: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """An opened file: its rows, and the names of further sheets that are not read."""

    lines: Iterator[SheetLine]
    other_sheets: tuple[str, ...] = ()


@contextmanager
def open_sheet(path: Path) -> Iterator[Sheet]:
    """Open a csv or xlsx file.

    Raises MedrepError(NOT_FOUND | BAD_INPUT | TOO_LARGE), here or while its lines are read.
    """
    if not path.is_file():
        raise MedrepError(Fault.NOT_FOUND, f"没有文件 {path.name}")
    if path.stat().st_size > MAX_BYTES:
        raise MedrepError(Fault.TOO_LARGE, f"文件超过 {MAX_BYTES >> 20} MB，请拆分后再导入")
    with path.open("rb") as file:
        opening = file.read(8)
    if not opening:
        raise MedrepError(Fault.BAD_INPUT, "文件是空的")
    if opening == _OLE:
        raise MedrepError(Fault.BAD_INPUT, "文件设有密码，或是旧版 .xls；请另存为不带密码的 .xlsx")
    if opening.startswith(_ZIP):
        with _workbook(path) as sheet:
            yield sheet
    elif path.suffix.lower() in {".xlsx", ".xlsm", ".xls"}:
        raise MedrepError(Fault.BAD_INPUT, "不是有效的 xlsx 文件，可能已损坏；请重新导出")
    else:
        with _csv(path) as sheet:
            yield sheet


# ---------------------------------------------------------------- csv


@contextmanager
def _csv(path: Path) -> Iterator[Sheet]:
    encoding = _encoding(path)
    with path.open(encoding=encoding, newline="") as file:
        first = file.readline(_CHUNK)
        delimiter = max(",\t;", key=first.count)
        file.seek(0)
        _check_structure(csv.reader(file, delimiter=delimiter, strict=True))
        file.seek(0)
        rows = csv.reader(file, delimiter=delimiter, strict=True)
        yield Sheet(_bounded((n, tuple(_cell(text) for text in row)) for n, row in enumerate(rows, start=1)))


def _check_structure(rows: Iterator[list[str]]) -> None:
    """Read it once: a quote left open must not be found after half of the file was loaded."""
    number = 0
    try:
        for number, _ in enumerate(rows, start=1):  # noqa: B007 - used in the message below
            pass
    except csv.Error:
        raise MedrepError(
            Fault.BAD_INPUT, f"第 {number + 1} 行起引号不配对或单元格过长，无法解析；文件未导入"
        ) from None


def _encoding(path: Path) -> str:
    """The encoding that decodes the whole file."""
    with path.open("rb") as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise MedrepError(Fault.BAD_INPUT, "文件是 UTF-16 编码；请另存为 CSV UTF-8 或 xlsx")
    for encoding in ("utf-8-sig", "gb18030"):
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    decoder.decode(chunk)
                decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            continue
        return encoding
    raise MedrepError(Fault.BAD_INPUT, "文件不是 UTF-8 或 GB18030 编码的文本；请另存为 CSV UTF-8 或 xlsx")


# ---------------------------------------------------------------- xlsx


@contextmanager
def _workbook(path: Path) -> Iterator[Sheet]:
    _check_archive(path)
    with path.open("rb") as file:  # ours: openpyxl leaves its own open when a workbook is broken
        with _lenient():
            # data_only=False: a formula arrives as its text and is refused, never as a stale result.
            book = openpyxl.load_workbook(file, read_only=True, data_only=False, keep_links=False)
            visible = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
        if not visible:
            raise MedrepError(Fault.BAD_INPUT, "文件里没有工作表")
        first, *others = visible
        first.reset_dimensions()  # what the file claims of its size is not to be trusted
        with closing(first.iter_rows(values_only=True)) as rows:
            yield Sheet(_bounded(_numbered(rows)), tuple(sheet.title for sheet in others))


def _check_archive(path: Path) -> None:
    """Sizes before anything is unpacked, then every checksum: a truncated file fails here, a bomb too."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            strings = sum(p.file_size for p in parts if p.filename.lower().endswith("sharedstrings.xml"))
            unpacked = sum(p.file_size for p in parts)
            if unpacked > MAX_UNPACKED or strings > MAX_SHARED_STRINGS or len(parts) > 1000:
                raise MedrepError(Fault.TOO_LARGE, "文件解压后过大，请拆分，或另存为 CSV 后再导入")
            if any(p.flag_bits & 1 for p in parts):
                raise MedrepError(Fault.BAD_INPUT, "文件设有密码；请另存为不带密码的 .xlsx")
            if archive.testzip() is not None:
                raise MedrepError(Fault.BAD_INPUT, "文件已损坏（校验不符）；请重新导出")
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError):
        raise MedrepError(Fault.BAD_INPUT, "不是有效的 xlsx 文件，可能不完整；请重新导出") from None


@contextmanager
def _lenient() -> Iterator[None]:
    """Whatever openpyxl raises on a broken workbook is one thing to the caller; what it warns of (styles
    and extensions it drops) means nothing here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="openpyxl")
        try:
            yield
        except _BROKEN:
            raise MedrepError(Fault.BAD_INPUT, "xlsx 内容无法解析，可能已损坏；请重新导出") from None


_BROKEN = (
    InvalidFileException,
    DefusedXmlException,
    ParseError,
    zipfile.BadZipFile,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    OSError,
)


def _numbered(rows: Iterator[tuple[object, ...]]) -> Iterator[tuple[int, tuple[Cell, ...]]]:
    for first in count(1, _TOGETHER):
        if first > MAX_SHEET_ROW:
            raise MedrepError(Fault.BAD_INPUT, "行号超出表格上限，文件可能已损坏；请重新导出")
        with _lenient():
            some = list(islice(rows, _TOGETHER))
        if not some:
            return
        for number, values in enumerate(some, start=first):
            if values:
                yield number, tuple(_cell(value) for value in values)


def _cell(value: object) -> Cell:
    if value is None:
        return Cell("")
    if isinstance(value, str):
        return Cell(value, "单元格是错误值" if value.startswith("#") and value[1:] in _ERRORS else "")
    if isinstance(value, bool):
        return Cell("TRUE" if value else "FALSE", "单元格是逻辑值")
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, date | time | timedelta):
        return Cell(str(value), "单元格是日期或时间，请设为文本格式")
    return Cell("?", "单元格是公式")


_ERRORS = frozenset({"N/A", "REF!", "VALUE!", "NAME?", "DIV/0!", "NULL!", "NUM!"})


def _number(value: float) -> Cell:
    if not math.isfinite(value):
        return Cell("?", "单元格不是有效的数字")
    if value != int(value):
        return Cell(repr(value))
    digits = str(int(value))
    long = len(digits.lstrip("-")) > EXACT_DIGITS
    return Cell(digits, "数字过长，表格只保留前15位；请设为文本格式" if long else "")


# ---------------------------------------------------------------- both


def _bounded(rows: Iterator[tuple[int, tuple[Cell, ...]]]) -> Iterator[SheetLine]:
    """Rows with something in them, at most MAX_ROWS and the header."""
    filled = (SheetLine(number, cells) for number, cells in rows if any(cell.text.strip() for cell in cells))
    yield from islice(filled, MAX_ROWS + 1)
    if next(filled, None) is not None:
        raise MedrepError(Fault.TOO_LARGE, f"超过 {MAX_ROWS} 行：前 {MAX_ROWS} 行已处理，其余请另存后导入")

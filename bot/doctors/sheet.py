"""A sheet file as rows of text: csv (UTF-8 or GB18030) or xlsx, told apart by content, read as a stream.

What the columns mean matters here only for how the cells of a csv are parted. Whatever makes a file unusable
is found before its first row is handed out where that is possible, and the message says what it is and what
to do about it.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TextIO

from bot.doctors.cells import Cell, Sheet, bounded, text_cell
from bot.doctors.columns import names_columns
from bot.doctors.openings import OLE, what_else, what_old
from bot.doctors.workbook import open_workbook
from bot.model import Fault, MedrepError

MAX_BYTES = 200 << 20
_ZIP = b"PK\x03\x04"
_CHUNK = 1 << 20
_LOOKED_AT = 4  # lines below the first that tell how cells are separated


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
        opening = file.read(512)
    if not opening:
        raise MedrepError(Fault.BAD_INPUT, "文件是空的")
    if opening.startswith(OLE):
        raise MedrepError(Fault.BAD_INPUT, what_old(path.read_bytes()))
    if opening.startswith(_ZIP):
        with open_workbook(path) as sheet:
            yield sheet
    elif cause := what_else(opening):
        raise MedrepError(Fault.BAD_INPUT, cause)
    elif path.suffix.lower() in {".xlsx", ".xlsm", ".xls"}:
        raise MedrepError(Fault.BAD_INPUT, "不是有效的 xlsx 文件，可能已损坏；请重新导出")
    else:
        with _csv(path) as sheet:
            yield sheet


# ---------------------------------------------------------------- csv

_SEPARATORS = ",\t;|，"
_NAMED = re.compile(r"\ufeff?\"?sep=([^\"\s]|\t|)\"?\s*", re.I)
_BIG5 = "文件是繁体 Big5 编码；请另存为 CSV UTF-8 或 xlsx"
_CUT_OFF = "文件不完整：最后一个字只有一半，可能没有传完；请重新导出或上传。文件未导入"
# What a system writes so that a spreadsheet keeps the zeros of 00123.
_KEPT_TEXT = re.compile(r'="([^"]*)"')


@contextmanager
def _csv(path: Path) -> Iterator[Sheet]:
    encoding = _encoding(path)
    # A damaged character becomes U+FFFD, and its row is refused.
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        opening = list(islice(iter(lambda: file.readline(_CHUNK), ""), _LOOKED_AT + 1))
        named = _NAMED.fullmatch(opening[0])
        begins = 2 if named else 1
        delimiter = (named[1] if named else "") or _separator(opening[begins - 1 :])
        if delimiter is None:
            if encoding == "gb18030" and _is_big5(path):
                raise MedrepError(Fault.BAD_INPUT, _BIG5)
            delimiter = max(_SEPARATORS, key="".join(opening).count)
        _to_rows(file, begins)
        _check_structure(csv.reader(file, delimiter=delimiter, strict=True), begins)
        _to_rows(file, begins)
        rows = csv.reader(file, delimiter=delimiter, strict=True)
        yield Sheet(
            bounded((n, tuple(_cell(text) for text in row)) for n, row in enumerate(rows, start=begins))
        )


def _separator(lines: list[str]) -> str | None:
    """The one under which a line is the header of a list. To count them is not enough: where interests are
    listed with ; there are more of these than commas."""
    for separator in _SEPARATORS:
        with suppress(csv.Error):
            if any(names_columns(cells) for cells in csv.reader(lines, delimiter=separator)):
                return separator
    return None


def _is_big5(path: Path) -> bool:
    """Whether what reads as GB18030 has its header only in Big5, whose bytes are mostly valid there, too."""
    with path.open(encoding="cp950", errors="replace", newline="") as file:
        return _separator([file.readline(_CHUNK) for _ in range(_LOOKED_AT + 1)]) is not None


def _to_rows(file: TextIO, begins: int) -> None:
    file.seek(0)
    if begins > 1:
        file.readline(_CHUNK)


def _cell(text: str) -> Cell:
    kept = _KEPT_TEXT.fullmatch(text)
    return text_cell(kept[1] if kept else text)


def _check_structure(rows: Iterator[list[str]], begins: int) -> None:
    """Read it once: a quote left open must not be found after half of the file was loaded."""
    number = begins - 1
    try:
        for number, _ in enumerate(rows, start=begins):  # noqa: B007 - used in the message below
            pass
    except csv.Error:
        raise MedrepError(
            Fault.BAD_INPUT, f"第 {number + 1} 行起引号不配对或单元格过长，无法解析；文件未导入"
        ) from None


def _encoding(path: Path) -> str:
    """The encoding of the file, in which at most single characters are damaged."""
    with path.open("rb") as file:
        start = file.read(4)
    where = _first_fault(path, "utf-8-sig")
    if where is None:
        return "utf-8-sig"
    if start.startswith(codecs.BOM_UTF8) or _is_utf8_till(path, where):
        if where >= path.stat().st_size - 3:
            raise MedrepError(Fault.BAD_INPUT, _CUT_OFF)
        return "utf-8-sig"
    where = _first_fault(path, "gb18030")
    if where is None:
        return "gb18030"
    if where >= path.stat().st_size - 3 and where > 0:
        raise MedrepError(Fault.BAD_INPUT, _CUT_OFF)
    if _is_big5(path):
        raise MedrepError(Fault.BAD_INPUT, _BIG5)
    raise MedrepError(Fault.BAD_INPUT, "文件不是 UTF-8 或 GB18030 编码的文本；请另存为 CSV UTF-8 或 xlsx")


def _first_fault(path: Path, encoding: str) -> int | None:
    """Where the first byte stands that this encoding cannot read; None: it reads all."""
    decoder = codecs.getincrementaldecoder(encoding)()
    read = 0
    with path.open("rb") as file:
        while True:
            chunk = file.read(_CHUNK)
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                return read - pending + error.start
            if not chunk:
                return None
            read += len(chunk)


def _is_utf8_till(path: Path, where: int) -> bool:
    """Whether the bytes before hold Chinese in UTF-8, which text in GB18030 hardly ever looks like."""
    with path.open("rb") as file:
        text = file.read(min(where, _CHUNK)).decode("utf-8", errors="ignore")
    return sum("\u3400" <= char <= "\u9fff" for char in text) > 3

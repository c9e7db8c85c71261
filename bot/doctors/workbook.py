"""An xlsx file as rows of text, read as a stream, also where its writer left the standard.

What is read is a copy in which only numbers, texts and number formats are left, if the file as it stands
cannot be read: "Strict Open XML", styles that are no styles, names that point nowhere.
"""

from __future__ import annotations

import lzma
import math
import re
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, time, timedelta
from itertools import count, islice
from pathlib import Path
from typing import IO, Any
from xml.etree.ElementTree import Element, SubElement, tostring

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from bot.doctors.cells import Cell, Sheet, bounded, shown, text_cell
from bot.model import Fault, MedrepError

MAX_UNPACKED = 600 << 20  # a sheet of 500,000 doctors unpacks to about 400 MB
MAX_SHARED_STRINGS = 100 << 20  # openpyxl keeps these in memory
MAX_STYLES = 20 << 20
MAX_RATIO = 200  # a list unpacks to 10 or 20 times its size
_SMALL = 1 << 20  # below this no ratio matters
_WIDEST = 256  # columns that are read
MAX_SHEET_ROW = 1_048_576  # the last row a spreadsheet can have
EXACT_DIGITS = 15  # a spreadsheet's number keeps no more
_TOGETHER = 500  # rows read at once
_CHUNK = 1 << 20
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


@contextmanager
def open_workbook(path: Path) -> Iterator[Sheet]:
    """Raises MedrepError(BAD_INPUT | TOO_LARGE), here or while its lines are read."""
    strict = _check_archive(path)
    with tempfile.TemporaryFile() as copy, path.open("rb") as file:
        # Ours: openpyxl leaves its own open when a workbook is broken.
        book = None if strict else _book(file)
        if book is None:
            with _lenient():
                _simplify(file, copy)
            book = _book(copy)
        if book is None:
            raise _unreadable()
        visible = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
        if not visible:
            raise MedrepError(Fault.BAD_INPUT, "文件里没有工作表")
        first, *others = visible
        first.reset_dimensions()  # what the file claims of its size is not to be trusted
        with closing(first.iter_rows()) as rows:
            yield Sheet(bounded(_numbered(rows)), tuple(sheet.title for sheet in others))


def _book(file: IO[bytes]) -> Any:
    """The workbook; None when openpyxl cannot read it."""
    import openpyxl  # noqa: PLC0415 - takes a quarter of a second, and only an import of doctors needs it

    file.seek(0)
    try:
        with _lenient():
            # data_only=False: a formula arrives as its text and is refused, never as a stale result.
            return openpyxl.load_workbook(file, read_only=True, data_only=False, keep_links=False)
    except MedrepError:
        return None


def _check_archive(path: Path) -> bool:
    """Sizes before anything is unpacked, then every checksum: a truncated file fails here, a bomb too.

    Returns whether it is in the form "Strict Open XML"."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            names = {part.filename.lower() for part in parts}
            strings = sum(p.file_size for p in parts if p.filename.lower().endswith("sharedstrings.xml"))
            unpacked = sum(p.file_size for p in parts)
            hollow = any(p.file_size > max(_SMALL, MAX_RATIO * p.compress_size) for p in parts)
            if hollow or unpacked > MAX_UNPACKED or strings > MAX_SHARED_STRINGS or len(parts) > 1000:
                raise MedrepError(Fault.TOO_LARGE, "文件解压后过大，请拆分，或另存为 CSV 后再导入")
            if any(p.flag_bits & 1 for p in parts):
                raise MedrepError(Fault.BAD_INPUT, "文件设有密码；请另存为不带密码的 .xlsx")
            _refuse_others(names)
            if archive.testzip() is not None:
                raise MedrepError(Fault.BAD_INPUT, "文件已损坏（校验不符）；请重新导出")
            books = [p for p in parts if p.filename.lower().endswith("workbook.xml")]
            return any(b"purl.oclc.org/ooxml" in archive.open(p).read(4096) for p in books)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, OSError):
        raise MedrepError(Fault.BAD_INPUT, "不是有效的 xlsx 文件，可能不完整；请重新导出") from None


def _refuse_others(names: set[str]) -> None:
    """Files of other programs are archives, too."""
    if "xl/workbook.bin" in names:
        raise MedrepError(Fault.BAD_INPUT, "文件是 .xlsb（二进制工作簿）；请另存为「Excel 工作簿（.xlsx）」")
    if "content.xml" in names or "mimetype" in names:
        raise MedrepError(
            Fault.BAD_INPUT, "文件是 OpenDocument 表格（.ods）；请另存为「Excel 工作簿（.xlsx）」"
        )
    if not any(name.startswith(("xl/", "word/", "index/")) for name in names):
        raise MedrepError(Fault.BAD_INPUT, "文件是压缩包，里面没有工作簿；请先解压，再导入其中的名单")
    if "word/document.xml" in names:
        raise MedrepError(Fault.BAD_INPUT, "文件是 Word 文档；请把名单放进表格，另存为 .xlsx 或 CSV UTF-8")
    if "index/document.iwa" in names:
        raise MedrepError(Fault.BAD_INPUT, "文件是 Numbers 表格；请导出为 Excel（.xlsx）")


# ---------------------------------------------------------------- a copy that can be read

_STRICT = re.compile(rb"http://purl\.oclc\.org/ooxml/(\w+)/")
_NAMES = re.compile(rb"<(?:\w{1,20}:)?definedNames>")
_NAMES_END = re.compile(rb"</(?:\w{1,20}:)?definedNames>")


def _simplify(file: IO[bytes], copy: IO[bytes]) -> None:
    """Write to `copy` what is needed of the workbook, in the form that everybody reads."""
    file.seek(0)
    with (
        zipfile.ZipFile(file) as whole,
        zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as left,
    ):
        for part in whole.infolist():
            name = part.filename.lower()
            if name.startswith("docprops/") or not name.endswith((".xml", ".rels")):
                continue
            with whole.open(part) as source, left.open(part.filename, "w", force_zip64=True) as target:
                if name.endswith("styles.xml"):
                    target.write(_formats_only(source.read(MAX_STYLES)))
                elif name.endswith(("workbook.xml", ".rels", "[content_types].xml")):
                    target.write(_nameless(_common(source.read(MAX_STYLES))))
                else:
                    target.write(_common(source.read(_CHUNK)))  # its namespaces stand in its first tag
                    while chunk := source.read(_CHUNK):
                        target.write(chunk)


def _nameless(xml: bytes) -> bytes:
    """Without the names defined for ranges; each byte is looked at once, however many openings there are."""
    kept, at = [], 0
    while (start := _NAMES.search(xml, at)) and (end := _NAMES_END.search(xml, start.end())):
        kept.append(xml[at : start.start()])
        at = end.end()
    return b"".join([*kept, xml[at:]])


def _common(xml: bytes) -> bytes:
    return _STRICT.sub(rb"http://schemas.openxmlformats.org/\1/2006/", xml)


def _formats_only(xml: bytes) -> bytes:
    """Styles without what is only seen: fonts, fills and borders, which writers get wrong."""
    made = Element("styleSheet", {"xmlns": _MAIN})
    styles = fromstring(xml)
    formats = [
        e
        for e in styles.iter()
        if _local(e) == "numFmt" and "numFmtId" in e.attrib and "formatCode" in e.attrib
    ]
    if formats:
        holder = SubElement(made, "numFmts")
        for element in formats:
            SubElement(holder, "numFmt", {name: element.attrib[name] for name in ("numFmtId", "formatCode")})
    cells = SubElement(made, "cellXfs")
    for holder in (e for e in styles.iter() if _local(e) == "cellXfs"):
        for element in holder:
            SubElement(cells, "xf", {"numFmtId": element.attrib.get("numFmtId", "0")})
    return tostring(made)


def _local(element: Element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


@contextmanager
def _lenient() -> Iterator[None]:
    """Whatever openpyxl raises on a broken workbook is one thing to the caller; what it warns of (styles
    and extensions it drops) means nothing here."""
    from openpyxl.utils.exceptions import InvalidFileException  # noqa: PLC0415 - as above

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="openpyxl")
        try:
            yield
        except (InvalidFileException, *_BROKEN):
            raise _unreadable() from None


def _unreadable() -> MedrepError:
    return MedrepError(
        Fault.BAD_INPUT,
        "xlsx 内容无法解析，可能已损坏；请用 Excel 或 WPS 打开后另存为「Excel 工作簿（.xlsx）」",
    )


_BROKEN = (
    DefusedXmlException,
    SyntaxError,  # of either parser: lxml is used where others bring it along
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    OSError,
)


# ---------------------------------------------------------------- rows


def _numbered(rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[int, tuple[Cell, ...]]]:
    for first in count(1, _TOGETHER):
        if first > MAX_SHEET_ROW:
            raise MedrepError(Fault.BAD_INPUT, "行号超出表格上限，文件可能已损坏；请重新导出")
        with _lenient():
            # A cell looks up its format when it is asked for it, and a style may not be there.
            some = [[_read(cell) for cell in row[:_WIDEST]] for row in islice(rows, _TOGETHER)]
        if not some:
            return
        for number, cells in enumerate(some, start=first):
            if cells:
                yield number, tuple(_cell(*cell) for cell in cells)


def _read(cell: Any) -> tuple[Any, str]:
    value = cell.value
    return value, cell.number_format if isinstance(value, int | float) else ""


def _cell(value: Any, number_format: str) -> Cell:
    if value is None:
        return _EMPTY
    if isinstance(value, str):
        return text_cell(_ESCAPED.sub(_unescaped, value) if "_x" in value else value)
    if isinstance(value, bool):
        return Cell("TRUE" if value else "FALSE", "单元格是逻辑值")
    if isinstance(value, int | float):
        return _number(value, number_format)
    if isinstance(value, date | time | timedelta):
        return Cell(str(value), "单元格是日期或时间，请设为文本格式")
    return Cell("?", "单元格是公式")


_EMPTY = Cell("")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


def _unescaped(escape: re.Match[str]) -> str:
    """The character that a writer could not put into XML: _x000D_ is a carriage return."""
    return chr(int(escape[1], 16))


def _number(value: float, number_format: str) -> Cell:
    if not math.isfinite(value):
        return Cell("?", "单元格不是有效的数字")
    if value != int(value):
        return Cell(repr(value))
    digits = str(int(value))
    if len(digits.lstrip("-")) > EXACT_DIGITS:
        return Cell(digits, "数字过长，表格只保留前15位；请设为文本格式")
    return Cell(digits) if number_format == "General" else shown(digits, number_format)

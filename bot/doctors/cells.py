"""What a sheet is made of, whatever file it came from: rows of text, with what is wrong about a cell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from bot.model import Fault, MedrepError

MAX_ROWS = 500_000


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


def bounded(rows: Iterator[tuple[int, tuple[Cell, ...]]]) -> Iterator[SheetLine]:
    """Rows with something in them, at most MAX_ROWS and the header."""
    filled = (SheetLine(number, cells) for number, cells in rows if any(cell.text.strip() for cell in cells))
    yield from islice(filled, MAX_ROWS + 1)
    if next(filled, None) is not None:
        raise MedrepError(Fault.TOO_LARGE, f"超过 {MAX_ROWS} 行：前 {MAX_ROWS} 行已处理，其余请另存后导入")


def text_cell(text: str) -> Cell:
    return Cell(text, "单元格是错误值" if text.startswith("#") and text[1:] in _ERRORS else "")


_ERRORS = frozenset({"N/A", "REF!", "VALUE!", "NAME?", "DIV/0!", "NULL!", "NUM!"})


# ---------------------------------------------------------------- numbers as a spreadsheet shows them

_PIECE = re.compile(
    r'"([^"]*)"|\\(.)|_.|\*.|\[(?:Black|Blue|Cyan|Green|Magenta|Red|White|Yellow|\$[^\]]*)\]|(0|#)|([- /()+])'
)
_AS_THEY_ARE = re.compile(r"General|@|[0#](?:\.0+)?|#,##0(?:\.0+)?", re.I)


def shown(digits: str, number_format: str) -> Cell:
    """A whole number as its format shows it: 7 under 00000 is 00007, under "D"000 it is D007.

    An id is what people read in the cell. A format that cannot be told is a fault, not a guess.
    """
    first = number_format.split(";", maxsplit=1)[0]
    if digits.startswith("-") or _AS_THEY_ARE.fullmatch(first) or "E+" in first.upper():
        return Cell(digits)
    pieces, place = [], 0
    while place < len(first):
        match = _PIECE.match(first, place)
        if match is None:
            return Cell(digits, "单元格用了自定义数字格式，显示的与实际内容不同；请设为文本格式后重新填写")
        pieces.append(match)
        place = match.end()
    # Digits fill their places from the right; what is left over stands at the first one.
    places = [piece[3] for piece in pieces if piece[3]]
    padded = digits.rjust(len(places), "\0")
    left, told, filled = len(padded) - len(places), "", 0
    for piece in pieces:
        if piece[3]:
            upto = filled + 1 + (left if filled == 0 else 0)
            start = 0 if filled == 0 else filled + left
            taken = padded[start:upto] if filled == 0 else padded[start : start + 1]
            told += taken.replace("\0", "0" if piece[3] == "0" else "")
            filled += 1
        else:
            told += piece[1] or piece[2] or piece[4] or ""
    return Cell(told)

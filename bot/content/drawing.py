"""The chart of a key message as a picture: drawn from the approved figures, the same bytes each time."""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

from bot.content.presenting import FOR_PROFESSIONALS, sources, validity, value_text, warnings
from bot.knowledge import Chart, ChartKind, Content, KeyMessage

if TYPE_CHECKING:  # Pillow takes a tenth of a second to import, and most starts draw nothing
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

WIDTH, MARGIN, TALLEST = 1080, 56, 4000
INK, PALE, RULE, PAPER, BAND = "#1f2933", "#52606d", "#cbd2d9", "#ffffff", "#f1f5f9"
SERIES = ("#0b6bcb", "#c2570c", "#0f766e")
REGULAR, BOLD = 400, 700
FONT = ("fonts", "ofl", "notosanssc", "NotoSansSC[wght].ttf")  # in the package justmytype_intl_cjk
WORD = re.compile(r"[0-9A-Za-z.,/²-]{1,16}$")  # is not cut: 1.73m², mL/min
CLOSING = "，。；：！？、）】》」』”’％%]"  # begin no line


@dataclass(frozen=True, slots=True)
class Picture:
    """`digest`: sha256 (hex) of the bytes, which are a PNG."""

    png: bytes
    digest: str


def picture(message: KeyMessage, content: Content) -> Picture:
    """The chart with what every format carries. It takes 0.2 s the first time: not for the event loop."""
    where = f"来源：{sources(message, content)}"
    notes = (*warnings(message), where, f"有效期至 {validity(message, content)}")
    return _drawn(message.point, message.chart, notes)


@lru_cache(maxsize=64)
def _drawn(point: str, chart: Chart, notes: tuple[str, ...]) -> Picture:
    from PIL import Image, ImageDraw  # noqa: PLC0415 - see above

    image = Image.new("RGB", (WIDTH, TALLEST), PAPER)
    sheet = _Sheet(ImageDraw.Draw(image))
    sheet.text(chart.title, 44, weight=BOLD)
    sheet.text(point, 30, PALE)
    sheet.y += 20
    {ChartKind.TABLE: _table, ChartKind.BAR: _bars, ChartKind.LINE: _lines}[chart.kind](sheet, chart)
    sheet.rule()
    for note in notes:
        sheet.text(note, 26, PALE)
    sheet.text(FOR_PROFESSIONALS, 28, weight=BOLD)
    out = io.BytesIO()
    image.crop((0, 0, WIDTH, min(int(sheet.y) + MARGIN, TALLEST))).save(out, "PNG", optimize=True)
    png = out.getvalue()
    return Picture(png, hashlib.sha256(png).hexdigest())


@cache
def _font(size: int, weight: int) -> FreeTypeFont:
    from PIL import ImageFont  # noqa: PLC0415 - see above

    font = ImageFont.truetype(font_file(), size)
    font.set_variation_by_axes([weight])
    return font


def font_file() -> str:
    """Where the Chinese font lies: a variable one, with the axis wght."""
    return str(files("justmytype_intl_cjk").joinpath(*FONT))


class _Sheet:
    """What is drawn from the top down; `y` is where it goes on."""

    def __init__(self, draw: ImageDraw) -> None:
        self.draw = draw
        self.y = float(MARGIN)

    def text(self, text: str, size: int, ink: str = INK, *, weight: int = REGULAR) -> None:
        """A paragraph over the whole width."""
        self.y = self.block(text, MARGIN, self.y, WIDTH - 2 * MARGIN, size, ink, weight) + size * 0.4

    def block(
        self, text: str, x: float, y: float, width: float, size: int, ink: str = INK, weight: int = REGULAR
    ) -> float:
        """A paragraph; where it ends."""
        font = _font(size, weight)
        for line in _broken(text, font, width):
            self.draw.text((x, y), line, font=font, fill=ink)
            y += size * 1.5
        return y

    def rule(self) -> None:
        self.y += 12
        self.draw.line((MARGIN, self.y, WIDTH - MARGIN, self.y), fill=RULE, width=2)
        self.y += 20


def _broken(text: str, font: FreeTypeFont, width: float) -> list[str]:
    """Lines of at most `width`. Chinese breaks anywhere but before a closing mark."""
    lines, line = [], ""
    for character in text:
        if not line or font.getlength(line + character) <= width:
            line += character
        else:
            kept = len(line)
            if character in CLOSING and len(line) > 1:
                kept -= 1
            elif (word := WORD.search(line)) and WORD.match(character) and word.start():
                kept = word.start()
            lines.append(line[:kept])
            line = (line[kept:] + character).lstrip()
    return [*lines, line]


def _cite(cite: tuple[int, ...]) -> str:
    return "".join(f"[{number}]" for number in cite)


def _table(sheet: _Sheet, chart: Chart) -> None:
    columns = len(chart.columns) + 1
    first = 300 if columns == 2 else 280
    rest = (WIDTH - 2 * MARGIN - first) / (columns - 1)
    places = [MARGIN, *(MARGIN + first + rest * number for number in range(columns - 1))]
    widths = [first, *[rest] * (columns - 1)]

    def row(cells: list[str], size: int, weight: int, band: str | None) -> None:
        font, top = _font(size, weight), sheet.y
        lines = max(len(_broken(cell, font, width - 32)) for cell, width in zip(cells, widths, strict=True))
        bottom = top + lines * size * 1.5 + 24
        if band:
            sheet.draw.rectangle((MARGIN, top, WIDTH - MARGIN, bottom), fill=band)
        for cell, x, width in zip(cells, places, widths, strict=True):
            sheet.block(cell, x + 16, top + 10, width - 32, size, weight=weight)
        sheet.draw.line((MARGIN, bottom, WIDTH - MARGIN, bottom), fill=RULE, width=2)
        sheet.y = bottom

    row([chart.axis, *chart.columns], 28, BOLD, BAND)
    for one in chart.rows:
        values = [value_text(chart, value) for value in one.values]
        row([one.label, *values[:-1], values[-1] + _cite(one.cite)], 30, REGULAR, None)


def _legend(sheet: _Sheet, chart: Chart) -> None:
    sheet.text(f"{chart.axis}，单位：{chart.unit}", 26, PALE)
    for name, colour in zip(chart.columns, SERIES, strict=False):
        sheet.draw.rectangle((MARGIN, sheet.y + 8, MARGIN + 28, sheet.y + 32), fill=colour)
        sheet.y = sheet.block(name, MARGIN + 44, sheet.y, WIDTH - 2 * MARGIN - 44, 26)
    sheet.y += 12


def _numbers(values: tuple[str | float, ...]) -> list[float]:
    return [value for value in values if isinstance(value, float)]


def _bars(sheet: _Sheet, chart: Chart) -> None:
    """Lying bars, all from zero."""
    _legend(sheet, chart)
    most = max(value for row in chart.rows for value in _numbers(row.values)) or 1.0
    left, longest, thick = MARGIN + 270, WIDTH - 2 * MARGIN - 270 - 170, 40
    for row in chart.rows:
        top = sheet.y
        ended = sheet.block(row.label, MARGIN, top, 250, 28)
        for value, colour in zip(_numbers(row.values), SERIES, strict=False):
            sheet.draw.rectangle((left, sheet.y, left + longest * value / most, sheet.y + thick), fill=colour)
            shown = value_text(chart, value) + _cite(row.cite)
            sheet.block(shown, left + longest * value / most + 12, sheet.y - 2, 400, 28)
            sheet.y += thick + 8
        sheet.y = max(sheet.y, ended) + 14


def _lines(sheet: _Sheet, chart: Chart) -> None:
    """A line a series over the rows, from zero."""
    _legend(sheet, chart)
    most = max(value for row in chart.rows for value in _numbers(row.values)) or 1.0
    top, height = sheet.y + 40, 360
    step = (WIDTH - 2 * MARGIN - 120) / max(len(chart.rows) - 1, 1)
    across = [MARGIN + 60 + step * number for number in range(len(chart.rows))]
    sheet.draw.line((MARGIN, top + height, WIDTH - MARGIN, top + height), fill=RULE, width=3)
    for column, colour in zip(range(len(chart.columns)), SERIES, strict=False):
        values = [_numbers(row.values)[column] for row in chart.rows]
        points = [(x, top + height * (1 - value / most)) for x, value in zip(across, values, strict=True)]
        sheet.draw.line(points, fill=colour, width=5)
        for (x, y), value, row in zip(points, values, chart.rows, strict=True):
            sheet.draw.ellipse((x - 8, y - 8, x + 8, y + 8), fill=colour)
            sheet.draw.text((x, y - 14), value_text(chart, value) + _cite(row.cite), anchor="ms",
                            font=_font(24, REGULAR), fill=INK)  # fmt: skip
    sheet.y = top + height + 16
    ends = [
        sheet.block(row.label, x - step / 2 + 8, sheet.y, step - 16, 24)
        for x, row in zip(across, chart.rows, strict=True)
    ]
    sheet.y = max(ends) + 12

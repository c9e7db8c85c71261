"""A material as a PDF: made when somebody takes it, from the same approved text as the page."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from functools import lru_cache
from tempfile import NamedTemporaryFile
from threading import Lock
from typing import TYPE_CHECKING

from bot.content import broken, font_file, picture

if TYPE_CHECKING:  # fpdf2 and fontTools take a second to import, and most starts make no PDF
    from fpdf import FPDF

    from bot.materials.reading import Reading

REGULAR = 400  # the font's weight
MADE = datetime(2026, 1, 1, tzinfo=UTC)  # what every file says, so that its bytes are those of its text
SIZES = {"title": 20, "heading": 13, "text": 11, "small": 9, "bold": 11}  # points
PALE, INK = (82, 96, 109), (31, 41, 51)
_KEPT = 16
_one_at_a_time = Lock()  # who asks while it is made waits for it, instead of making it again
# Besides what is left out of every subset: for vertical text, and copies of what the outlines say of widths.
_UNUSED = ("GSUB", "GPOS", "GDEF", "BASE", "STAT", "HVAR", "VVAR", "MVAR", "VORG", "vhea", "vmtx")


def pdf(reading: Reading) -> bytes:
    """The same bytes each time. It takes two seconds of computing the first time in a process, half a second
    for another text: not for the event loop, and begun while the page is read."""
    blocks = [
        ("title", reading.material.title),
        ("small", f"产品：{reading.product}"),
        ("small", f"版本：{reading.version}，有效期至 {reading.valid_until}"),
        ("bold", reading.notice),
    ]
    charts: dict[str, bytes] = {}
    for leaf in reading.leaves:
        blocks += [("heading", leaf.heading), *(("text", words) for words in leaf.paragraphs)]
        blocks.append(("small", f"来源：{leaf.source}"))
        if leaf.chart is not None:
            blocks.append(("chart", leaf.chart.id))
            charts[leaf.chart.id] = picture(leaf.chart, reading.content).png
    with _one_at_a_time:
        return _made((*blocks, ("bold", reading.notice)), tuple(charts.items()))


@lru_cache(maxsize=_KEPT)
def _made(blocks: tuple[tuple[str, str], ...], charts: tuple[tuple[str, bytes], ...]) -> bytes:
    from fpdf import FPDF  # noqa: PLC0415 - see above

    pictures, sheet = dict(charts), FPDF(format="A4")
    sheet.set_creation_date(MADE)
    sheet.set_lang("zh-CN")
    sheet.set_title(blocks[0][1])
    sheet.set_margin(18)
    sheet.set_auto_page_break(True, 18)
    with NamedTemporaryFile(suffix=".ttf") as file:  # the library reads fonts from files alone
        file.write(_font("".join(words for _, words in blocks)))
        file.flush()
        sheet.add_font("noto", "", file.name)
        sheet.add_page()
        for kind, words in blocks:
            if kind == "chart":
                sheet.image(io.BytesIO(pictures[words]), w=sheet.epw)
                sheet.ln(4)
            else:
                _paragraph(sheet, kind, words)
        return bytes(sheet.output())


def _paragraph(sheet: FPDF, kind: str, words: str) -> None:
    size = SIZES[kind]
    sheet.set_font("noto", size=size)
    sheet.set_text_color(*(PALE if kind == "small" else INK))
    if kind == "heading":
        sheet.ln(4)
    lines = broken(words, sheet.get_string_width, sheet.epw - 2 * sheet.c_margin - 1)
    sheet.multi_cell(0, size * 0.58, "\n".join(lines), new_x="LMARGIN", new_y="NEXT", align="L")
    sheet.ln(1.5)


def _font(text: str) -> bytes:
    """The Chinese font in one weight, with the characters of this text alone."""
    from fontTools import subset  # noqa: PLC0415 - see above
    from fontTools.ttLib import TTFont  # noqa: PLC0415 - see above
    from fontTools.varLib import instancer  # noqa: PLC0415 - see above

    options = subset.Options(layout_features=[], hinting=False, recalc_timestamp=False)
    options.drop_tables += _UNUSED
    out = io.BytesIO()
    with TTFont(font_file(), lazy=True, recalcTimestamp=False) as font:
        subsetter = subset.Subsetter(options)
        subsetter.populate(text=f"{text} ")
        subsetter.subset(font)
        instancer.instantiateVariableFont(font, {"wght": REGULAR}, inplace=True).save(out)
    return out.getvalue()

"""Key messages and materials: what a visit tells of a product, and what a doctor may have to read.

Every figure has its citation: a sentence or a chart row with a figure in it names, by `[1]`, one of the
references below it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from bot.knowledge.fields import Id, Label, Line, Text
from bot.model import Audience
from bot.settings import Frozen

LONGEST_BRIEF, LONGEST_DETAIL = 100, 280  # characters
FEWEST_ROWS, MOST_ROWS, MOST_SERIES = 2, 8, 3

Brief = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_BRIEF)]
Detail = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_DETAIL)]

CITED = re.compile(r"\[(\d{1,2})\]")
_SENTENCE = re.compile(r"[^。！？\n]+")  # its clauses share a citation
# Digits that measure nothing: types of diabetes, and those in a name such as CYP3A4 or B12.
_NAME = re.compile(r"[12]型|[A-Za-z][A-Za-z-]{0,9}\d[A-Za-z0-9]{0,5}")
_FIGURE = re.compile(r"\d|[一二三四五六七八九十百两半]成|[一二三四五六七八九十两]分之")


class Format(StrEnum):
    """How a key message is told."""

    BRIEF = "brief"
    DETAIL = "detail"
    CHART = "chart"


class ChartKind(StrEnum):
    TABLE = "table"
    BAR = "bar"
    LINE = "line"


class MaterialKind(StrEnum):
    PDF = "pdf"
    PICTURE = "picture"


class Reference(Frozen):
    """Where something stands; `[1]` in a text is the first of them."""

    document: Id
    section: Label


class Row(Frozen):
    """One line of a chart. `values`: one for each column; numbers, but in a table."""

    label: Label
    values: tuple[Label | float, ...] = Field(min_length=1, max_length=MOST_SERIES)
    cite: tuple[int, ...] = Field(min_length=1)


class Chart(Frozen):
    """`axis` is the head of the labels; `columns` are heads of a table, or the names of the series."""

    title: Label
    kind: ChartKind
    unit: Label | None = None
    axis: Label
    columns: tuple[Label, ...] = Field(min_length=1, max_length=MOST_SERIES)
    rows: tuple[Row, ...] = Field(min_length=FEWEST_ROWS, max_length=MOST_ROWS)


class KeyMessage(Frozen):
    """One point about a product, in three formats. No `specialties` or `interests`: for all of them."""

    id: Id
    product: Id
    audience: Audience
    specialties: tuple[Label, ...] = ()
    interests: tuple[Label, ...] = ()
    point: Line
    brief: Brief
    detail: Detail
    chart: Chart
    contraindications: Text
    adverse_reactions: Text
    document: Id  # the label; its validity is the message's
    section: Label
    references: tuple[Reference, ...] = Field(min_length=1, max_length=6)

    @property
    def documents(self) -> tuple[str, ...]:
        """Everything it rests on, once each."""
        return tuple(dict.fromkeys([self.document, *(one.document for one in self.references)]))


class Material(Frozen):
    """Something to read, made of approved text: the entries with their answers, then key messages; a picture
    is the chart of one key message."""

    id: Id
    product: Id
    audience: Audience
    kind: MaterialKind
    title: Label
    document: Id
    entries: tuple[Id, ...] = ()
    key_messages: tuple[Id, ...] = ()


def faults_of(message: KeyMessage) -> Iterator[str]:
    """What is wrong with a key message by itself."""
    count = len(message.references)
    fields = ("point", "brief", "detail", "contraindications", "adverse_reactions")
    for name in fields:
        text = getattr(message, name)
        for sentence in uncited(text):
            yield f"{name}: a figure without its citation: {sentence!r}"
        if strange := [number for number in cited(text) if not 1 <= number <= count]:
            yield f"{name}: no reference [{strange[0]}]"
    for name in fields[3:]:
        if not cited(getattr(message, name)):
            yield f"{name}: without a citation"
    yield from _chart_faults(message.chart, count)


def _chart_faults(chart: Chart, references: int) -> Iterator[str]:
    if uncited(chart.title):
        yield "chart: a figure without its citation in the title"
    if chart.kind is not ChartKind.TABLE and chart.unit is None:
        yield "chart: figures without a unit"
    for row in chart.rows:
        if len(row.values) != len(chart.columns):
            yield f"chart: {row.label}: {len(row.values)} values for {len(chart.columns)} columns"
        if strange := [number for number in row.cite if not 1 <= number <= references]:
            yield f"chart: {row.label}: no reference [{strange[0]}]"
        numbers = [value for value in row.values if isinstance(value, float)]
        if chart.kind is ChartKind.TABLE and numbers:
            yield f"chart: {row.label}: a table has words; put quotes around {numbers[0]:g}"
        if chart.kind is not ChartKind.TABLE and (len(numbers) < len(row.values) or min(numbers) < 0):
            yield f"chart: {row.label}: a {chart.kind} has numbers that are not negative"


def cited(text: str) -> tuple[int, ...]:
    """The references that a text names, in order."""
    return tuple(int(number) for number in CITED.findall(text))


def uncited(text: str) -> tuple[str, ...]:
    """The sentences with a figure and without a citation."""
    return tuple(
        sentence
        for sentence in _SENTENCE.findall(text)
        if not CITED.search(sentence) and _FIGURE.search(_NAME.sub("", sentence))
    )

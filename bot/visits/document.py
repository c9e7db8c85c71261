"""What is told of a visit, the AI's or a colleague's own, as a file: Word for people, JSON for programs."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bot.clock import CHINA
from bot.text.patterns import read_rules

if TYPE_CHECKING:
    from docx.document import Document as WordDocument

_FONT = "宋体"
# What XML 1.0 has no place for: most control characters, halves of a surrogate pair, two noncharacters.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class VisitDocument:
    """What a file tells. `body`: the parts of a `Summary`, or the fields of an `OwnVisitEntry`; empty where
    it was deleted. `visitor`: the colleague whose own visit it was; "" for the AI's."""

    id: int
    doctor_id: str  # external id; "" for who is on no list
    doctor: str
    hospital: str
    department: str
    state: str
    version: int
    approved_by: str
    approved_at: datetime | None
    body: Mapping[str, Any]
    visitor: str = ""


def as_json(of: VisitDocument) -> bytes:
    """UTF-8; what is no character stands as its escape."""
    return json.dumps(told_of(of), ensure_ascii=False, indent=2).encode("utf-8", "backslashreplace")


def told_of(of: VisitDocument) -> dict[str, Any]:
    """What a program is told of it."""
    return {
        "id": of.id,
        "doctor_id": of.doctor_id,
        "doctor": of.doctor,
        "hospital": of.hospital,
        "department": of.department,
        **({"visitor": of.visitor} if of.visitor else {}),
        "state": of.state,
        "version": of.version,
        "approved_by": of.approved_by,
        "approved_at": of.approved_at.astimezone(CHINA).isoformat() if of.approved_at else None,
        **of.body,
    }


def as_docx(of: VisitDocument) -> bytes:
    """Word's format; what XML has no place for stands as U+FFFD."""
    from docx import Document  # noqa: PLC0415 - slow to import, and no start writes a file
    from docx.shared import Pt  # noqa: PLC0415

    words = read_rules("visits", "document")
    page = Document()
    style = page.styles["Normal"]
    style.font.name, style.font.size = _FONT, Pt(10.5)
    _in_chinese(style.element.rPr)
    whose = words["own" if of.visitor else "ai"]
    _heading(page, whose["title"], 0)
    page.add_paragraph(whose["label"])
    _table(page, _facts(of, words))
    if not of.body:
        page.add_paragraph(words["deleted"])
    else:
        (_told_of_own if of.visitor else _told)(page, of.body, words)
        if of.body.get("reason"):
            page.add_paragraph(_clean(words["reason"].format(text=of.body["reason"])))
    out = io.BytesIO()
    page.save(out)
    return out.getvalue()


def _told(page: WordDocument, body: Mapping[str, Any], words: Mapping[str, Any]) -> None:
    _heading(page, words["statements"], 1)
    for one in body["statements"]:
        mark = "" if one["turns"] else words["unsupported"]
        page.add_paragraph(_clean(f"{one['text']}{mark}"), style="List Number")
    if body["questions"]:
        _heading(page, words["questions"], 1)
        _table(
            page,
            (
                (one["question"], "；".join([*one["documents"], *one["answers"]]) or "—")
                for one in body["questions"]
            ),
        )
    _heading(page, words["follows"], 1)
    page.add_paragraph(_clean(words["next_step"].format(text=body["next_step"] or "—")))
    page.add_paragraph(_clean(words["attitude"].format(text=body["attitude"] or "—")))
    if body["requests"]:
        page.add_paragraph(_clean(words["requests"].format(text=request_numbers(body["requests"]))))


def _told_of_own(page: WordDocument, body: Mapping[str, Any], words: Mapping[str, Any]) -> None:
    _heading(page, words["discussed"], 1)
    page.add_paragraph(_clean(body["discussed"]))
    _heading(page, words["follows"], 1)
    page.add_paragraph(_clean(words["next_step"].format(text=body["next_step"] or "—")))


def _facts(of: VisitDocument, words: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    names = words["own" if of.visitor else "ai"]["facts"]
    yield names["doctor"], " · ".join(filter(None, (of.doctor, of.hospital, of.department)))
    if of.visitor:
        yield names["visitor"], of.visitor
    if of.body:
        parts = ("visited_at", "place", "topics") if of.visitor else ("time", "channel", "topic")
        time, channel, topic = (of.body[part] for part in parts)
        yield names["time"], f"{datetime.fromisoformat(time).astimezone(CHINA):%Y-%m-%d %H:%M}"
        yield names["channel"], f"{channel}（{of.body['label']}）"
        yield names["topic"], topic
    state = words["states"][of.state]
    if of.approved_at is not None:
        state += f"（{of.approved_by}，{of.approved_at.astimezone(CHINA):%Y-%m-%d %H:%M}）"
    yield names["state"], words["version"].format(state=state, version=of.version)


def request_numbers(requests: Iterable[str]) -> str:
    """What was opened in the visit, by number alone: 药物警戒 12、医学信息 13."""
    names = read_rules("visits", "document")["tasks"]
    told = []
    for one in requests:
        kind, _, number = one.partition(":")
        told.append(f"{names.get(kind, names['other'])} {number}")
    return "、".join(told)


def _heading(page: WordDocument, text: str, level: int) -> None:
    heading = page.add_heading(_clean(text), level)
    for run in heading.runs:
        run.font.name = _FONT
        _in_chinese(run.element.get_or_add_rPr())


def _in_chinese(properties: Any) -> None:
    """A font's name counts for Latin letters alone."""
    from docx.oxml.ns import qn  # noqa: PLC0415

    properties.rFonts.set(qn("w:eastAsia"), _FONT)


def _table(page: WordDocument, rows: Iterable[tuple[str, str]]) -> None:
    table = page.add_table(rows=0, cols=2)
    table.style = page.styles["Table Grid"]
    for row in rows:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = _clean(text)


def _clean(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)

"""What a doctor reads of an answer of medical information, to the letter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from bot.content import FOR_PROFESSIONALS
from bot.knowledge import Content, is_valid
from bot.model import Audience, Fault, MedrepError

LONGEST_TEXT, MOST_REFERENCES, LONGEST_SECTION = 500, 4, 60  # characters, how many, characters
LONGEST = 2000  # bytes of UTF-8 of all of it, so that a passive reply carries it
OPENING = "您提给医学信息部的问题，答复如下："
OFF_LABEL = "以上用法不在说明书批准的范围内；只答复您本人的提问，不作推荐。"


@dataclass(frozen=True, slots=True)
class Reference:
    """Where it stands: an approved document, in the version in which it was cited."""

    document: str
    section: str
    version: str
    title: str
    manufacturer: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A draft as a colleague wrote it. `entry`: the approved entry that it quotes, as `ID@REVISION`."""

    text: str
    references: tuple[Reference, ...]
    entry: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Answer:
        return cls(body["text"], tuple(Reference(**one) for one in body["references"]), body["entry"])


def answer_message(answer: Answer, *, off_label: bool) -> str:
    """The message that leaves."""
    sources = "；".join(
        f"{one.title}{one.section} · 版本 {one.version} · {one.manufacturer}" for one in answer.references
    )
    lines = [OPENING, answer.text, *([OFF_LABEL] if off_label else []), f"来源：{sources}", FOR_PROFESSIONALS]
    return "\n".join(lines)


def cited(content: Content, document: str, section: str, now: datetime) -> Reference:
    """A reference to what may be quoted today. Raises MedrepError(BAD_INPUT)."""
    found = content.document.get(document)
    if found is None or found.audience != Audience.DOCTOR or not is_valid(found, now):
        raise MedrepError(Fault.BAD_INPUT, f"no document {document[:60]} may be quoted")
    if not section or len(section) > LONGEST_SECTION or "\n" in section:
        raise MedrepError(Fault.BAD_INPUT, f"a section is 1 to {LONGEST_SECTION} characters")
    return Reference(document, section, found.version, found.title, found.manufacturer)


def outdated(answer: Answer, content: Content, now: datetime) -> str:
    """The first cited document that may not be quoted now in the version cited; "": all may."""
    for one in answer.references:
        document = content.document.get(one.document)
        if document is None or document.version != one.version or not is_valid(document, now):
            return one.title
    return ""

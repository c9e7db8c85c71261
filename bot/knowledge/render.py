"""What a doctor reads: the approved answer word for word, and where it stands."""

from __future__ import annotations

from datetime import datetime

from bot.clock import CHINA
from bot.knowledge.content import Content, Document, Entry
from bot.model import Fault, MedrepError

LONGEST = 600  # characters of an answer with its source

_OFFER = "如需医学信息部进一步说明，请回复「医学信息」"


def answer_text(entry: Entry, content: Content, now: datetime) -> str:
    """The answer and its source, at most 600 characters; where a guideline says otherwise, that too.

    Raises MedrepError(NO_BASIS) when the document has expired on the business day of `now`.
    """
    document = _quotable(entry, content, now)
    lines = [entry.answer, f"来源：{_source(entry, document)}"]
    if entry.differs is not None and is_valid(other := content.document[entry.differs.document], now):
        note = entry.differs.note.rstrip("。；;. ")
        rule = "" if "以说明书为准" in note else "；以说明书为准"
        full = f"与《{other.title}》表述不同：{note}{rule}。{_OFFER}"
        short = f"指南表述与此不同，以说明书为准。{_OFFER}"
        # Never cut a sentence of approved text: a long note gives way as a whole.
        lines.append(full if len("\n".join([*lines, full])) <= LONGEST else short)
    return "\n".join(lines)


def source_text(entry: Entry, content: Content, now: datetime) -> str:
    """What is replied to 「出处」. Raises MedrepError(NO_BASIS) when the document has expired."""
    document = _quotable(entry, content, now)
    return (
        f"《{document.title}》{entry.section}\n"
        f"版本：{document.version}，有效期至 {document.valid_until:%Y-%m-%d}\n"
        f"企业：{document.manufacturer}\n{document.source}"
    )


def is_source(text: str, content: Content, now: datetime) -> bool:
    """Whether `text` is what `source_text` says of some entry."""
    return any(
        text == source_text(entry, content, now)
        for entry in content.entries
        if is_valid(content.document[entry.document], now)
    )


def _source(entry: Entry, document: Document) -> str:
    return f"{document.title}{entry.section} · 版本 {document.version} · {document.manufacturer}"


def _quotable(entry: Entry, content: Content, now: datetime) -> Document:
    document = content.document[entry.document]
    if not is_valid(document, now):
        raise MedrepError(Fault.NO_BASIS, f"document {document.id} expired on {document.valid_until}")
    return document


def is_valid(document: Document, now: datetime) -> bool:
    """Whether it may be quoted on the business day of `now`."""
    return document.valid_until >= now.astimezone(CHINA).date()

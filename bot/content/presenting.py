"""Key messages: which of them fit a doctor, and what is read of one."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from bot.knowledge import Chart, Content, Format, KeyMessage, Material, Meeting, is_valid, parts_of
from bot.model import Audience, Fault, MedrepError

FOR_PROFESSIONALS = "仅供医学药学专业人士阅读"
LONGEST = 2000  # bytes of UTF-8, so that a passive reply carries all of it


def fitting(
    content: Content,
    audience: Audience,
    product: str,
    specialty: str,
    interests: Collection[str],
    said_before: Collection[str],
    now: datetime,
) -> tuple[KeyMessage, ...]:
    """The key messages that may be told, the best first; "" of product or specialty: not known.

    Those made for other specialties are left out, and those whose documents have expired. First come those
    not told before (`said_before`: ids), among these those that share more interests, then those made for the
    specialty, then as the content has them.
    """
    found = [
        one
        for one in content.key_messages
        if one.audience == audience
        and one.product == (product or one.product)
        and _is_for(one, specialty)
        and in_date(one, content, now)
    ]

    def rank(one: KeyMessage) -> tuple[bool, int, bool]:
        return one.id in said_before, -_shared(one, interests), not (specialty and one.specialties)

    return tuple(sorted(found, key=rank))


def fitting_meetings(
    meetings: Iterable[Meeting], specialty: str, interests: Collection[str]
) -> tuple[Meeting, ...]:
    """Those that are not for other specialties, first what shares more interests, then the next."""
    found = [one for one in meetings if _is_for(one, specialty)]
    return tuple(sorted(found, key=lambda one: (-_shared(one, interests), one.starts_at, one.id)))


def _is_for(item: KeyMessage | Meeting, specialty: str) -> bool:
    theirs = item.specialties
    return not theirs or not specialty or any(_alike(one, specialty) for one in theirs)


def _shared(item: KeyMessage | Meeting, interests: Collection[str]) -> int:
    return sum(any(_alike(wish, theirs) for theirs in interests) for wish in item.interests)


def _alike(one: str, other: str) -> bool:
    """内分泌, 内分泌科 and 内分泌代谢科; 糖尿病 and 2型糖尿病."""
    one, other = one.strip().removesuffix("科"), other.strip().removesuffix("科")
    return bool(one and other) and (one in other or other in one)


def in_date(item: KeyMessage | Material, content: Content, now: datetime) -> bool:
    """Whether all of it is there, and all that it rests on may be quoted on the business day of `now`."""
    if isinstance(item, Material):
        named = (*item.entries, *item.key_messages)
        if len(parts_of(item, content)) < len(named):
            return False
    return all(
        (document := content.document.get(name)) is not None and is_valid(document, now)
        for name in documents_of(item, content)
    )


def documents_of(item: KeyMessage | Material, content: Content) -> tuple[str, ...]:
    """The documents that it rests on, its own first."""
    if isinstance(item, KeyMessage):
        return item.documents
    found = [item.document]
    for part in parts_of(item, content):
        found += part.documents if isinstance(part, KeyMessage) else [part.document]
    return tuple(dict.fromkeys(found))


def key_message_text(message: KeyMessage, form: Format, content: Content, now: datetime) -> str:
    """What a doctor reads; of a chart, what stands in its picture.

    Raises MedrepError(NO_BASIS) when a document of it has expired on the business day of `now`.
    """
    if not in_date(message, content, now):
        raise MedrepError(Fault.NO_BASIS, f"a document of {message.id} has expired")
    told = {
        Format.BRIEF: [message.point, message.brief],
        Format.DETAIL: [message.point, message.detail],
        Format.CHART: [message.chart.title, *chart_lines(message.chart)],
    }[form]
    return "\n".join([*told, *warnings(message), f"来源：{sources(message, content)}", FOR_PROFESSIONALS])


def chart_lines(chart: Chart) -> list[str]:
    """The chart in words, a line a row."""
    return [
        f"{row.label}：{'；'.join(_cells(chart, row.values))}{''.join(f'[{one}]' for one in row.cite)}"
        for row in chart.rows
    ]


def _cells(chart: Chart, values: Collection[str | float]) -> list[str]:
    shown = [value_text(chart, value) for value in values]
    if len(shown) == 1:
        return shown
    return [f"{name} {value}" for name, value in zip(chart.columns, shown, strict=True)]


def value_text(chart: Chart, value: str | float) -> str:
    """A value with its unit."""
    return value if isinstance(value, str) else f"{value:g}{chart.unit or ''}"


def warnings(message: KeyMessage) -> list[str]:
    """What every format carries."""
    return [f"禁忌：{message.contraindications}", f"主要不良反应：{message.adverse_reactions}"]


def sources(message: KeyMessage, content: Content) -> str:
    """The references with their numbers, a document at a time, and its version."""
    told: dict[str, list[str]] = {}
    for number, one in enumerate(message.references, start=1):
        told.setdefault(one.document, []).append(f"[{number}]{one.section}")
    return "；".join(
        f"{content.document[name].title}{''.join(marks)} · 版本 {content.document[name].version}"
        f" · {content.document[name].manufacturer}"
        for name, marks in told.items()
    )


def validity(item: KeyMessage | Material, content: Content) -> str:
    """The last day on which it may be read, of its earliest document: 2028-12-31."""
    last = min(content.document[name].valid_until for name in documents_of(item, content))
    return last.isoformat()

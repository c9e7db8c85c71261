"""How the console says things in Chinese: names of states and rules, times, spans, marked phrases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

import yaml
from markupsafe import Markup, escape

from bot.clock import CHINA
from bot.desk import Flag
from bot.settings import ROOT

BEFORE, AFTER = 24, 60  # characters shown around what was searched for


@cache
def _words() -> dict[str, Any]:
    path = ROOT / "data" / "console" / "words.yaml"
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def word(key: object, group: str) -> str:
    """`{{ task.kind | word("task") }}`"""
    return str(_words()[group].get(str(key), key))


def of_status(status: int) -> tuple[str, str]:
    """Title and sentence of an error page."""
    known = _words()["status"]
    title, sentence = known.get(status, known[500 if status >= 500 else 400])
    return title, sentence


def moment(value: datetime | None, now: datetime) -> str:
    """A time as short as it is clear: today's by its hour, this year's without the year."""
    if value is None:
        return "—"
    local = value.astimezone(CHINA)
    days = (now.astimezone(CHINA).date() - local.date()).days
    clock = f"{local:%H:%M}"
    if days == 0:
        return f"今天 {clock}"
    if days == 1:
        return f"昨天 {clock}"
    if days == -1:
        return f"明天 {clock}"
    year = "" if local.year == now.astimezone(CHINA).year else f"{local.year}年"
    return f"{year}{local.month}月{local.day}日 {clock}"


def full(value: datetime | None) -> str:
    """For the machine-readable attribute of `<time>`."""
    return "" if value is None else value.astimezone(CHINA).isoformat(timespec="seconds")


def day(value: date | None) -> str:
    return "—" if value is None else f"{value.year}年{value.month}月{value.day}日"


def span(value: timedelta) -> str:
    """How long, in its two largest units."""
    minutes = max(int(value.total_seconds()) // 60, 0)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days}天{hours}小时" if hours else f"{days}天"
    if hours:
        return f"{hours}小时{minutes}分" if minutes else f"{hours}小时"
    return f"{minutes}分钟"


def marked(text: str, flags: Sequence[Flag]) -> Markup:
    """The text with what was found in it marked; everything of it escaped."""
    out, at = Markup(), 0
    for flag in sorted(flags, key=lambda flag: flag.span):
        start, end = flag.span
        if start < at or end <= start:
            continue
        kind = "hard" if flag.hard else "soft"
        out += escape(text[at:start]) + Markup('<mark class="{}">{}</mark>').format(kind, text[start:end])
        at = end
    return out + escape(text[at:])


def excerpt(text: str, words: str) -> Markup:
    """The text around these words, and they marked; everything of it escaped."""
    line = " ".join(text.split())
    at = max(line.find(words), 0)
    start, end = max(at - BEFORE, 0), at + len(words)
    rest = line[end : end + AFTER]
    found = Markup("<mark>{}</mark>").format(line[at:end]) if line[at:end] == words else escape(line[at:end])
    return (
        escape(("…" if start else "") + line[start:at])
        + found
        + escape(rest + ("…" if len(line) > end + AFTER else ""))
    )


def source(value: str) -> str:
    """What a line of a brief rests on: a message, a task, …; of content its id and revision."""
    what, _, rest = value.partition(":")
    if what == "content":
        item, _, number = rest.rpartition("@")
        return f"资料 {item}（修订 {number}）"
    return word(value, "source_of")


def brief_kind(value: str) -> str:
    """What a line of a brief is; an open task goes by its kind."""
    kind = value.removeprefix("task_")
    return word(kind, "task") if kind != value else word(value, "brief")


def phone(value: str) -> str:
    """Enough to recognise it by."""
    return f"{value[:3]}****{value[-4:]}" if len(value) >= 11 else "—"


FILTERS: dict[str, Callable[..., Any]] = {
    "word": word,
    "moment": moment,
    "full": full,
    "day": day,
    "span": span,
    "marked": marked,
    "excerpt": excerpt,
    "phone": phone,
    "source": source,
    "brief_kind": brief_kind,
}

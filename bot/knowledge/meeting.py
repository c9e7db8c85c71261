"""Meetings that doctors may be invited to: what is said of one are these facts and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Self

from pydantic import BeforeValidator, StringConstraints, model_validator

from bot.clock import CHINA
from bot.knowledge.fields import Id, Label
from bot.settings import Frozen

LONGEST = timedelta(days=3)
FARTHEST = timedelta(days=730)  # ahead; farther is a slip of the pen


def _moment(value: object) -> object:
    """YAML gives a moment where it is written in full, else a string; without a zone it is China's."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return value.replace(tzinfo=CHINA) if value.tzinfo is None else value.astimezone(CHINA)
    raise ValueError("not a moment (YYYY-MM-DD HH:MM)")


Moment = Annotated[datetime, BeforeValidator(_moment)]
Fact = Annotated[
    Label, StringConstraints(pattern=r"^[^\n\r{}《》。；！？]+$")
]  # stands within a sentence of ours
Link = Annotated[str, StringConstraints(pattern=r"^https://[A-Za-z0-9._~:/?#@!$&'*+,=%-]+$", max_length=120)]


class Meeting(Frozen):
    """One meeting. No `specialties` or `interests`: for all of them."""

    id: Id
    topic: Fact
    speaker: Fact
    host: Fact
    starts_at: Moment
    ends_at: Moment
    place: Fact | None = None
    link: Link | None = None
    product: Id | None = None
    credit: Fact | None = None
    specialties: tuple[Label, ...] = ()
    interests: tuple[Label, ...] = ()

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if self.ends_at <= self.starts_at:
            raise ValueError("it ends before it starts")
        if self.ends_at - self.starts_at > LONGEST:
            raise ValueError(f"it lasts longer than {LONGEST.days} days")
        if self.place is None and self.link is None:
            raise ValueError("neither a place nor a link")
        return self

    @property
    def venue(self) -> str:
        """Where it is, as it is said: the place, the link, or both."""
        online = f"线上参加：{self.link}" if self.link else ""
        return "，".join(part for part in (self.place, online) if part)

    @property
    def words(self) -> tuple[str, ...]:
        """What is said of it in words."""
        facts = (self.topic, self.speaker, self.host, self.place, self.credit)
        return tuple(fact for fact in facts if fact)


def untimely(meeting: Meeting, now: datetime) -> Iterator[str]:
    """What stands against announcing it at this moment."""
    if meeting.ends_at <= now:
        yield f"it was over on {meeting.ends_at:%Y-%m-%d %H:%M}"
    elif meeting.starts_at > now + FARTHEST:
        yield f"it starts more than {FARTHEST.days} days ahead"

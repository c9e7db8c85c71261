"""When a visit may begin: now, later, or never, each with its reason as a rep reads it. Pure.

What binds every message that we begin (stop, consent, quiet hours, weekly cap, conversation) is asked of
`bot.outbound.policy`, as the exit will ask it again. What binds a visit besides stands here: the plan's dates
and re-entry rule, working hours, the doctor's best time, what they agreed to, and the platform's window.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from dateutil.relativedelta import relativedelta

from bot.clock import CHINA
from bot.model import Fault, Purpose
from bot.outbound.departures import KEPT_FOR_SAFETY
from bot.outbound.policy import Defer, Person, Refuse, decide
from bot.schedule import Best, Hours, caution, named, next_moment
from bot.settings import Limits
from bot.store.contacting import OpenWindow

_NEVER = {
    Fault.UNREACHABLE: "医生没有关注公众号，消息送不到",
    Fault.STOPPED: "医生已要求不再主动联系",
    Fault.NO_CONSENT: "医生没有同意接收产品信息",
}
_LATER = {
    "takeover": "同事正在与医生沟通",
    "quiet hours": "现在是免打扰时间",
    "weekly cap": "近7天主动联系已达上限",
    "conversation": "医生正在对话中",
    "person": "医生要求转人工，还没有同事与其联系",
}
NO_WINDOW = "平台暂不允许主动发消息，等医生点菜单「今日一分钟」或来消息，或由代表自己联系"
USED_UP = "平台本轮可发的条数已用完，等医生点菜单「今日一分钟」或来消息"
_OPENED_BY = {"message": "医生发来消息", "click": "医生点了菜单、扫码或关注"}
_QUARTER = 3  # months


@dataclass(frozen=True, slots=True)
class VisitTerms:
    """Of a plan: the days on which its visits may begin (`valid_until` None: no end), how many days lie
    between two with the same doctor, and how many they have in a calendar quarter (None: no such rule)."""

    valid_from: date
    valid_until: date | None = None
    days_apart: int | None = None
    per_quarter: int | None = None


@dataclass(frozen=True, slots=True)
class DoctorNow:
    """What is known of a doctor, the first six as `policy.decide` takes them.

    `windows` None: their channel has none, we may write freely. `visited`: when earlier visits of the plan
    began. `agreed`: when they said that this visit should begin, or go on. `awaiting`: as `decide` takes it.
    """

    person: Person
    consents: frozenset[Purpose]
    sent: tuple[datetime, ...]
    takeover: bool
    live_conversation: bool
    windows: tuple[OpenWindow, ...] | None
    visited: tuple[datetime, ...] = ()
    best: Best | None = None
    agreed: datetime | None = None
    awaiting: bool = False


@dataclass(frozen=True, slots=True)
class Begin:
    at: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Ask again at `until`; None: when the doctor has done something, which no clock knows."""

    until: datetime | None
    why: str


@dataclass(frozen=True, slots=True)
class Never:
    why: str


def pace(
    now: datetime, terms: VisitTerms, doctor: DoctorNow, limits: Limits, *, at_once: bool = False
) -> Begin | Wait | Never:
    """Whether a visit of this plan may begin with this doctor at `now` (business time).

    `at_once`: they asked for it (the menu), or somebody tries it out. Then hours, quiet hours, cap,
    conversation and re-entry rule do not bind; stop, consent, takeover, the plan's dates and the window do.
    """
    local = now.astimezone(CHINA)
    window = doctor.windows is None or any(_serves(one, now) for one in doctor.windows)
    decision = decide(
        Purpose.PROMOTION,
        doctor.person,
        doctor.consents,
        _unbound(limits) if at_once else limits,
        () if at_once else doctor.sent,
        doctor.takeover,
        doctor.live_conversation and not at_once,
        True,  # a closed window has no hour at which to ask again: below
        now,
        awaiting=doctor.awaiting and not at_once,
    )
    if isinstance(decision, Refuse):
        return Never(_NEVER[decision.fault])
    waits = _of_plan(terms, doctor, local, reenters=not (at_once or doctor.agreed))
    if isinstance(decision, Defer):
        waits.append((decision.until.astimezone(CHINA), _LATER[decision.why]))
    if doctor.agreed is not None and doctor.agreed > now and not at_once:
        waits.append(_agreed(doctor.agreed.astimezone(CHINA), local.date(), limits))
    until, why = max(waits, key=lambda wait: wait[0], default=(local, ""))
    note = ""
    if not at_once and doctor.agreed is None:
        until, why, note = _in_hours(local, until, why, doctor, limits)
    if terms.valid_until is not None and until.date() > terms.valid_until:
        return Never(_ended(terms.valid_until, local))
    if until > local:
        why = why if named(until, local.date()) in why else f"{why}，最早{named(until, local.date())}"
        open_then = doctor.windows is None or any(_serves(one, until) for one in doctor.windows)
        return Wait(until, _joined(why, "" if open_then else "届时须医生先来消息或点菜单", note))
    if not window:
        open_still = any(one.closes_at > now for one in doctor.windows or ())
        return Wait(None, USED_UP if open_still else NO_WINDOW)
    return Begin(now, _joined(_opened(doctor, now), why, note))


def reason_of(decision: Defer | Refuse) -> str:
    """What stands in the way, as a rep reads it."""
    if isinstance(decision, Refuse):
        return _NEVER[decision.fault]
    return NO_WINDOW if decision.why == "window" else _LATER[decision.why]


def _of_plan(
    terms: VisitTerms, doctor: DoctorNow, local: datetime, *, reenters: bool
) -> list[tuple[datetime, str]]:
    waits = []
    if local.date() < terms.valid_from:
        waits.append((_midnight(terms.valid_from), "拜访计划还没开始"))
    visited = sorted(moment.astimezone(CHINA) for moment in doctor.visited)
    if not reenters or not visited:
        return waits
    if terms.days_apart is not None and (again := visited[-1] + timedelta(days=terms.days_apart)) > local:
        waits.append((again, f"距上次拜访不足{terms.days_apart}天"))
    quarter = local.date().replace(month=(local.month - 1) // _QUARTER * _QUARTER + 1, day=1)
    if terms.per_quarter is not None:
        count = sum(moment.date() >= quarter for moment in visited)
        if count >= terms.per_quarter:
            after = _midnight(quarter + relativedelta(months=_QUARTER))
            waits.append((after, f"本季度已拜访{count}次，计划上限{terms.per_quarter}次"))
    return waits


def _agreed(agreed: datetime, today: date, limits: Limits) -> tuple[datetime, str]:
    why = f"医生约在{named(agreed, today)}"
    quiet = Hours(limits.quiet_from, limits.quiet_until).until(agreed)
    return (agreed, why) if quiet is None else (quiet, f"{why}，那时是免打扰时间")


def _in_hours(
    local: datetime, until: datetime, why: str, doctor: DoctorNow, limits: Limits
) -> tuple[datetime, str, str]:
    """The first working moment from `until` on, why, and what to note: a year whose holidays are unknown."""
    hours, quiet = Hours(limits.work_from, limits.work_until), Hours(limits.quiet_from, limits.quiet_until)
    found = next_moment(until, hours=hours, quiet=quiet, best=doctor.best)
    closes = max((one.closes_at for one in doctor.windows or () if _serves(one, local)), default=None)
    hurried = ""
    if doctor.best is not None and closes is not None and found.at >= closes:
        # The best time is a wish; the window is what there is.
        early = next_moment(until, hours=hours, quiet=quiet)
        if early.at < closes:
            found, hurried = early, "平台窗口等不到医生方便的时间"
    if found.at > until and not why:
        why = "不在工作时间" if doctor.best is None or hurried else "不在医生方便的时间"
    return found.at, _joined(why, hurried), caution(local.date(), found.at.date())


def _serves(window: OpenWindow, moment: datetime) -> bool:
    return window.closes_at > moment and window.left > KEPT_FOR_SAFETY


def _opened(doctor: DoctorNow, now: datetime) -> str:
    if doctor.windows is None:
        return "可以开始"
    longest = max((one for one in doctor.windows if _serves(one, now)), key=lambda one: one.closes_at)
    closes = named(longest.closes_at.astimezone(CHINA), now.astimezone(CHINA).date())
    return f"可以开始：{_OPENED_BY[longest.act]}，平台允许发到{closes}，还可发{longest.left}条"


def _ended(last: date, local: datetime) -> str:
    day = f"{last.year}年{last.month}月{last.day}日"
    return f"拜访计划已于{day}结束" if last < local.date() else f"拜访计划到{day}结束，之前没有合适的时间"


def _unbound(limits: Limits) -> Limits:
    return limits.model_copy(update={"quiet_from": time(), "quiet_until": time()})


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), CHINA)


def _joined(*parts: str) -> str:
    return "；".join(part for part in parts if part)

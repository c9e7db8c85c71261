"""When a visit may begin: every cell."""

from __future__ import annotations

import ast
from datetime import date, datetime, time, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from bot.clock import CHINA
from bot.model import PROACTIVE, Purpose
from bot.outbound import policy
from bot.outbound.policy import PAUSE, WEEK, Person
from bot.schedule import Best, Hours
from bot.settings import Limits
from bot.store.contacting import OpenWindow
from bot.visits import Begin, DoctorNow, Never, VisitTerms, Wait, pace, pacing

NOW = datetime(2026, 12, 2, 10, tzinfo=CHINA)  # a Wednesday
DAY = timedelta(days=1)
OPEN = (OpenWindow("message", NOW + 2 * DAY, 4),)
TERMS = VisitTerms(date(2026, 11, 1), date(2027, 3, 31), days_apart=14, per_quarter=3)
UNKNOWN = "2027年的放假和调休安排尚未收录，暂按法定节假日推算"
BY_MESSAGE = "可以开始：医生发来消息，平台允许发到12月4日（周五）10:00，还可发4条"
MENU = "平台暂不允许主动发消息，等医生点菜单「今日一分钟」或来消息，或由代表自己联系"
LATER = "届时须医生先来消息或点菜单"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CHINA)


def ask(now: datetime = NOW, *, at_once: bool = False, **changes: Any) -> Begin | Wait | Never:
    """A verified doctor who has just written, in working hours, but for the changes."""
    terms = changes.pop("terms", TERMS)
    facts: dict[str, Any] = {
        "person": Person(),
        "consents": PROACTIVE,
        "sent": (),
        "takeover": False,
        "live_conversation": False,
        "windows": OPEN,
        **changes,
    }
    return pace(now, terms, DoctorNow(**facts), Limits(), at_once=at_once)


def wait(until: str, why: str) -> Wait:
    return Wait(at(until), why)


TWO = (NOW - 2 * DAY, NOW - DAY)
NOON = Best(Hours(time(12), time(13)))
FRIDAY = Best(Hours(time(14), time(17)), frozenset({4}))
# what is the case, now, changes -> as the plan would, at once
CELLS: dict[str, tuple[datetime, dict[str, Any], Begin | Wait | Never, Begin | Wait | Never]] = {
    "nothing in the way": (NOW, {}, Begin(NOW, BY_MESSAGE), Begin(NOW, BY_MESSAGE)),
    "a channel without windows": (NOW, {"windows": None}, Begin(NOW, "可以开始"), Begin(NOW, "可以开始")),
    # who opened the window, and what is left of it
    "a click opened it": (
        NOW,
        {"windows": (OpenWindow("click", NOW + timedelta(minutes=1), 3),)},
        *(Begin(NOW, "可以开始：医生点了菜单、扫码或关注，平台允许发到今天10:01，还可发3条"),) * 2,
    ),
    "nothing opened it": (NOW, {"windows": ()}, Wait(None, MENU), Wait(None, MENU)),
    "it has closed": (
        NOW,
        {"windows": (OpenWindow("message", NOW, 4),)},
        Wait(None, MENU),
        Wait(None, MENU),
    ),
    "only the place kept for safety is left": (
        NOW,
        {"windows": (OpenWindow("message", NOW + DAY, 1),)},
        *(Wait(None, "平台本轮可发的条数已用完，等医生点菜单「今日一分钟」或来消息"),) * 2,
    ),
    # the person
    "not a follower": (
        NOW,
        {"person": Person(unreachable=True)},
        *(Never("医生没有关注公众号，消息送不到"),) * 2,
    ),
    "stopped": (NOW, {"person": Person(stopped=True)}, *(Never("医生已要求不再主动联系"),) * 2),
    "no consent": (
        NOW,
        {"consents": PROACTIVE - {Purpose.PROMOTION}},
        *(Never("医生没有同意接收产品信息"),) * 2,
    ),
    "consent to nothing but promotion": (
        NOW,
        {"consents": frozenset({Purpose.PROMOTION})},
        Begin(NOW, BY_MESSAGE),
        Begin(NOW, BY_MESSAGE),
    ),
    # what goes on
    "a takeover": (
        NOW,
        {"takeover": True},
        *(Wait(NOW + PAUSE, "同事正在与医生沟通，最早今天10:10"),) * 2,
    ),
    "a conversation": (
        NOW,
        {"live_conversation": True},
        Wait(NOW + PAUSE, "医生正在对话中，最早今天10:10"),
        Begin(NOW, BY_MESSAGE),
    ),
    "the cap": (
        NOW,
        {"sent": TWO},
        Wait(TWO[0] + WEEK, f"近7天主动联系已达上限，最早12月7日（周一）10:00；{LATER}"),
        Begin(NOW, BY_MESSAGE),
    ),
    # the hour
    "late evening": (
        NOW.replace(hour=22),
        {},
        wait("2026-12-03 09:00", "现在是免打扰时间，最早明天09:00"),
        Begin(NOW.replace(hour=22), BY_MESSAGE),
    ),
    "after work": (
        NOW.replace(hour=19),
        {},
        wait("2026-12-03 09:00", "不在工作时间，最早明天09:00"),
        Begin(NOW.replace(hour=19), BY_MESSAGE),
    ),
    "a day off": (
        at("2026-12-05 10:00"),
        {"windows": (OpenWindow("message", at("2026-12-07 09:30"), 4),)},
        wait("2026-12-07 09:00", "不在工作时间，最早12月7日（周一）09:00"),
        Begin(
            at("2026-12-05 10:00"),
            "可以开始：医生发来消息，平台允许发到12月7日（周一）09:30，还可发4条",
        ),
    ),
    "a Saturday that makes up for a holiday": (
        at("2026-10-10 10:00"),
        {"windows": None, "terms": VisitTerms(date(2026, 1, 1))},
        *(Begin(at("2026-10-10 10:00"), "可以开始"),) * 2,
    ),
    "before a holiday of an unknown year": (
        at("2026-12-31 19:00"),
        {"windows": None},
        wait("2027-01-04 09:00", f"不在工作时间，最早2027年1月4日（周一）09:00；{UNKNOWN}"),
        Begin(at("2026-12-31 19:00"), "可以开始"),
    ),
    "in an unknown year": (
        at("2027-02-01 10:00"),
        {"windows": None},
        Begin(at("2027-02-01 10:00"), f"可以开始；{UNKNOWN}"),
        Begin(at("2027-02-01 10:00"), "可以开始"),
    ),
    # the best time
    "before the best time": (
        NOW,
        {"best": NOON},
        wait("2026-12-02 12:00", "不在医生方便的时间，最早今天12:00"),
        Begin(NOW, BY_MESSAGE),
    ),
    "in the best time": (
        NOW.replace(hour=12),
        {"best": NOON},
        Begin(NOW.replace(hour=12), BY_MESSAGE),
        Begin(NOW.replace(hour=12), BY_MESSAGE),
    ),
    "the window closes before the best time": (
        NOW,
        {"best": FRIDAY},
        Begin(NOW, f"{BY_MESSAGE}；平台窗口等不到医生方便的时间"),
        Begin(NOW, BY_MESSAGE),
    ),
    "the window closes before any time": (
        NOW.replace(hour=19),
        {"windows": (OpenWindow("click", NOW.replace(hour=19, minute=1), 3),), "best": FRIDAY},
        wait("2026-12-04 14:00", f"不在医生方便的时间，最早12月4日（周五）14:00；{LATER}"),
        Begin(
            NOW.replace(hour=19),
            "可以开始：医生点了菜单、扫码或关注，平台允许发到今天19:01，还可发3条",
        ),
    ),
    # the plan
    "before the plan begins": (
        NOW,
        {"terms": VisitTerms(date(2026, 12, 4)), "windows": None},
        wait("2026-12-04 09:00", "拜访计划还没开始，最早12月4日（周五）09:00"),
        wait("2026-12-04 00:00", "拜访计划还没开始，最早12月4日（周五）00:00"),
    ),
    "on its last day": (
        NOW,
        {"terms": VisitTerms(date(2026, 11, 1), NOW.date())},
        Begin(NOW, BY_MESSAGE),
        Begin(NOW, BY_MESSAGE),
    ),
    "after it": (
        NOW,
        {"terms": VisitTerms(date(2026, 11, 1), date(2026, 12, 1))},
        *(Never("拜访计划已于2026年12月1日结束"),) * 2,
    ),
    "it ends before a time that fits": (
        NOW,
        {"terms": VisitTerms(date(2026, 11, 1), date(2026, 12, 6)), "sent": TWO},
        Never("拜访计划到2026年12月6日结束，之前没有合适的时间"),
        Begin(NOW, BY_MESSAGE),
    ),
    "visited lately": (
        NOW,
        {"visited": (NOW - 10 * DAY,), "windows": None},
        wait("2026-12-07 09:00", "距上次拜访不足14天，最早12月7日（周一）09:00"),
        Begin(NOW, "可以开始"),
    ),
    "visited long enough ago": (
        NOW,
        {"visited": (NOW - 14 * DAY,)},
        Begin(NOW, BY_MESSAGE),
        Begin(NOW, BY_MESSAGE),
    ),
    "the quarter is full": (
        NOW,
        {"visited": (NOW - 60 * DAY, NOW - 40 * DAY, NOW - 20 * DAY), "windows": None},
        wait(
            "2027-01-04 09:00",
            f"本季度已拜访3次，计划上限3次，最早2027年1月4日（周一）09:00；{UNKNOWN}",
        ),
        Begin(NOW, "可以开始"),
    ),
    "visits of the quarter before do not count": (
        NOW,
        {"visited": (at("2026-09-30 18:00"), NOW - 40 * DAY, NOW - 20 * DAY)},
        Begin(NOW, BY_MESSAGE),
        Begin(NOW, BY_MESSAGE),
    ),
    "a plan without a re-entry rule": (
        NOW,
        {"terms": VisitTerms(date(2026, 11, 1)), "visited": (NOW - DAY,) * 9},
        Begin(NOW, BY_MESSAGE),
        Begin(NOW, BY_MESSAGE),
    ),
    # what they agreed to
    "agreed for the evening": (
        NOW,
        {"agreed": NOW.replace(hour=20, minute=30), "visited": (NOW,), "best": NOON},
        wait("2026-12-02 20:30", "医生约在今天20:30"),
        Begin(NOW, BY_MESSAGE),
    ),
    "the agreed moment has come": (
        NOW.replace(hour=20, minute=30),
        {"agreed": NOW.replace(hour=20, minute=30), "visited": (NOW,), "best": NOON},
        *(Begin(NOW.replace(hour=20, minute=30), BY_MESSAGE),) * 2,
    ),
    "agreed for the night": (
        NOW,
        {"agreed": NOW.replace(hour=22)},
        wait("2026-12-03 08:00", "医生约在今天22:00，那时是免打扰时间，最早明天08:00"),
        Begin(NOW, BY_MESSAGE),
    ),
    "agreed, and stopped since": (
        NOW,
        {"agreed": NOW.replace(hour=20), "person": Person(stopped=True)},
        *(Never("医生已要求不再主动联系"),) * 2,
    ),
    "agreed, in a conversation": (
        NOW.replace(hour=20),
        {"agreed": NOW.replace(hour=20), "live_conversation": True},
        wait("2026-12-02 20:10", "医生正在对话中，最早今天20:10"),
        Begin(NOW.replace(hour=20), BY_MESSAGE),
    ),
    # of several, a refusal goes before a wait, and the longest wait counts
    "stopped at night": (
        NOW.replace(hour=22),
        {"person": Person(stopped=True)},
        *(Never("医生已要求不再主动联系"),) * 2,
    ),
    "the cap, lately visited": (
        NOW,
        {"sent": TWO, "visited": (NOW - 2 * DAY,), "windows": None},
        wait("2026-12-14 10:00", "距上次拜访不足14天，最早12月14日（周一）10:00"),
        Begin(NOW, "可以开始"),
    ),
    "no window at night": (
        NOW.replace(hour=22),
        {"windows": ()},
        wait("2026-12-03 09:00", f"现在是免打扰时间，最早明天09:00；{LATER}"),
        Wait(None, MENU),
    ),
}


@pytest.mark.parametrize("cell", CELLS)
def test_every_cell(cell: str) -> None:
    now, changes, paced, at_once = CELLS[cell]
    assert ask(now, **changes) == paced
    assert ask(now, at_once=True, **changes) == at_once


def test_whatever_the_policy_answers_has_words() -> None:
    """A reason that is added there is said in Chinese here."""
    calls = [
        node
        for node in ast.walk(ast.parse(Path(policy.__file__).read_text("utf-8")))
        if isinstance(node, ast.Call)
    ]
    named = [
        (call.func.id, ast.unparse(call.args[1]))
        for call in calls
        if isinstance(call.func, ast.Name) and len(call.args) == 2
    ]
    assert {ast.literal_eval(why) for name, why in named if name == "Defer"} == {*pacing._LATER, "window"}
    faults = {ast.unparse(call.args[0]) for call in calls if ast.unparse(call.func) == "Refuse"}
    assert faults == {f"Fault.{fault.name}" for fault in pacing._NEVER}


def test_whoever_asks_again_when_told_comes_to_an_end() -> None:
    """Waits are never in the past, and lead to a beginning, to a window or to a no; all combinations."""
    for sent, takeover, live, windows, visited, best, agreed in product(
        ((), TWO),
        (False, True),
        (False, True),
        (None, OPEN, ()),
        ((), (NOW - 3 * DAY,)),
        (None, NOON, FRIDAY),
        (None, NOW.replace(hour=20), NOW.replace(hour=23)),
    ):
        now = NOW
        for again in range(12):
            busy = {"takeover": takeover and again == 0, "live_conversation": live and again == 0}
            facts = {"sent": sent, "windows": windows, "visited": visited, "best": best, "agreed": agreed}
            found = ask(now, **busy, **facts)
            if not isinstance(found, Wait) or found.until is None:
                break
            assert found.until > now and found.why
            now = found.until
        else:
            pytest.fail(f"it waits for ever: {facts}")
        assert isinstance(found, Begin) or windows is not None

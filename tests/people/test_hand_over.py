"""Whoever asks for a person: what is said and when, who has it, what happens when nobody takes it on."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest
from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions.call import calling
from actions.care import HandOver
from actions.status import Status
from actions.talk import Irritated
from bot import staff
from bot.clock import CHINA
from bot.dialogue.action_calls import ActionCall
from bot.model import Audience
from bot.people import hand_over, quiet, stop, takeover
from bot.staff import Role
from bot.store import scenes
from bot.store import staff as staff_rows
from bot.store.scenes import Standing
from bot.tasks import acknowledge, tell
from tests.console.conftest import add_contact, list_doctor
from tests.stage import Stage
from tests.tasks.test_telling import Webhook, webhook

__all__ = ["webhook"]  # a fixture

NAMED = ("rep", "due", "closed", "opens")
TUESDAY = datetime(2026, 12, 1, 10, 0, tzinfo=CHINA)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CHINA)


@pytest.fixture
async def desk(open_window: Stage) -> Stage:
    """The phone's owner is the doctor of 周代表, whose manager is 郑经理. It is a Tuesday morning."""
    stage = open_window
    await stage.move(TUESDAY)
    now = stage.services.clock.now()
    async with stage.services.db.begin() as tx:
        people = (("zhou", Role.REP, "周代表", "一队"), ("zheng", Role.MANAGER, "郑经理", "一队"))
        for login, role, name, team in (*people, ("alien", Role.MANAGER, "外队经理", "二队")):
            await staff.add(tx, login, [role], now, by="test", name=name, team=team)
        (zhou,) = await staff_rows.read(tx, "zhou")
    await list_doctor(stage, await stage.contact(), "T-1", "王医生", zhou.id)
    await stage.phone.send(type="image", wait=True)
    return stage


async def say(stage: Stage, words: str, action: Any = None, address: str | None = None) -> str:
    """What the action says, as it is read."""
    services, contact = stage.services, await stage.contact(address)
    tracker = Tracker("c", {}, {"text": words, "entities": []}, [], False, None, {}, "action_listen")
    dispatcher = CollectingDispatcher()
    async with services.db.begin() as tx:
        standing = Standing(verified=True, waiting=False, rep=None)
        with calling(ActionCall(services, tx, uuid4(), contact, standing, services.clock.now())):
            await (action or HandOver()).run(dispatcher, tracker, {})
    said = []
    for message in dispatcher.messages:
        values = {key: str(value) for key, value in message.items() if key in NAMED}
        text = services.published.dialogue.text(message["response"], contact.audience, **values)
        filled = services.published.dialogue.filled(message["response"], text, contact.audience)
        assert filled == values, "the exit lets it leave"
        said.append(text)
    return "\n".join(said)


async def owners(stage: Stage) -> list[tuple[Any, ...]]:
    return await stage.rows(
        "SELECT staff.name, state FROM task LEFT JOIN staff ON staff.id = owner_id "
        "WHERE kind = 'hand_over' ORDER BY task.id"
    )


async def leave(stage: Stage) -> None:
    """What the bot has queued leaves."""
    await stage.write("UPDATE outbox SET passive_until = NULL")
    while await stage.sender.push():
        pass


@pytest.mark.parametrize(
    ("now", "due", "said"),
    [
        ("2026-12-01 10:00", "12月1日（周二）11:00", ""),
        ("2026-12-01 17:30", "12月2日（周三）09:30", ""),
        ("2026-12-01 23:00", "12月2日（周三）10:00", "现在是下班时间，同事12月2日（周三）09:00上班。"),
        ("2026-12-02 06:00", "12月2日（周三）10:00", "现在是下班时间，同事12月2日（周三）09:00上班。"),
        ("2026-12-05 10:00", "12月7日（周一）10:00", "今天是休息日，同事12月7日（周一）09:00上班。"),
        ("2026-10-01 10:00", "10月8日（周四）10:00", "今天是国庆假期，同事10月8日（周四）09:00上班。"),
        ("2026-10-10 10:00", "10月10日（周六）11:00", ""),  # a Saturday that makes up for the holiday
        (
            "2031-10-01 10:00",
            "10月6日（周一）10:00",
            "今天是中秋假期，同事10月6日（周一）09:00（2031年的放假和调休安排尚未公布，",
        ),
    ],
)
async def test_it_says_who_by_when_and_out_of_hours_when_somebody_is_there(
    desk: Stage, now: str, due: str, said: str
) -> None:
    desk.services.clock.move_to(at(now))
    told = await say(desk, "转人工")
    assert f"已转给周代表，预计{due}前联系您" in told
    assert (said in told) if said else ("上班" not in told)
    status = await say(desk, "人工什么时候来", Status())
    assert f"周代表，预计{due}前联系您" in status and ((said in status) if said else ("上班" not in status))
    scolded = await say(desk, "你怎么这么笨", Irritated())
    assert f"周代表，预计{due}前联系您" in scolded and (said in scolded)
    assert await owners(desk) == [("周代表", "open")], "it is one request"


async def test_anger_tells_a_colleague(desk: Stage) -> None:
    assert "已转给周代表，预计12月1日（周二）11:00前联系您" in await say(desk, "废物", Irritated())
    assert await owners(desk) == [("周代表", "open")]


async def test_without_a_rep_it_is_the_managers_on_duty(desk: Stage) -> None:
    await desk.write("UPDATE staff SET disabled_at = now() WHERE login = 'zhou'")
    assert "已转给郑经理" in await say(desk, "转人工"), "of the rep's team"
    stranger = "oStranger000000000000000001"
    await add_contact(desk, stranger)
    assert "已转给外队经理" in await say(desk, "转人工", address=stranger), "who has fewer requests open"
    patient = "oPatient0000000000000000001"
    await add_contact(desk, patient, Audience.PATIENT)
    assert "已转给值班同事" in await say(desk, "转人工", address=patient), "the care team's"
    assert [name for name, _ in await owners(desk)] == ["郑经理", "外队经理", None]


async def test_unclaimed_it_goes_to_the_manager_the_person_is_told_and_the_bot_returns(
    desk: Stage, http: aiohttp.ClientSession, webhook: Webhook
) -> None:
    services, contact = desk.services, await desk.contact()
    db, clock = services.db, services.clock
    await say(desk, "转人工")
    async with db.begin() as tx:
        await quiet.hush(tx, contact, clock.now())
    await tell(db, clock, http, webhook.settings)
    assert webhook.notices[-1][0] == "opened" and webhook.owners[-1] == "zhou"
    services.clock.move_to(TUESDAY + timedelta(minutes=59))
    await hand_over.look_after(services)
    assert await owners(desk) == [("周代表", "open")], "there is time left"

    await desk.move(TUESDAY + timedelta(minutes=61))
    for _ in range(3):  # again, and by other processes: it is one news
        await hand_over.look_after(services)
    await leave(desk)
    assert await owners(desk) == [("郑经理", "open")]
    said = (await desk.reply_texts())[-1]
    assert said.startswith("说好的时间到了，还没有同事接手，很抱歉。已转请郑经理处理，预计12月1日（周二）12:")
    assert [text for text in await desk.reply_texts() if "说好的时间" in text] == [said]
    async with db.begin() as tx:
        silent = takeover.silence(clock.now(), services.limits)
        since = clock.now() - timedelta(hours=8)
        known = await scenes.background(tx, services.vault, contact.id, since, silent)
    assert not known.hushed and not known.taken_over, "the bot answers again"
    assert "郑经理，预计12月1日（周二）12:0" in await say(desk, "人工呢", Status())

    await tell(db, clock, http, webhook.settings)
    assert webhook.notices[-1][0] == "passed_on" and webhook.owners[-1] == "zheng"
    await desk.move(TUESDAY + timedelta(minutes=130))
    await hand_over.look_after(services)
    await desk.write("UPDATE task SET notify_after = now() - interval '1 second'")
    await tell(db, clock, http, webhook.settings)
    assert webhook.notices[-1][0] == "overdue" and webhook.owners[-1] == "zheng"
    assert await owners(desk) == [("郑经理", "open")]


@pytest.mark.parametrize("how", ["takeover", "acknowledged", "stopped"])
async def test_what_was_claimed_is_left_alone_and_who_said_stop_is_told_nothing(
    desk: Stage, how: str
) -> None:
    services, contact = desk.services, await desk.contact()
    await say(desk, "转人工")
    ((number,),) = await desk.rows("SELECT id FROM task WHERE kind = 'hand_over'")
    async with services.db.begin() as tx:
        now = services.clock.now()
        if how == "takeover":
            await takeover.start(tx, contact, "zhou", now, services.limits)
        elif how == "acknowledged":
            await acknowledge(tx, services.vault, number, "zhou", now)
        else:
            await stop.stop(tx, contact, now)
    before = len(await desk.reply_texts())
    await desk.move(TUESDAY + timedelta(minutes=61))
    await hand_over.look_after(services)
    await leave(desk)
    ((passed_on,),) = await desk.rows("SELECT passed_on_at IS NOT NULL FROM task WHERE kind = 'hand_over'")
    assert passed_on is (how == "stopped")
    assert not [text for text in (await desk.reply_texts())[before:] if "说好的时间" in text]


async def test_a_wish_after_a_visit_waits_for_a_working_day(desk: Stage) -> None:
    services, contact, now = desk.services, await desk.contact(), desk.services.clock.now()
    async with services.db.begin() as tx:
        promise = await hand_over.request(
            tx, services, contact, "希望代表联系", now, key=UUID(int=7), soon=False
        )
    assert promise.due - (TUESDAY + timedelta(days=1)) < timedelta(minutes=1), "the clock runs on"

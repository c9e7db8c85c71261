"""Reports of adverse events: one case or several, what is asked, and when there is an alarm."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest

from bot.clock import Clock
from bot.model import Account, Audience, Channel
from bot.safety import read_case
from bot.store import contacts, tasks
from bot.store.contacts import Contact
from bot.store.database import Database
from bot.store.tasks import TaskRow
from bot.store.vault import Vault
from bot.tasks import Kind, add_detail, report_case
from bot.tasks.cases import _theirs

ACCOUNT = Account(Channel.WECHAT, "demo")
Adding = Callable[..., Awaitable[Contact]]


@pytest.fixture
def person(database: Database, vault: Vault, clock: Clock) -> Adding:
    async def add(openid: str = "oAbc", audience: Audience = Audience.DOCTOR) -> Contact:
        async with database.begin() as tx:
            person_id = await vault.create(tx, "doctor", clock.now())
            added = await contacts.add(tx, vault, ACCOUNT, audience, openid, person_id, clock.now())
        assert added is not None
        return added

    return add


class Desk:
    """Takes reports, each in a transaction of its own."""

    def __init__(self, database: Database, vault: Vault, now: datetime) -> None:
        self._database, self._vault, self.now = database, vault, now
        self._number = 0

    async def told(self, contact: Contact, words: str, medicine: str = "", own: str | None = None) -> str:
        """What is answered: names without their prefix, and what is asked for."""
        self._number = number = self._number + 1
        async with self._database.begin() as tx:
            saying = await report_case(
                tx,
                self._vault,
                now=self.now,
                contact=contact,
                key=f"adverse_event:inbox:{number}",
                words=words,
                own=own,
                medicine=medicine,
            )
        return shown(saying.responses)

    async def added(self, contact: Contact, words: str, *, expected: bool = False, asks: bool = False) -> str:
        async with self._database.begin() as tx:
            saying = await add_detail(
                tx, self._vault, now=self.now, contact=contact, words=words, expected=expected, asks=asks
            )
        return shown(saying.responses) if saying else ""

    async def read(self, kind: Kind = Kind.ADVERSE_EVENT) -> list[TaskRow]:
        async with self._database.begin() as tx:
            return sorted(
                (row for row in await tasks.read(tx, self._vault) if row.kind == kind), key=lambda row: row.id
            )

    async def details(self, kind: Kind = Kind.ADVERSE_EVENT) -> list[str]:
        return [row.detail or "" for row in await self.read(kind)]


def shown(responses: tuple[tuple[str, object], ...]) -> str:
    names = [name.removeprefix("utter_adverse_event").strip("_") or "taken" for name, _ in responses]
    asked = [str(values["missing"]) for _, values in responses if "missing" in values]  # type: ignore[index,operator]
    return " ".join([*names, *asked])


@pytest.fixture
def desk(database: Database, vault: Vault, clock: Clock) -> Desk:
    return Desk(database, vault, clock.now())


async def test_only_what_is_missing_is_asked_until_nothing_is(desk: Desk, person: Adding) -> None:
    doctor = await person()
    said = await desk.told(doctor, "病人吃氨氯地平脚肿了")
    assert said == "taken missing urgent 年龄、性别、用法用量、什么时候开始、现在怎样、药盒上的批号"
    said = await desk.added(doctor, "男 71岁，5mg一天一次", expected=True)
    assert said == "more missing urgent 什么时候开始、现在怎样、药盒上的批号"
    assert await desk.added(doctor, "那个病人上周开始的，已停药，批号A1234") == "more urgent"
    assert await desk.details() == [
        "病人吃氨氯地平脚肿了\n男 71岁，5mg一天一次\n那个病人上周开始的，已停药，批号A1234"
    ]


@pytest.mark.parametrize(
    ("words", "expected", "asks", "joins"),
    [
        ("71岁", True, False, True),
        ("71岁", False, False, False),  # out of the blue: whose?
        ("男 71岁 已经停药", False, False, True),
        ("那个病人71岁", False, True, True),  # and a question with it
        ("65岁女的能用吗", True, True, False),
        ("另一个病人 女 60岁 吃络活喜牙龈肿", True, False, False),
        ("女 60岁 吃格华止", True, False, False),  # another medicine
        ("谢谢", True, False, False),
        ("氨氯地平", True, False, False),  # known, so it is the name of a product
        ("那个氨氯地平能吃吗", False, True, False),
        ("5mg 每天一次", True, False, True),
    ],
)
async def test_what_is_added_to_an_open_case(
    desk: Desk, person: Adding, words: str, expected: bool, asks: bool, joins: bool
) -> None:
    doctor = await person()
    await desk.told(doctor, "病人吃氨氯地平脚肿了")
    assert bool(await desk.added(doctor, words, expected=expected, asks=asks)) == joins
    assert (await desk.details())[0].endswith(f"\n{words}") == joins


async def test_a_case_that_is_closed_takes_nothing_more(desk: Desk, person: Adding) -> None:
    doctor = await person()
    assert await desk.added(doctor, "男 71岁 已经停药", expected=True) == ""
    await desk.told(doctor, "病人吃氨氯地平脚肿了")
    desk.now += timedelta(hours=25)
    assert await desk.added(doctor, "男 71岁 已经停药", expected=True) == ""
    assert (await desk.told(doctor, "病人吃氨氯地平脚肿了 男 71岁")).startswith("taken")
    assert len(await desk.details()) == 2


@pytest.mark.parametrize(
    ("first", "second", "cases"),
    [
        ("病人吃氨氯地平脚肿了", "他吃了氨氯地平脚还是肿，又头晕", 1),
        ("病人吃氨氯地平脚肿了", "又有一个病人吃氨氯地平脚肿了", 2),
        ("病人吃氨氯地平脚肿了", "病人吃二甲双胍拉肚子", 2),
        ("男 67岁 吃代文咳嗽", "女 52岁 吃代文咳嗽", 2),
        ("病人吃氨氯地平脚肿了", "有个大爷吃络活喜脚肿得穿不上鞋", 2),
    ],
)
async def test_two_reports_of_a_doctor(
    desk: Desk, person: Adding, first: str, second: str, cases: int
) -> None:
    doctor = await person()
    await desk.told(doctor, first)
    said = await desk.told(doctor, second)
    assert said.startswith("taken" if cases == 2 else "more")
    assert len(await desk.details()) == cases


async def test_what_a_patient_says_next_is_of_the_same_case(desk: Desk, person: Adding) -> None:
    patient = await person(audience=Audience.PATIENT)
    await desk.told(patient, "吃了络活喜腿肿了")
    assert (await desk.told(patient, "吃了这药还有点头晕")).startswith("more")
    assert (await desk.told(patient, "我妈吃了络活喜腿也肿")).startswith("more")  # nobody was named before
    assert (await desk.told(patient, "我爸吃了络活喜头晕")).startswith("taken")
    assert len(await desk.details()) == 2


async def test_several_patients_are_several_cases_and_one_batch_an_alarm(desk: Desk, person: Adding) -> None:
    said = await desk.told(await person(), "两个病人吃了批号2305的氨氯地平都头晕")
    assert said.startswith("taken several missing urgent") and "批号" not in said
    first, second = await desk.read()
    assert (first.detail or "").startswith("[患者1/2]\n") and (second.detail or "").startswith("[患者2/2]\n")
    assert first.key_id != second.key_id
    (alarm,) = await desk.read(Kind.CASE_ALARM)
    assert alarm.detail == f"聚集：批号2305，90天内2例，任务 {first.id}、{second.id}"
    assert (alarm.owner_role, alarm.contact_id) == ("pv", None)
    assert alarm.due_at - alarm.opened_at == timedelta(hours=1)


async def test_a_cluster_of_several_reporters(desk: Desk, person: Adding) -> None:
    """Brand and generic name, and the patient's own words, are one medicine and one reaction."""
    reports = ["病人吃络活喜脚肿了", "吃了氨氯地平腿浮肿", "有个患者用苯磺酸氨氯地平后下肢水肿"]
    people = [await person(f"o{number}") for number in range(len(reports))]
    for one, words in zip(people, reports, strict=True):
        assert await desk.details(Kind.CASE_ALARM) == []
        await desk.told(one, words)
    for one in people:
        assert "more" in await desk.added(one, "女 65岁", expected=True)
    (alarm,) = await desk.details(Kind.CASE_ALARM)
    assert alarm.startswith("聚集：氨氯地平、水肿，14天内3例，任务 ")
    desk.now += timedelta(days=15)
    await desk.told(await person("o9"), "病人吃络活喜脚肿了")
    assert len(await desk.details(Kind.CASE_ALARM)) == 1, "the others are long ago"


async def test_the_medicine_spoken_of_before_counts(desk: Desk, person: Adding) -> None:
    for number in range(3):
        await desk.told(await person(f"o{number}"), "病人用了脚肿", medicine="氨氯地平")
    assert len(await desk.details(Kind.CASE_ALARM)) == 1


async def test_reports_at_the_same_moment_are_seen_together(desk: Desk, person: Adding) -> None:
    people = [await person(f"o{number}") for number in range(4)]
    await asyncio.gather(*(desk.told(one, "批号X77的格华止里有异物") for one in people))
    alarms = await desk.details(Kind.CASE_ALARM)
    assert sorted(alarm.split("，")[1] for alarm in alarms) == ["90天内2例", "90天内3例", "90天内4例"]


async def test_a_death_is_told_at_once_and_nobody_is_sent_to_hospital(desk: Desk, person: Adding) -> None:
    doctor = await person()
    said = await desk.told(doctor, "患者服缬沙坦期间猝死")
    assert "urgent" not in said
    (case,) = await desk.read()
    assert (case.detail or "").startswith("[死亡]\n")
    assert await desk.details(Kind.CASE_ALARM) == [f"死亡报告：任务 {case.id}"]
    assert "more" in await desk.added(doctor, "男 80岁 批号Z991", expected=True)
    assert len(await desk.details(Kind.CASE_ALARM)) == 1


async def test_of_old_and_of_a_product(desk: Desk, person: Adding) -> None:
    said = await desk.told(await person("o1"), "三年前有个女病人吃立普妥横纹肌溶解 没报")
    assert said == "taken missing 年龄、用法用量、现在怎样、药盒上的批号"
    said = await desk.told(await person("o2"), "批号240315的缬沙坦 铝箔里是空的")
    assert said == "taken keep"
    assert [detail.partition("\n")[0] for detail in await desk.details()] == ["[既往]", "[产品质量投诉]"]


async def test_a_report_tried_again_is_one(desk: Desk, person: Adding) -> None:
    doctor = await person()
    for _ in range(2):
        await desk.told(doctor, "患者服缬沙坦期间猝死")
        desk._number = 0
    assert await desk.details() == ["[死亡]\n患者服缬沙坦期间猝死"]


async def test_a_later_report_names_those_of_its_batch(desk: Desk, person: Adding) -> None:
    await desk.told(await person("o1"), "批号X77的格华止里有异物")
    await desk.told(await person("o2"), "批号x77的二甲双胍有霉点")
    (alarm,) = await desk.details(Kind.CASE_ALARM)
    assert alarm.startswith("聚集：批号X77，90天内2例")
    first, second = await desk.read()
    assert second.detail == f"[产品质量投诉]\n[同批号X77：任务 {first.id}]\n批号x77的二甲双胍有霉点"
    assert "[同批号" not in (first.detail or "")


async def test_of_a_crowd_a_few_cases_are_opened(desk: Desk, person: Adding) -> None:
    await desk.told(await person(), "十二个学生吃了二甲双胍都发烧")
    marks = [(row.detail or "").splitlines()[0] for row in await desk.read()]
    assert marks == [f"[患者{number}/12]" for number in range(1, 5)] + ["[患者5～12/12]"]


async def test_what_is_quoted_is_told_by_somebody_else(desk: Desk, person: Adding) -> None:
    """Neither at the first message nor when more is added."""
    doctor = await person()
    quoted, own = "「小王：病人去世了 批号A1234」\n- - - - - - - - - - - - - - -\n", "吃络活喜后脚肿了"
    said = await desk.told(doctor, quoted + own, own=" " * len(quoted) + own)
    assert said.startswith("taken missing urgent") and said.endswith("药盒上的批号")
    (detail,) = await desk.details()
    whole = [f"> {line}" for line in f"{quoted}{own}".splitlines()]
    assert detail.splitlines() == [own, "[消息全文]", *whole]
    assert (await desk.added(doctor, "男 71岁", expected=True)).endswith("现在怎样、药盒上的批号")
    assert await desk.details(Kind.CASE_ALARM) == []


async def test_marks_above_a_case_are_no_words_of_theirs(desk: Desk, person: Adding) -> None:
    """The batch of an earlier report, named above the later one, is not of its patient."""
    await desk.told(await person("o1"), "批号X77的格华止里有异物")
    doctor = await person("o2")
    await desk.told(doctor, "两个病人吃批号X77的格华止头晕")
    assert (await desk.details())[-1].startswith("[患者2/2]\n[同批号X77：任务 ")
    assert _theirs((await desk.details())[-1]) == "两个病人吃批号X77的格华止头晕"
    assert _theirs("[产品质量投诉]\n[死亡]\n[患者5～12/12]\n[微笑]吃了头晕") == "[微笑]吃了头晕"
    for mark in ("用药过量", "死亡", "既往", "产品质量投诉"):
        assert read_case(_theirs(f"[{mark}]\n吃了头晕"), Audience.DOCTOR) == read_case(
            "吃了头晕", Audience.DOCTOR
        )

"""A summary from its draft to what is approved and amended: by whom, with which words, and what is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot import staff
from bot.model import Fault, MedrepError
from bot.staff import Role
from bot.visits import SentenceChange, amend, approve, edit
from tests.stage import Stage
from tests.summaries import STATEMENTS, summarised

NEW = "医生关心肾功能不全患者的用法用量，愿意再看一份资料。"


@pytest.fixture
async def visit_id(stage: Stage) -> int:
    """The phone's owner was visited; zhou and wei are colleagues."""
    await stage.phone.send(type="text", content="您好", wait=True)
    now = stage.services.clock.now()
    async with stage.services.db.begin() as tx:
        await staff.add(tx, "zhou", [Role.REP], now, by="test")
        await staff.add(tx, "wei", [Role.MEDICAL], now, by="test")
    return await summarised(stage.services, await stage.contact())


async def edited(
    stage: Stage, visit_id: int, seen: int, part: str, text: str, login: str = "zhou", **more: Any
) -> int:
    services = stage.services
    async with services.db.begin() as tx:
        change = SentenceChange(part, text, **more)
        return await edit(tx, services.vault, visit_id, seen, change, login, services.clock.now())


async def approved(stage: Stage, visit_id: int, seen: int, login: str = "zhou") -> None:
    async with stage.services.db.begin() as tx:
        await approve(tx, visit_id, seen, login, stage.services.clock.now())


async def amended(stage: Stage, visit_id: int, seen: int, part: str, text: str, reason: str) -> int:
    services = stage.services
    async with services.db.begin() as tx:
        now = services.clock.now()
        return await amend(
            tx, services.vault, visit_id, seen, SentenceChange(part, text), reason, "zhou", now
        )


async def bodies(stage: Stage, visit_id: int) -> list[tuple[int, str, str, dict[str, Any]]]:
    """Every version that was kept: number, kind, whose, what it says."""
    services = stage.services
    rows = await stage.rows(
        "SELECT number, kind, login, person_id, body_enc FROM visit_summary_version "
        "WHERE visit_id = :id ORDER BY number",
        id=visit_id,
    )
    async with services.db.begin() as tx:
        return [
            (
                *(number, kind, login),
                json.loads(await services.vault.open_text(tx, person, bytes(body), "visit_summary.body")),
            )
            for number, kind, login, person, body in rows
        ]


async def test_draft_edit_approval_and_amendment_are_all_kept(stage: Stage, visit_id: int) -> None:
    assert await edited(stage, visit_id, 1, "1", NEW) == 2
    assert await edited(stage, visit_id, 2, "3", "约好下周再联系。") == 3
    assert await edited(stage, visit_id, 3, "2", "") == 4
    assert await edited(stage, visit_id, 4, "next_step", "代表下周联系医生") == 5
    assert await stage.rows("SELECT state, version FROM visit_summary") == [("in_review", 5)]
    await approved(stage, visit_id, 5)
    assert await stage.rows("SELECT state, approved_by FROM visit_summary") == [("approved", "zhou")]
    assert await amended(stage, visit_id, 5, "0", "11月29日通过微信拜访。", "日期写错") == 6
    assert await stage.rows("SELECT state, version FROM visit_summary") == [("amended", 6)]
    kept = await bodies(stage, visit_id)
    assert [(number, kind, login) for number, kind, login, _ in kept] == [
        (1, "draft", ""),
        *((number, "edit", "zhou") for number in (2, 3, 4, 5)),
        (6, "amendment", "zhou"),
    ]
    assert [one["text"] for one in kept[0][3]["statements"]] == list(STATEMENTS)
    last = kept[-1][3]
    assert [(one["text"], bool(one["turns"]), one.get("edited_by")) for one in last["statements"]] == [
        ("11月29日通过微信拜访。", True, "zhou"),
        (NEW, True, "zhou"),
        ("约好下周再联系。", False, "zhou"),
    ]
    assert (last["reason"], last["next_step"]) == ("日期写错", "代表下周联系医生")
    events = await stage.rows(
        "SELECT kind, facts->>'version', facts->>'login', body_enc IS NOT NULL FROM evidence "
        "WHERE kind LIKE 'summary.%' ORDER BY id"
    )
    assert events == [
        *(("summary.edited", str(number), "zhou", True) for number in (2, 3, 4, 5)),
        ("summary.approved", "5", "zhou", True),
        ("summary.amended", "6", "zhou", True),
    ]


async def test_what_is_approved_is_read_alone(stage: Stage, visit_id: int) -> None:
    with pytest.raises(MedrepError, match="draft"):
        await amended(stage, visit_id, 1, "1", NEW, "还没有批准")
    await approved(stage, visit_id, 1)
    for refused in (edited(stage, visit_id, 1, "1", NEW), approved(stage, visit_id, 1)):
        with pytest.raises(MedrepError) as caught:
            await refused
        assert caught.value.fault == Fault.CONFLICT
    for reason in ("", "  ", "理" * 301):
        with pytest.raises(MedrepError) as caught:
            await amended(stage, visit_id, 1, "1", NEW, reason)
        assert caught.value.fault == Fault.BAD_INPUT
    assert await stage.rows("SELECT count(*) FROM visit_summary_version") == [(1,)]


async def test_who_saw_another_version_or_may_not_review_changes_nothing(stage: Stage, visit_id: int) -> None:
    await edited(stage, visit_id, 1, "1", NEW)
    for stale in (edited(stage, visit_id, 1, "1", "别的话。"), approved(stage, visit_id, 1)):
        with pytest.raises(MedrepError) as caught:
            await stale
        assert caught.value.fault == Fault.CONFLICT
    for refused in (edited(stage, visit_id, 2, "1", "别的话。", "wei"), approved(stage, visit_id, 2, "wei")):
        with pytest.raises(MedrepError):
            await refused
    assert await stage.rows("SELECT state, version FROM visit_summary") == [("in_review", 2)]


@pytest.mark.parametrize(
    ("part", "text"),
    [("4", NEW), ("x", NEW), ("-1", NEW), ("²", NEW), ("1", STATEMENTS[1]), ("3", ""), ("0", "长" * 601)],
)
async def test_what_names_no_sentence_or_changes_none_is_refused(
    stage: Stage, visit_id: int, part: str, text: str
) -> None:
    with pytest.raises(MedrepError) as caught:
        await edited(stage, visit_id, 1, part, text)
    assert caught.value.fault == Fault.BAD_INPUT


async def test_a_colleagues_words_are_held_to_the_rules(stage: Stage, visit_id: int) -> None:
    with pytest.raises(MedrepError) as caught:
        await edited(stage, visit_id, 1, "1", "告诉医生二甲双胍是最好的降糖药。")
    assert caught.value.fault == Fault.REFUSED_TEXT
    assert caught.value.detail.startswith("absolute_claim: "), caught.value.detail
    await approved(stage, visit_id, 1)
    with pytest.raises(MedrepError) as caught:
        await amended(stage, visit_id, 1, "1", NEW, "医生说是最好的降糖药")
    assert caught.value.fault == Fault.REFUSED_TEXT


async def test_an_adverse_event_in_an_edit_is_a_case(stage: Stage, visit_id: int) -> None:
    await edited(stage, visit_id, 1, "1", "医生提到一位65岁男患者服用二甲双胍后出现皮疹，已停药。")
    assert await stage.tasks() == {"adverse_event"}
    await edited(stage, visit_id, 2, "1", NEW)
    assert await stage.rows("SELECT kind, state FROM task") == [("adverse_event", "open")]


async def test_a_sentence_whose_messages_no_longer_show_it_has_none(stage: Stage, visit_id: int) -> None:
    await edited(stage, visit_id, 1, "1", "医生在科里说过愿意参加会议。", shown=False)
    ((_, _, _, _), (_, _, _, body)) = await bodies(stage, visit_id)
    assert [bool(one["turns"]) for one in body["statements"]] == [True, False, True]

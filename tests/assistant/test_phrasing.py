"""The assistant phrases a draft, over real HTTP; hostile or away, it changes nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from bot import staff
from bot.staff import Role
from bot.visits import SentenceChange, edit, phrase_drafts
from tests.assistant.double import KEY, AssistantDouble, Say, assistant_double
from tests.console.conftest import list_doctor
from tests.stage import Stage
from tests.summaries import SAID, STATEMENTS, summarised

NAME, PHONE = "欧阳明月", "13812345678"
BETTER = "医生主要担心肾功能不全的病人。"
WITHHELD = "多囊卵巢的姑娘能不能用这个药减重"


def phrased(question: dict[str, Any]) -> dict[str, Any]:
    """An honest assistant's wording of what the doctor said."""
    place = next(one for one in question["sentences"] if SAID in one["text"])
    return {"sentences": [{"of": place["of"], "text": BETTER, "turns": place["turns"]}]}


async def said(stage: Stage, words: str, route: str | None = None) -> int:
    """The id of a message whose turn is done."""
    await stage.phone.send(type="text", content=words, wait=True)
    ((turn,),) = await stage.rows("SELECT gen_random_uuid()")
    contact = await stage.contact()
    await stage.write(
        "INSERT INTO turn (id, contact_id, state, fence, lease_until, started_at, route) "
        "VALUES (:id, :contact, 'done', 1, now(), now(), :route)",
        id=turn, contact=contact.id, route=route,
    )  # fmt: skip
    await stage.write("UPDATE inbox SET turn_id = :id WHERE id = (SELECT max(id) FROM inbox)", id=turn)
    ((number,),) = await stage.rows("SELECT max(id) FROM inbox")
    return int(number)


@pytest.fixture
async def draft(stage: Stage) -> int:
    """Of a visit in which a doctor said what worries them, and something that went to medical information."""
    await stage.phone.send(type="text", content="您好", wait=True)
    now = stage.services.clock.now()
    async with stage.services.db.begin() as tx:
        await staff.add(tx, "zhou", [Role.REP], now, name="周代表", by="test")
    ((rep,),) = await stage.rows("SELECT id FROM staff WHERE login = 'zhou'")
    await list_doctor(stage, await stage.contact(), "T-1", NAME, rep)
    mine = await said(stage, f"我是{NAME}，电话{PHONE}。{SAID}")
    other = await said(stage, WITHHELD, "medical_information")
    texts = (*STATEMENTS[:2], "医生提出一个问题，没有可引用的审批资料，已转医学部（任务 9）。")
    visit = await summarised(stage.services, await stage.contact(), [mine], texts)
    await stage.write("UPDATE visit SET planned_at = begun_at, ended_at = ended_at + interval '1 hour'")
    assert other > mine
    return visit


@asynccontextmanager
async def answering(stage: Stage, says: Say, **more: Any) -> AsyncIterator[AssistantDouble]:
    async with assistant_double(says) as double:
        for name, value in more.items():
            setattr(double, name, value)
        await phrase_drafts(stage.services, stage.http, double.endpoint)
        yield double


async def bodies(stage: Stage) -> list[tuple[str, dict[str, Any]]]:
    services = stage.services
    rows = await stage.rows("SELECT kind, person_id, body_enc FROM visit_summary_version ORDER BY number")
    async with services.db.begin() as tx:
        return [
            (kind, json.loads(await services.vault.open_text(tx, person, bytes(body), "visit_summary.body")))
            for kind, person, body in rows
        ]


async def test_a_sentence_is_worded_anew_and_the_draft_is_kept(stage: Stage, draft: int) -> None:
    async with answering(stage, phrased) as double:
        await phrase_drafts(stage.services, stage.http, double.endpoint)
        assert len(double.asked) == 1, "a draft is asked for once"
    (_, before), (kind, after) = await bodies(stage)
    assert kind == "phrasing"
    assert [one["text"] for one in before["statements"]][:2] == list(STATEMENTS[:2])
    assert [one["text"] for one in after["statements"]] == [
        *(STATEMENTS[0], BETTER, before["statements"][2]["text"])
    ]
    assert after["statements"][1]["phrased"] and after["statements"][1]["turns"]
    assert await stage.rows("SELECT state, version FROM visit_summary") == [("draft", 2)]
    facts = await stage.rows("SELECT facts FROM evidence WHERE kind = 'summary.phrased'")
    assert facts == [({"model": "double-1", "kept": 1, "dropped": 0},)]


async def test_what_leaves_names_nobody_and_tells_nothing_that_went_elsewhere(
    stage: Stage, draft: int
) -> None:
    contact = await stage.contact()
    async with answering(stage, phrased) as double:
        sent = json.dumps(double.asked, ensure_ascii=False)
        assert SAID in sent
        for one in (
            NAME,
            PHONE,
            stage.phone.openid,
            str(contact.person_id),
            "T-1",
            "周代表",
            WITHHELD,
            "减重",
        ):
            assert one not in sent and one not in "".join(double.raw)
        assert KEY not in "".join(double.raw)
        assert {one["id"] for one in double.asked[0]["turns"]} == {1}, "numbers of its own"


HOSTILE: dict[str, Say] = {
    "invents": lambda q: said_of(q, "医生认可二甲双胍，承诺处方30盒。"),
    "denies": lambda q: said_of(q, "医生不担心肾功能不全的病人。"),
    "injects": lambda q: said_of(q, f"{BETTER}<img src=x onerror=alert(1)>"),
    "cites no turn": lambda q: said_of(q, BETTER, turns=[]),
    "cites a wrong turn": lambda q: said_of(q, BETTER, turns=[99]),
    "cites what is no turn": lambda q: said_of(q, BETTER, turns=["1"]),
    "cites true": lambda q: said_of(q, BETTER, turns=[True]),
    "of another sentence": lambda q: {"sentences": [{"of": 77, "text": BETTER, "turns": [1]}]},
    "of no number": lambda q: {"sentences": [{"of": "1", "text": BETTER, "turns": [1]}]},
    "no sentences": lambda q: {"sentences": "无"},
    "a list": lambda q: [1, 2],
    "no JSON": lambda q: "好的，以下是改写：",
    "deep": lambda q: "[" * 100_000,
    "nothing": lambda q: "",
    "an error": lambda q: web.json_response({"error": {"message": "overloaded"}}, status=503),
    "a redirect": lambda q: web.Response(status=307, headers={"Location": "http://127.0.0.1:9/"}),
    "no completion": lambda q: web.json_response({"choices": []}),
    "5 MB": lambda q: said_of(q, "担心" * 900_000),
    "html": lambda q: web.Response(text="<html>", content_type="text/html"),
}


def said_of(question: dict[str, Any], text: str, turns: list[Any] | None = None) -> dict[str, Any]:
    """Of the sentence that quotes the doctor."""
    place = next(one for one in question["sentences"] if SAID in one["text"])
    return {
        "sentences": [{"of": place["of"], "text": text, "turns": place["turns"] if turns is None else turns}]
    }


async def test_whatever_a_hostile_one_says_the_draft_stands(stage: Stage, draft: int) -> None:
    for name, says in HOSTILE.items():
        await stage.write("UPDATE visit_summary SET phrased_at = NULL")
        async with answering(stage, says) as double:
            assert len(double.asked) == 1, name
        assert [kind for kind, _ in await bodies(stage)] == ["draft"], name
    assert await stage.rows("SELECT state, version FROM visit_summary") == [("draft", 1)]


async def test_one_that_is_slow_away_or_refuses_the_key_holds_nothing_up(stage: Stage, draft: int) -> None:
    async with answering(stage, lambda _: None, timeout=0.3) as double:
        assert len(double.asked) == 1
    await stage.write("UPDATE visit_summary SET phrased_at = NULL")
    async with answering(stage, phrased, base_url="http://127.0.0.1:9/v1"):
        pass
    assert [kind for kind, _ in await bodies(stage)] == ["draft"]


async def test_of_many_sentences_those_without_support_are_dropped(stage: Stage, draft: int) -> None:
    def mixed(question: dict[str, Any]) -> dict[str, Any]:
        good, invented = phrased(question)["sentences"][0], said_of(question, "医生认可。")["sentences"][0]
        return {"sentences": [invented, good, good]}

    async with answering(stage, mixed):
        pass
    assert (await bodies(stage))[-1][1]["statements"][1]["text"] == BETTER
    facts = await stage.rows("SELECT facts->>'dropped' FROM evidence WHERE kind = 'summary.phrased'")
    assert facts == [("2",)]


async def test_a_colleague_who_was_first_is_not_overwritten(stage: Stage, draft: int) -> None:
    services = stage.services

    async def overtaken() -> None:
        async with services.db.begin() as tx:
            change = SentenceChange("1", "医生关心肾功能不全的病人。")
            await edit(tx, services.vault, draft, 1, change, "zhou", services.clock.now())

    async with answering(stage, phrased, before=overtaken):
        pass
    assert [kind for kind, _ in await bodies(stage)] == ["draft", "edit"]


async def test_old_drafts_and_those_under_review_are_left_alone(stage: Stage, draft: int) -> None:
    await stage.write("UPDATE visit_summary SET made_at = made_at - interval '2 hours'")
    async with answering(stage, phrased) as double:
        assert double.asked == []

"""拜访纪要 over HTTP: who sees which, what a review does, and what the server refuses whatever is shown."""

from __future__ import annotations

import io
import json
from importlib import import_module

import docx
import pytest

from bot.tasks import Kind, open_task
from bot.visits import VisitDocument, as_docx, as_json, changed_sentences
from tests.console.conftest import COOKIE, HOSTILE, Office, Visitor
from tests.summaries import SAID, STATEMENTS, summarised

NEW = "医生关心肾功能不全患者的用法用量，愿意再看一份资料。"


async def drafts(office: Office) -> dict[str, int]:
    """A draft of each of the two doctors; 周代表's shows the message that the phone sent."""
    ((message,),) = await office.stage.rows("SELECT id FROM inbox")
    return {
        "zhou": await summarised(office.stage.services, office.contacts["zhou"], [message]),
        "wu": await summarised(office.stage.services, office.contacts["wu"]),
    }


async def test_a_rep_finds_their_own_and_a_manager_the_teams(office: Office) -> None:
    made = await drafts(office)
    own = await (await office.as_("zhou")).get("/console/summaries")
    assert f'/summaries/{made["zhou"]}"' in own and f'/summaries/{made["wu"]}"' not in own
    assert "1 份待审阅" in own and "AI拜访" in own and "&lt;script&gt;" in own
    team = await (await office.as_("zheng")).get("/console/summaries")
    assert all(f'/summaries/{visit}"' in team for visit in made.values()) and "2 份待审阅" in team
    other = await (await office.as_("alien")).get("/console/summaries")
    assert "0 份待审阅" in other
    await (await office.as_("wu")).get(f"/console/summaries/{made['zhou']}", 404)
    await (await office.as_("wu")).post(f"/console/summaries/{made['zhou']}/approve", 404, version=1)
    await (await office.as_("wu")).get(f"/console/summaries/{made['zhou']}/file/docx", 404)
    reading = await (await office.as_("wei")).get(f"/console/summaries/{made['zhou']}")
    assert NEW not in reading and "批准，看下一份" not in reading, "medical reads and does not review"
    await (await office.as_("wei")).post(f"/console/summaries/{made['zhou']}/approve", 403, version=1)


async def test_a_draft_is_edited_approved_and_amended(office: Office) -> None:
    made = await drafts(office)
    visitor, path = await office.as_("zhou"), f"/console/summaries/{made['zhou']}"
    shown = await visitor.get(path)
    ((message,),) = await office.stage.rows("SELECT id FROM inbox")
    assert f'id="in-{message}"' in shown and f'data-shows="in-{message}' in shown
    await visitor.post(f"{path}/edit", version=1, part="1", text=NEW)
    await visitor.post(f"{path}/edit", version=2, part="3", text="约好下周再联系。")
    body = await visitor.get(path)
    assert "审阅中" in body and "无对应对话" in body and "同事修改" in body
    assert "<del>" in body and "<ins>" in body and "周代表" in body
    assert await visitor.post(f"{path}/approve", version=3) == ""
    approved = await visitor.get(path)
    assert "已批准" in approved and f"{path}/amend" in approved and f"{path}/edit" not in approved
    refused = await visitor.post(f"{path}/edit", 409, version=3, part="1", text="改一句。")
    assert "已经批准" in refused and "改一句。" in refused
    await visitor.post(f"{path}/amend", 422, version=3, part="1", text="改一句。", reason="")
    await visitor.post(f"{path}/amend", version=3, part="2", text="", reason="重复")
    assert "原因：重复" in await visitor.get(path)
    kinds = [
        kind for (kind,) in await office.stage.rows("SELECT kind FROM evidence WHERE kind LIKE 'summary.%'")
    ]
    assert {"summary.edited", "summary.approved", "summary.amended", "summary.read"} <= set(kinds)


async def test_after_an_approval_comes_the_next_draft_that_is_ones_own(office: Office) -> None:
    made = await drafts(office)
    again = await summarised(office.stage.services, office.contacts["zhou"])
    visitor = await office.as_("zhou")
    for visit, then in (
        (again, f"/console/summaries/{made['zhou']}"),
        (made["zhou"], "/console/summaries?done"),
    ):
        _, _, headers = await visitor.ask("POST", f"/console/summaries/{visit}/approve", data={"version": 1})
        assert headers["Location"] == then
    assert "没有其他待审阅" in await visitor.get("/console/summaries?done")


async def test_what_another_colleague_changed_meanwhile_is_not_overwritten(office: Office) -> None:
    made = await drafts(office)
    path = f"/console/summaries/{made['zhou']}"
    rep, manager = await office.as_("zhou"), await office.as_("zheng")
    await manager.post(f"{path}/edit", version=1, part="0", text="经理改过的话。")
    body = await rep.post(f"{path}/edit", 409, version=1, part="1", text=NEW)
    assert "经理改过的话。" in body and NEW in body
    assert "有了改动" in await rep.post(f"{path}/approve", 409, version=1)
    assert await office.stage.rows(
        "SELECT state, version FROM visit_summary WHERE visit_id = :id", id=made["zhou"]
    ) == [("in_review", 2)]


async def test_what_the_rules_forbid_is_marked_named_and_on_the_record(office: Office) -> None:
    made = await drafts(office)
    visitor, path = await office.as_("zhou"), f"/console/summaries/{made['zhou']}"
    text = "告诉医生二甲双胍是最好的降糖药，电话13900000001。"
    body = await visitor.post(f"{path}/edit", 422, version=1, part="1", text=text)
    assert '<mark class="hard">是最好</mark>' in body and "没有保存" in body and "13900000001" in body
    assert "最好" in await visitor.post(f"{path}/watch", 200, text=text)
    facts = await office.stage.rows("SELECT facts FROM evidence WHERE kind = 'summary.refused'")
    assert facts == [({"login": "zhou", "rules": ["absolute_claim"]},)]
    await visitor.post(f"{path}/approve", version=1)
    said = await visitor.post(f"{path}/amend", 422, version=1, part="1", text=NEW, reason="说是最好的药")
    assert "更正原因里有不符合规则的词句" in said


async def test_what_a_colleague_was_warned_of_and_saved_is_on_the_record(office: Office) -> None:
    made = await drafts(office)
    visitor, path = await office.as_("zhou"), f"/console/summaries/{made['zhou']}"
    await visitor.post(f"{path}/edit", version=1, part="1", text="医生的手机号是13900000001。")
    await visitor.post(f"{path}/edit", version=2, part="1", text=NEW)
    facts = await office.stage.rows("SELECT subject, facts FROM evidence WHERE kind = 'summary.warned'")
    assert facts == [(f"visit:{made['zhou']}", {"login": "zhou", "rules": ["personal_data"]})]


async def test_a_sentence_that_the_assistant_worded_says_so(office: Office) -> None:
    said = [{"text": "甲。", "turns": [1], "phrased": True}, {"text": "乙。", "turns": [1]}]
    visit = await summarised(office.stage.services, office.contacts["zhou"], statements=said)
    visitor, path = await office.as_("zhou"), f"/console/summaries/{visit}"
    assert (await visitor.get(path)).count("AI 润色") == 1
    await visitor.post(f"{path}/edit", version=1, part="0", text="丙。")
    body = await visitor.get(path)
    assert "AI 润色" not in body and "同事修改" in body


async def test_the_day_counts_them_and_the_doctors_page_leads_to_them(office: Office) -> None:
    made = await drafts(office)
    visitor = await office.as_("zhou")
    assert "审阅 1 份纪要" in await visitor.get("/console/")
    doctor = await visitor.get(f"/console/doctors/{office.doctors['zhou']}")
    assert f"/console/summaries/{made['zhou']}" in doctor
    await visitor.post(f"/console/summaries/{made['zhou']}/approve", version=1)
    assert "没有待审阅的纪要" in await visitor.get("/console/")
    assert "待审阅的拜访纪要" not in await (await office.as_("wei")).get("/console/")


async def file(visitor: Visitor, path: str) -> tuple[bytes, str]:
    async with visitor.http.get(
        visitor.url + path, headers={**visitor.headers, "Cookie": f"{COOKIE}={visitor.token}"}
    ) as answer:
        assert answer.status == 200
        return await answer.read(), answer.headers["Content-Disposition"]


async def test_to_watch_a_word_opens_no_version(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """While somebody types it is asked for again and again; nor does a change, or a file."""
    made = await drafts(office)
    visitor, path = await office.as_("zhou"), f"/console/summaries/{made['zhou']}"

    async def opened(*_: object) -> None:
        pytest.fail("the versions were opened")

    monkeypatch.setattr(import_module("bot.desk.summaries"), "versions", opened)  # not the room's function
    await visitor.post(f"{path}/watch", 200, text=NEW)
    await visitor.post(f"{path}/edit", version=1, part="1", text=NEW)
    told = json.loads((await file(visitor, f"{path}/file/json"))[0])
    assert told["statements"][1]["text"] == NEW
    assert await visitor.post(f"{path}/approve", version=2) == ""


async def test_it_is_downloaded_for_word_and_as_json(office: Office) -> None:
    made = await drafts(office)
    visitor, path = await office.as_("zhou"), f"/console/summaries/{made['zhou']}"
    data, disposition = await file(visitor, f"{path}/file/docx")
    assert disposition == f'attachment; filename="summary-{made["zhou"]}.docx"'
    opened = docx.Document(io.BytesIO(data))
    texts = [one.text for one in opened.paragraphs]
    assert texts[0] == "拜访纪要" and "不计入代表本人的拜访" in texts[1]
    assert all(one in texts for one in STATEMENTS)
    assert HOSTILE in opened.tables[0].cell(0, 1).text
    told = json.loads((await file(visitor, f"{path}/file/json"))[0])
    assert (told["state"], told["label"], told["doctor"]) == ("draft", "AI拜访", HOSTILE)
    assert SAID in told["statements"][1]["text"]
    await visitor.get(f"{path}/file/pdf", 404)
    rows = await office.stage.rows("SELECT facts->>'file' FROM evidence WHERE kind = 'summary.downloaded'")
    assert rows == [("docx",), ("json",)]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("头\x00疼\x1b", "头\ufffd疼\ufffd"),
        ("半个\ud83d字", "半个\ufffd字"),
        ("半个\udc00字\ufffe", "半个\ufffd字\ufffd"),
        ("😀 谢谢 👩‍⚕️", "😀 谢谢 👩‍⚕️"),
        ("<w:t>&amp;", "<w:t>&amp;"),
    ],
)
def test_no_character_breaks_a_file(said: str, shown: str) -> None:
    parts = {"label": "AI拜访", "time": "2026-11-29T10:00:00+08:00", "channel": "微信", "topic": said}
    more = {
        "questions": [{"question": said, "answers": [], "documents": [said], "turns": [1]}],
        "reason": said,
    }
    ends = {"attitude": said, "next_step": said, "requests": ["adverse_event:7"]}
    statements = [{"text": said, "turns": [1]}]
    of = VisitDocument(
        1, "", said, said, said, "draft", 1, "", None, {**parts, **more, **ends, "statements": statements}
    )
    opened = docx.Document(io.BytesIO(as_docx(of)))
    texts = [one.text for one in opened.paragraphs]
    assert shown in texts and f"下一步：{shown}" in texts and "相关任务（只列编号）：药物警戒 7" in texts
    assert opened.tables[1].cell(0, 0).text == shown
    assert json.loads(as_json(of))["statements"] == statements
    fields = {"label": "代表拜访", "visited_at": parts["time"], "place": said, "topics": said}
    fields |= {"discussed": said, "next_step": said, "reason": said}
    own = docx.Document(
        io.BytesIO(as_docx(VisitDocument(1, "", said, "", "", "draft", 1, "", None, fields, said)))
    )
    assert shown in [one.text for one in own.paragraphs] and own.tables[0].cell(1, 1).text == shown


def test_a_difference_is_told_by_sentence() -> None:
    before = {
        "statements": [{"text": "甲。"}, {"text": "医生关心用法。"}, {"text": "丙。"}],
        "next_step": "无",
    }
    after = {"statements": [{"text": "甲。"}, {"text": "医生很关心用法。"}], "next_step": "联系"}
    told = [
        (
            one.part,
            "".join(
                {"same": "", "taken": "-", "added": "+"}[piece.kind] + piece.text for piece in one.pieces
            ),
        )
        for one in changed_sentences(before, after)
    ]
    assert told == [("", "医生+很关心用法。"), ("", "-丙。"), ("next_step", "-无+联系")]


async def test_a_question_that_went_to_medical_information_is_not_read_beside_it(office: Office) -> None:
    stage = office.stage
    ((message,),) = await stage.rows("SELECT id FROM inbox")
    await stage.write(
        "INSERT INTO turn (id, contact_id, state, fence, lease_until, started_at, route) "
        "VALUES (gen_random_uuid(), :contact, 'done', 1, now(), now(), 'medical_information')",
        contact=office.contacts["zhou"].id,
    )
    await stage.write("UPDATE inbox SET turn_id = (SELECT id FROM turn)")
    visit = await summarised(stage.services, office.contacts["zhou"], [message])
    async with stage.services.db.begin() as tx:
        now = stage.services.clock.now()
        kind = Kind.MEDICAL_INFORMATION
        await open_task(tx, stage.services.vault, kind, now=now, contact=office.contacts["zhou"])
    body = await (await office.as_("zhou")).get(f"/console/summaries/{visit}")
    assert "此问题已转医学部" in body and "二甲双胍的资料有吗" not in body
    assert "二甲双胍的资料有吗" in await (await office.as_("wei")).get(f"/console/summaries/{visit}")

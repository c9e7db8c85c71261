"""A person's data: nothing clear at rest, and all of it handed over on request."""

from __future__ import annotations

import json

from sqlalchemy import update

from bot.privacy import export_person
from bot.store.tables import task
from tests.privacy.life import ADVERSE, BEFORE, NAME, NEEDLES, OPENID, PHONE, QUESTION, Life, find, readable


async def test_nothing_rests_in_clear(life: Life) -> None:
    assert await find(life.services, *NEEDLES) == []
    assert await find(life.services, "虚构县青石医院") == [
        "doctor.hospital"
    ]  # the search finds what is clear
    opened = await readable(life.services, life.services.vault, {life.newcomer, life.doctor})
    assert set(opened) == {
        *("contact", "conversation", "doctor", "effect", "evidence", "inbox", "offer", "outbox", "task"),
        *("suggestion", "change_request", "visit_summary", "visit_summary_version"),
        *("own_visit", "own_visit_version", "crm_delivery"),
        "chat_note",
        *("medical_request", "medical_step"),
    }


async def test_the_export_holds_all_of_it_in_order(life: Life) -> None:
    services = life.services
    document = await export_person(services.db, services.vault, external_id="D1")
    assert json.loads(json.dumps(document)) == document
    assert document["profile"]["name"] == NAME and document["profile"]["phone"] == PHONE
    assert document["profile"]["rep"] == "王代表"
    assert document["verification"]["by"] == "code"
    assert [c["address"] for c in document["contacts"]] == [OPENID]
    texts = [m["text"] for m in document["messages"] if m["direction"] == "in"]
    assert texts == [BEFORE, QUESTION, ADVERSE]
    times = [m["at"] for m in document["messages"]]
    assert times == sorted(times)
    answers = [m["text"] for m in document["messages"] if m["direction"] == "out" and m["text"]]
    assert services.published.dialogue.text("utter_thanks") in answers
    assert {t["kind"] for t in document["tasks"]} == {"identity", "adverse_event"}
    assert any(ADVERSE in (t["detail"] or "") for t in document["tasks"])
    (visit,) = document["visits"]
    assert visit["summary"] == {"next_step": "只属于纪要的话"} and visit["noticed"][0]["value"] == "dose"
    assert [(one["kind"], one["says"]) for one in visit["versions"]] == [("draft", visit["summary"])]
    (request,) = document["requests"]
    assert (request["question"], request["wish"], request["off_label"]) == ("只属于问询的话", "phone", True)
    assert [(one["kind"], one["says"]) for one in request["steps"]] == [("saved", {"text": "只属于答复的话"})]
    assert [(tag["name"], tag["value"]) for tag in document["tags"]] == [("format", "brief")]
    assert document["suggestions"][0]["note"] == "只属于建议的话"
    assert document["change_requests"][0]["wanted"] == "只属于更正的话"
    for store in ("events", "affiliations", "engagement"):
        assert len(document[store]) == 1, store
    assert {"message.received", "doctor.verified"} <= {r["kind"] for r in document["record"]}
    assert (await export_person(services.db, services.vault, person_id=life.newcomer)) == {
        **document,
        "person": str(life.newcomer),
    }


async def test_the_search_for_clear_text_can_fail(life: Life) -> None:
    async with life.services.db.begin() as tx:
        await tx.execute(update(task).values(outcome=f"{NAME}来过"))
    assert "task.outcome" in await find(life.services, *NEEDLES)

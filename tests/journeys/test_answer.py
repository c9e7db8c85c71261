"""A doctor on WeChat asks, and the approved, sourced answer comes back through every real part."""

from __future__ import annotations

import json

import aiohttp
import psycopg

from bot.service.postgres import Cluster
from tests.phone import Phone, shown
from tests.running import Service


async def test_the_first_answer_is_sourced_and_says_who_speaks(
    http: aiohttp.ClientSession, service: Service
) -> None:
    phone = Phone(http, service.url, "oSbx1Dctr_LiYi0000000000002b")
    answer = await phone.ask("二甲双胍肾功能不全能用吗")
    assert "AI" in answer and "不是真人" in answer
    assert "eGFR" in answer
    assert "来源" in answer and "说明书" in answer and "演示版" in answer and "【" in answer
    assert "示例制药" in answer
    again = await phone.ask("氨氯地平漏服了怎么办")
    assert "不是真人" not in again, "it introduces itself once"
    assert "氨氯地平" in again


async def test_the_answer_rides_on_the_connection_that_brought_the_question(doctor: Phone) -> None:
    await doctor.send(type="text", content="缬沙坦孕妇能用吗", wait=True)
    (item,) = await doctor.next()
    assert item["via"] == "passive"
    assert "妊娠" in item["text"] or "孕" in item["text"]


async def test_an_unclear_question_offers_choices_and_a_number_picks_one(doctor: Phone) -> None:
    asked = await doctor.ask("阿托伐他汀")
    assert "1." in asked and "医学信息部" in asked
    picked = await doctor.ask("１")
    assert "来源" in picked, picked


async def test_questions_of_one_message_and_what_follows_them(doctor: Phone) -> None:
    both = await doctor.ask("阿托伐他汀肝病能用吗 缬沙坦孕妇能用吗")
    assert both.count("来源：") == 2
    assert both.index("阿托伐他汀钙片说明书") < both.index("缬沙坦胶囊说明书")
    assert "氨氯地平片说明书" in await doctor.ask("氨氯地平起始剂量是多少")
    assert "阿托伐他汀钙片说明书" in await doctor.ask("打错了 我是说阿托伐他汀")
    assert "药物安全" in await doctor.ask("有个病人吃氨氯地平脚肿了")
    assert "氨氯地平片说明书" in await doctor.ask("那最大剂量多少"), "the product outlives the case"
    assert "1." not in await doctor.ask("附近哪有停车场")


async def test_off_label_is_never_answered(doctor: Phone, service: Service) -> None:
    reply = await doctor.ask("没有糖尿病的人可以吃二甲双胍减肥吗")
    assert "医学信息部" in reply and "前答复您" in reply
    assert "来源" not in reply
    assert "medical_information" in service.prints("tasks")


async def test_text_that_looks_like_a_command_is_text(doctor: Phone) -> None:
    for text in ("/restart", " /greet", "{drug}", "]]></Content><x>", "/session_start", "😀" * 40):
        assert await doctor.ask(text), text
    # the conversation is whole after it
    assert "来源" in await doctor.ask("阿托伐他汀肝病患者能用吗")


async def test_a_hundred_thousand_characters_are_answered_sensibly(doctor: Phone) -> None:
    assert await doctor.ask("二甲双胍肾功能不全能用吗" + "好" * 100_000)


async def test_a_source_can_be_asked_for(doctor: Phone) -> None:
    await doctor.ask("二甲双胍肾功能不全能用吗")
    assert "说明书" in await doctor.ask("出处是哪里")


async def test_a_red_flag_is_answered_at_once_and_reaches_a_person(doctor: Phone, service: Service) -> None:
    reply = await doctor.ask("我现在胸口疼得厉害，喘不上气")
    assert "120" in reply
    assert '"emergency"' in service.prints("tasks")


async def test_an_adverse_event_is_recorded_and_not_reassured(doctor: Phone, service: Service) -> None:
    reply = await doctor.ask("我有个病人吃了二甲双胍以后拉肚子拉得很厉害")
    assert "24小时" in reply and "药物安全" in reply
    assert '"adverse_event"' in service.prints("tasks")


async def test_stop_and_resume(doctor: Phone) -> None:
    assert "退订" in await doctor.ask("退订")
    assert "来源" in await doctor.ask("氨氯地平老年人用量"), "their own question is still answered"
    assert "恢复" in await doctor.ask("恢复接收")


async def test_each_message_delivered_three_times_at_once_is_answered_once(
    doctor: Phone, http: aiohttp.ClientSession, service: Service
) -> None:
    async with http.post(f"{service.url}/sandbox/control/faults", json={"webhook": {"copies": 3}}) as answer:
        assert answer.status == 200
    for question in ("二甲双胍和酒能一起吗", "氨氯地平怎么保存", "缬沙坦会引起高血钾吗"):
        await doctor.send(type="text", content=question)
        await doctor.next()
    await doctor.silent(4)


async def test_a_lost_answer_is_offered_to_the_retry_and_shown_once(
    doctor: Phone, http: aiohttp.ClientSession, service: Service
) -> None:
    fault = {"webhook": {"drop_responses": 1, "timeout_seconds": 1}}
    async with http.post(f"{service.url}/sandbox/control/faults", json=fault) as answer:
        assert answer.status == 200
    reply = await doctor.ask("缬沙坦的起始剂量是多少")
    assert "来源" in reply
    await doctor.silent(3)


async def test_pictures_get_an_honest_word(doctor: Phone) -> None:
    await doctor.send(type="image")
    (item,) = await doctor.next()
    assert "看不了" in shown(item)


async def test_a_turn_leaves_a_record_of_what_was_made_of_it(doctor: Phone, service: Service) -> None:
    await doctor.ask("二甲双胍肾功能不全能用吗")
    await doctor.ask("转人工")
    async with await psycopg.AsyncConnection.connect(Cluster(service.home).url()) as connection:
        rows = await connection.execute(
            "SELECT intent, route, entries, model, confidence, actions, slots ->> 'audience', entities_enc"
            " FROM turn ORDER BY started_at DESC LIMIT 2"
        )
        handed_over, answered = await rows.fetchall()
    intent, route, entries, model, confidence, actions, audience, entities = answered
    assert (intent, route, actions, audience) == ("ask_product", "answer", ["action_answer"], "doctor")
    assert len(entries) == 1 and entries[0].startswith("metformin") and len(model) == 12
    assert 0 < confidence <= 1 and entities and "二甲双胍".encode() not in entities
    assert (handed_over[0], handed_over[1], handed_over[2]) == ("ask_human", "human", [])


async def test_what_was_sent_is_seen_from_outside_without_its_words(doctor: Phone, service: Service) -> None:
    await doctor.ask("氨氯地平漏服了怎么办")
    contact = f"wechat:sandbox:{doctor.openid}"
    *_, line = [json.loads(row) for row in service.prints("messages", "--contact", contact).splitlines()]
    assert (line["purpose"], line["lane"], line["state"]) == ("reply", "reply", "sent")
    assert line["basis"].startswith("content:amlodipine") and line["sent_at"] and line["reason"] is None
    assert set(line) == {
        *("id", "purpose", "lane", "basis", "state"),
        *("reason", "not_before", "due", "sent_at"),
    }
    assert service.prints("timers", "--contact", contact) == ""
    unknown = service.medrep("messages", "--contact", "wechat:sandbox:nobody")
    assert unknown.returncode == 2 and "nobody has written" in unknown.stderr

"""Talk about the talk: waiting, silence, short texts, what was said, and what is not understood."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from tests.journeys.conftest import Meet
from tests.phone import Phone
from tests.running import Service

Doctor = Callable[[], Awaitable[Phone]]


@pytest.fixture
def doctor(meet: Meet) -> Doctor:
    """A new verified doctor, who has read who we are."""

    async def made() -> Phone:
        return (await meet()).phone

    return made


async def test_waiting_reads_the_open_request(doctor: Doctor, service: Service) -> None:
    phone = await doctor()
    none = await phone.ask("谁联系我")
    assert "没有" in none and "找同事" in none, "nothing is open: a colleague is offered"
    first = await phone.ask("转人工")
    assert "周代表" in first
    due = first.partition("预计")[2].partition("前")[0]
    for words in ("多久能联系我 现在就要", "谁联系我", "到哪了"):
        told = await phone.ask(words)
        assert due in told and "周代表" in told and told != first, words
    await phone.ask("二甲双胍能减肥吗")
    told = await phone.ask("医学信息部什么时候回我")
    assert "医学信息部" in told and "周代表" not in told
    both = await phone.ask("到哪一步了")
    assert "医学信息部" in both and "周代表" in both


async def test_silence_until_a_colleague_answers(doctor: Doctor, service: Service) -> None:
    phone = await doctor()
    assert "周代表" in await phone.ask("转人工")
    assert len(await phone.ask("你先别说话 等人来")) < 40
    await phone.send(type="text", content="二甲双胍肾功能不全能用吗", wait=True)
    await phone.send(type="text", content="还要多久", wait=True)
    await phone.send(type="image", wait=True)
    await phone.silent(2.5)
    assert "120" in await phone.ask("测不到血压 四肢冰凉 胸口疼得厉害，出冷汗")
    assert "退订" in await phone.ask("退订")
    await phone.send(type="text", content="氨氯地平漏服了怎么办", wait=True)
    await phone.silent(1.5)
    contact = f"wechat:sandbox:{phone.openid}"
    service.prints("staff", "add", "zhou-talk", "--role", "rep")
    service.prints("takeover", contact, "--as", "zhou-talk")
    service.prints("takeover", contact, "--as", "zhou-talk", "--end")
    assert "来源" in await phone.ask("二甲双胍肾功能不全能用吗"), "a colleague has been there"


async def test_they_end_the_silence_themselves(doctor: Doctor) -> None:
    phone = await doctor()
    await phone.ask("转人工")
    await phone.ask("别说话了")
    await phone.send(type="text", content="在吗", wait=True)
    await phone.silent(1.5)
    assert "您请说" in await phone.ask("不等了，你说吧")
    await phone.ask("别说话了")
    assert "来源" in await phone.ask("你说吧，缬沙坦孕妇能用吗"), "the question with it is answered"
    assert "来源" in await phone.ask("二甲双胍肾功能不全能用吗")


async def test_without_a_request_nothing_is_silenced(doctor: Doctor) -> None:
    phone = await doctor()
    assert "好的" in await phone.ask("别说话了")
    assert "来源" in await phone.ask("缬沙坦孕妇能用吗")


async def test_nothing_fixed_is_said_twice(doctor: Doctor) -> None:
    phone = await doctor()
    heard = [await phone.ask(words) for words in ("是真人吗", "你是机器人吗", "你到底是不是真人")]
    heard += [await phone.ask(words) for words in ("谢谢", "谢谢你", "多谢")]
    heard += [await phone.ask(words) for words in ("答得不错", "很有帮助", "真棒")]
    heard += [await phone.ask(words) for words in ("什么破机器人", "烦死了", "气死我了")]
    assert len(set(heard)) == len(heard), heard


async def test_a_second_miss_offers_a_colleague_and_a_third_calls_one(
    http: aiohttp.ClientSession, service: Service
) -> None:
    phone = await Phone.newcomer(http, service.url, "口齿不清", "sandbox-patient")
    await phone.ask("你好")
    misses = [await phone.ask(words) for words in ("阿巴阿巴",) * 3]
    assert len(set(misses)) == 3, misses
    assert "找工作人员" not in misses[0].partition("\n")[2]
    assert "找工作人员" in misses[1].partition("\n")[2], "below the text, to pick"
    assert "值班同事" in misses[2] and "找工作人员" not in misses[2].partition("\n")[2], (
        "nothing to pick any more"
    )


async def test_short_texts_are_kept(doctor: Doctor) -> None:
    phone = await doctor()
    assert "短" in await phone.ask("说短点")
    assert len(await phone.ask("是真人吗")) < 30
    assert "来源" in await phone.ask("二甲双胍肾功能不全能用吗"), "approved text is whole"
    assert "原来的长度" in await phone.ask("说详细点")
    assert len(await phone.ask("你是机器人吗")) > 30


async def test_a_file_that_we_have_not_is_a_request(doctor: Doctor) -> None:
    phone = await doctor()
    await phone.ask("缬沙坦起始剂量是多少")
    first = await phone.ask("完整版发我")
    assert "医学信息部" in first and "前答复您" in first
    due = first.partition("预计")[2].partition("前")[0]
    assert due in await phone.ask("发到我邮箱"), "the same request"
    assert due in await phone.ask("资料什么时候给我")


async def test_a_material_is_sent_at_once(
    doctor: Doctor, http: aiohttp.ClientSession, service: Service
) -> None:
    """As a link to a page of ours; which product is meant is asked, if nothing was said of one."""
    phone = await doctor()
    assert "哪个产品" in await phone.ask("有资料吗")
    await phone.ask("缬沙坦起始剂量是多少")
    told = await phone.ask("发PDF")
    assert "缬沙坦胶囊说明书要点" in told and "仅供医学药学专业人士阅读" in told
    link = re.search(r"https?://\S+/m/[0-9]+-[a-p]{32}", told)
    assert link is not None and link[0].startswith(service.url)
    async with http.get(link[0]) as page:
        assert page.status == 200
        assert "缬沙坦胶囊" in await page.text()
    assert "二甲双胍与肾功能" in await phone.ask("发张二甲双胍的图")
    contact = f"wechat:sandbox:{phone.openid}"
    sent = (await asyncio.to_thread(service.prints, "materials", "--contact", contact)).splitlines()
    assert [json.loads(one)["material"] for one in sent] == ["metformin-renal-picture", "valsartan-digest"]
    assert {json.loads(one)["opens"] for one in sent} == {0}, "no browser has shown it"
    listed = [json.loads(one) for one in (await asyncio.to_thread(service.prints, "materials")).splitlines()]
    assert next(one for one in listed if one["id"] == "valsartan-digest")["sent"] >= 1


async def test_what_was_said(doctor: Doctor) -> None:
    phone = await doctor()
    denied = await phone.ask("你刚才不是说二甲双胍能减肥吗 再说一遍")
    assert "没有说过" in denied and "记录" not in denied
    answer = await phone.ask("二甲双胍肾功能不全能用吗")
    again = await phone.ask("你刚才不是说肾功能不全能用二甲双胍吗")
    assert answer in again and again != answer
    await phone.ask("谢谢")
    assert await phone.ask("再发一遍") == answer
    assert "没有说过" in await phone.ask("你刚才说二甲双胍能减肥，对吧")
    handed = await phone.ask("转人工")
    assert await phone.ask("再发一遍") == handed

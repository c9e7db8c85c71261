"""Journeys of a doctor through the running service, as tables: what is said, and what the reply must hold.

A step is (said, must...): each `must` has to stand in the reply, `!` before it: must not. `task KIND: TEXT`
looks at the newest task of that kind instead: its detail must hold the text. Every journey goes on in a chat
that earlier ones may have used, so each begins with a question of its own.
"""

from __future__ import annotations

import json
from pathlib import Path

import aiohttp
import pytest

from tests.phone import Phone
from tests.running import Service

ROOMS = {  # verified by their import; the spine talks to 陈甲 and 李乙
    "wang": "oSbx1Dctr_WangBing0000000003",
    "zhao": "oSbx1Dctr_ZhaoDing000000004c",
    "ouyang": "oSbx1Dctr_OuYangWu00000000-5",
    "patient": "oSbx2Ptnt_ZhengShiFu000002gG",
}
Step = tuple[str, ...]

JOURNEYS: dict[tuple[str, str], list[Step]] = {
    ("wang", "a follow-up needs no product, and may change it"): [
        ("二甲双胍肾功能不全能用吗", "eGFR", "来源", "盐酸二甲双胍片说明书", "KDIGO"),
        ("那肝功能不好呢", "乳酸", "盐酸二甲双胍片说明书"),
        ("最大量", "2550mg"),
        ("二甲双胍和华法林", "抗凝"),
        ("那氨氯地平呢", "苯磺酸氨氯地平片说明书", "华法林"),
        ("那肾不好呢", "苯磺酸氨氯地平片说明书", "!KDIGO"),
        ("出处", "苯磺酸氨氯地平片说明书", "有效期至"),
        ("再说一遍", "来源", "苯磺酸氨氯地平片说明书"),
    ],
    ("wang", "a product that was only named is what follows is about"): [
        ("缬沙坦胶囊能打开吗", "缬沙坦胶囊说明书"),
        ("二甲双胍", "1.", "都不是"),
        ("孕妇能用吗", "盐酸二甲双胍片说明书", "!缬沙坦"),
    ],
    ("wang", "a class that is not that of the last product changes the subject"): [
        ("阿托伐他汀晚上吃吗", "阿托伐他汀钙片说明书"),
        ("沙坦类孕妇能用吗", "缬沙坦", "!来源"),
        ("是的", "缬沙坦胶囊说明书", "妊娠"),
    ],
    ("wang", "choices: a number, a no, a yes"): [
        ("阿托伐他汀", "1.", "2.", "3.", "都不是，转医学信息部"),
        ("好的", "您想问的是"),
        ("2", "来源", "10mg"),
        ("格华止", "1."),
        ("算了不用了", "!转给医学信息部"),
        ("格华止", "1."),
        ("都不是", "医学信息部", "前答复您"),
        ("task medical_information: 格华止",),
        ("5", "选项已经用过", "!来源"),
    ],
    ("wang", "the subject changes in the middle of a clarification"): [
        ("缬沙坦", "1."),
        ("对了你们代表什么时候来", "吴代表", "前联系您"),
        ("氨氯地平掰开吃行吗", "苯磺酸氨氯地平片说明书"),
    ],
    ("wang", "medical information on the question just answered"): [
        ("二甲双胍肾功能不全能用吗", "医学信息"),
        ("好的", "!医学信息部"),
        ("医学信息", "已把您的问题转给医学信息部", "前答复您"),
        ("task medical_information: 二甲双胍肾功能不全能用吗",),
    ],
    ("zhao", "off-label is handed over and said so, known or not"): [
        ("二甲双胍能减肥吗", "不在说明书批准的范围内", "医学信息部", "前答复您", "!来源"),
        ("task medical_information: [超说明书] 二甲双胍能减肥吗",),
        ("氨氯地平能治耳鸣吗", "不在说明书批准的范围内", "!来源"),
        ("阿托伐他汀肝病能用吗", "来源"),
        ("那能治白癜风吗", "不在说明书批准的范围内", "!来源"),
    ],
    ("zhao", "another company's product has no approved material here"): [
        ("拜新同能掰开吗", "不是我公司的产品", "医学信息部", "!来源"),
        ("好的", "已把您的问题转给医学信息部"),
        ("task medical_information: 拜新同能掰开吗",),
        ("二甲双胍饭前吃吗", "随餐"),
        ("科素亚肾功能不全能用吗", "不是我公司的产品", "!eGFR"),
    ],
    ("zhao", "no comparison, no benefit, no decision for one patient"): [
        ("络活喜和拜新同哪个好", "不对不同药品作比较", "!来源"),
        ("开你们的药有提成吗", "和处方无关", "!来源"),
        ("患者血压150/95，已经吃氨氯地平5mg，要不要加到10", "不能代为决定", "说明书"),
        ("你看这个病人该不该住院", "!来源"),
    ],
    ("zhao", "adverse events are taken down, not explained away"): [
        ("我有个病人吃了氨氯地平脚肿了", "24小时", "药物安全", "!没关系", "!正常现象", "!来源"),
        ("task adverse_event: 吃了氨氯地平脚肿了",),
    ],
    ("wang", "a case, its question, and its details afterwards"): [
        ("病人吃氨氯地平脚肿了", "药物安全", "请补充：年龄、性别、用法用量", "120", "!用的药"),
        ("那最大剂量多少", "10mg", "苯磺酸氨氯地平片说明书", "!药物安全"),
        ("那个病人女的 63岁 每天5mg", "已补充", "请补充：什么时候开始", "!年龄"),
        ("task adverse_event: 病人吃氨氯地平脚肿了\n那个病人女的 63岁 每天5mg",),
        ("三年前有个男病人吃立普妥横纹肌溶解 没报", "药物安全", "!120", "!性别"),
        ("喝了冷饮后胃胀怎么办", "!药物安全"),
        ("缬沙坦吃了多久起效", "!药物安全"),
        ("阿托伐他汀吃了会掉头发吗", "!药物安全"),
        ("吃氨氯地平没有水肿", "!药物安全"),
        ("批号240315的缬沙坦 铝箔里是空的", "保留药品和包装", "!120", "!请补充"),
    ],
    ("zhao", "people and rights"): [
        ("谁让你们有我电话的", "登记", "导出我的数据"),
        ("让吴代表给我打电话", "吴代表", "前联系您"),
        ("你是机器人吗", "不是真人"),
        ("最近有没有会", "基层高血压规范管理学术交流", "想参加"),
        ("你们有哪些产品", "二甲双胍", "氨氯地平", "缬沙坦", "阿托伐他汀"),
    ],
    ("ouyang", "dictated, misheard, short, rude, English"): [
        ("嗯那个氨绿地平腿肿咋整啊", "苯磺酸氨氯地平片说明书"),
        ("二甲双瓜饭前饭后", "随餐"),
        ("谢沙坦孕妇", "妊娠期禁用"),
        ("amlodipine in pregnancy?", "苯磺酸氨氯地平片说明书"),
        ("漏服", "苯磺酸氨氯地平片说明书", "!开药的医生"),
        ("喝酒", "来源"),
        ("滚", "抱歉"),
        ("高血压分几级", "!来源", "!说明书批准的范围"),
        ("谢谢", "不客气"),
    ],
    ("patient", "a patient reads nothing of a prescription medicine"): [
        ("二甲双胍怎么吃", "医生", "药师", "!来源", "!mg"),
        ("我头晕", "医生", "120", "!氨氯地平"),
        ("今天忘吃药了", "医生"),
        ("你们有什么药", "!二甲双胍"),
        ("医学信息", "!医学信息部"),
        ("血压145/90", "不能判断"),
    ],
}


@pytest.mark.parametrize(("who", "name"), JOURNEYS)
async def test_journey(http: aiohttp.ClientSession, service: Service, who: str, name: str) -> None:
    account = "sandbox-patient" if who == "patient" else "sandbox"
    phone = Phone(http, service.url, ROOMS[who], account)
    phone.replies_read = len(await phone.replies())
    for words, *musts in JOURNEYS[who, name]:
        if words.startswith("task "):
            kind, _, detail = words.removeprefix("task ").partition(": ")
            assert detail in newest(service, kind), words
            continue
        reply = await phone.ask(words)
        for must in musts:
            if must.startswith("!"):
                assert must[1:] not in reply, (words, must, reply)
            else:
                assert must in reply, (words, must, reply)


def newest(service: Service, kind: str) -> str:
    """The detail of the newest task of this kind."""
    tasks = [json.loads(line) for line in service.prints("tasks").splitlines()]
    return str(max((task for task in tasks if task["kind"] == kind), key=lambda task: task["id"])["detail"])


async def test_a_question_about_an_adverse_event_is_answered_after_it_is_taken_down(
    http: aiohttp.ClientSession, service: Service
) -> None:
    phone = Phone(http, service.url, ROOMS["zhao"])
    phone.replies_read = len(await phone.replies())
    reply = await phone.ask("二甲双胍吃了拉肚子怎么处理", count=2)
    assert "药物安全" in reply
    assert "来源" in reply and "胃肠道" in reply
    reply = await phone.ask("转氨酶高2倍 继续吃阿托伐他汀没事吧", count=2)
    assert "药物安全" in reply and "没事" not in reply
    assert "阿托伐他汀" in reply.partition("药物安全")[2], reply


async def test_somebody_verified_while_the_form_is_open_is_answered(
    http: aiohttp.ClientSession, service: Service, tmp_path: Path
) -> None:
    """Half-way through the form the list brings their openid: the next words are a question, no part."""
    phone = await Phone.newcomer(http, service.url, "半路医生")
    assert "邀请码" in await phone.ask("你好")
    assert "还差医院" in await phone.ask("我叫钱十一")
    row = f"钱十一,虚构镇卫生院,13900007777,周代表（演示）,wechat:sandbox,{phone.openid},T-HALFWAY"
    list_file = tmp_path / "list.csv"
    list_file.write_text(f"姓名,医院,手机,负责代表,渠道,渠道账号,外部编号\n{row}\n", encoding="utf-8")
    service.prints("import-doctors", list_file)
    assert "来源" in await phone.ask("二甲双胍肾功能不全能用吗")
    assert "来源" in await phone.ask("那肝功能不好呢")

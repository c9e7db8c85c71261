"""What doctors answer to the question of a step."""

from __future__ import annotations

import pytest

from bot.visits import Step, is_somebody_else, objection_of, value_of

NEED, REACTION, NEXT = Step.NEED, Step.REACTION, Step.NEXT


@pytest.mark.parametrize(
    ("step", "text", "value"),
    [
        (NEED, "用法用量", "dose"),
        (NEED, "主要是肾功能不好的老人", "people"),
        (NEED, "副作用吧", "reactions"),
        (NEED, "和格列美脲联用", "together"),
        (NEED, "随便", ""),
        (REACTION, "有帮助", "helpful"),
        (REACTION, "有点用", "helpful"),
        (REACTION, "挺有用的，谢谢", "helpful"),
        (REACTION, "👍", "helpful"),
        (REACTION, "👍🏻👍🏻", "helpful"),
        (REACTION, "[强]", "helpful"),
        (REACTION, "👌", "noted"),
        (REACTION, "[OK]", "noted"),
        (REACTION, "嗯嗯", "noted"),
        (REACTION, "好的", "noted"),
        (REACTION, "知道了", "noted"),
        (REACTION, "一般吧", "so_so"),
        (REACTION, "这个早知道了", "so_so"),
        (REACTION, "不太认同", "objection"),
        (REACTION, "木有啥用", "objection"),
        (REACTION, "有啥好处没有", ""),
        (REACTION, "一般病人都不听", ""),
        (REACTION, "我爱好打球", ""),
        (REACTION, "不用了", ""),
        (NEXT, "发一份资料", "material"),
        (NEXT, "发我看看", "material"),
        (NEXT, "请代表联系我", "rep"),
        (NEXT, "让代表打电话给我", "rep"),
        (NEXT, "有会议通知我", "meeting"),
        (NEXT, "想参加学术会议", "meeting"),
        (NEXT, "给我来份详细点的资料吧", "material"),
        (NEXT, "想和代表聊聊", "rep"),
        (NEXT, "发个讲肾功能的资料", "material"),
        (NEXT, "帮我报名学术会议", "meeting"),
        (NEXT, "下次有学术会叫我", "meeting"),
        (NEXT, "会议吧", "meeting"),
        (NEXT, "资料看过了", ""),
        (NEXT, "资料我自己有", ""),
        (NEXT, "我有资料", ""),
        (NEXT, "收到资料了", ""),
        (NEXT, "我在写材料", ""),
        (NEXT, "现在开会", ""),
        (NEXT, "我有会", ""),
        (NEXT, "学术会议太多了", ""),
        (NEXT, "我去过培训", ""),
        (NEXT, "刚开完会议", ""),
        (NEXT, "最近忙会议", ""),
        (NEXT, "我们医院有培训", ""),
        (NEXT, "懒得参加会议", ""),
        (NEXT, "不用了，谢谢", "none"),
        (NEXT, "没了", "none"),
        (NEXT, "不用咧", "none"),
        (NEXT, "我在开会", ""),
        (NEXT, "代表好久没来了", ""),
        (NEXT, "资料里没写清楚", ""),
    ],
)
def test_an_answer_names_a_value_by_whole_clauses(step: Step, text: str, value: str) -> None:
    assert value_of(step, text) == value


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("太贵了", "price"),
        ("我们这儿病人都嫌贵", "price"),
        ("副作用有点大", "reactions"),
        ("指南没推荐吧", "guideline"),
        ("证据不足", "guideline"),
        ("我们医院没有这个药", "absent"),
        ("药房没货", "absent"),
        ("贵院好", ""),
        ("我们医院没有意见", ""),
        ("副作用", ""),
        ("指南推荐的", ""),
    ],
)
def test_an_objection_is_named(text: str, name: str) -> None:
    assert objection_of(text) == name


@pytest.mark.parametrize("text", ["你发错人了吧", "打错了", "我不是医生", "找错人了", "不认识你"])
def test_who_was_not_meant_says_so(text: str) -> None:
    assert is_somebody_else(text)


@pytest.mark.parametrize("text", ["发错药了", "不是医生的问题是患者不听", "病人认错药", "可以"])
def test_who_speaks_of_something_else_does_not(text: str) -> None:
    assert not is_somebody_else(text)

"""Requests that anybody may make before they are verified: for a person, and about their own data.

Fixed words, because the gate that keeps product text from strangers must not depend on what the NLU makes
of a message. A clause that is nothing but the request counts; politeness is taken off first.
"""

from __future__ import annotations

import re

from bot.knowledge import (
    Product,
    asks,
    drugs_named,
    is_name,
    names_product,
    products_named,
    speaks_of_medicine,
)
from bot.safety import NOTHING, Ours, besides, clauses_of, own_words
from bot.text.clauses import clause_spans
from bot.text.folding import fold

_LONGEST = 60  # characters; in a longer message the words may mean something else
_POLITE = re.compile(
    r"^(?:你好|您好|请问?|麻烦(?:你们?|您)?|帮我|帮忙|给我|让我|我就?(?:想要?|要求?|需要|得)?|想要?|要|能不能|能|可不可以|可以|那就?|快点?|赶紧"
    r"|马上|直接|还是|先|都说了|不填了|你们?(?:这儿?|那儿?|这里)?|您们?|有没有|有)"
    r"|(?:了|吧|啊|呀|哈|呢|吗|嘛|不|么|谢谢|多谢|一下|可以吗|行吗|好吗|行不行|好不好|在吗|在不在)$"
)
_DATA = r"(?:个人|全部|所有|一切|注册|聊天|身份|登记|的){0,3}(?:数据|信息|资料|账号|账户|帐号|记录|隐私)"
_MINE = rf"(?:(?:我|本人|自己)(?:们)?的?)?{_DATA}"
_DELETE = r"(?:删除|删|清除|清空|清掉|注销|抹掉|抹除|销毁)"
_PERSON = (
    r"(?:人工(?:客服|服务|坐席)?|真人(?:客服)?|活人|客服(?:人员)?|工作人员|负责的?人|专人|同事|你们的?人"
    r"|(?:医药)?代表)"
)
_TO_ME = (
    r"(?:(?:来|跟|和|给|与)?(?:我|俺)?"
    r"(?:联系|说话|说|聊聊?|谈谈?|沟通|处理|服务|帮忙|接|回复|回个?电话|打个?电话|解决)?(?:我)?)"
)
_ORDER = re.compile(
    r"(?:转接?|找|换|叫|喊|接通?|派|呼叫)(?:个|一个|一?下|到|成|给)?"
    r"(?:人工(?:客服|服务|坐席)?|真人(?:客服)?|活人|客服(?:人员)?)" + _TO_ME
)
_REQUESTS = {
    "ask_human": re.compile(
        rf"(?:(?:转接?|找|接|换|叫|让|要|喊|联系|呼叫|接通|派|跟|和|与)(?:个|一个|一?下|到|你们的?|成|给)?)?{_PERSON}{_TO_ME}"
    ),
    "delete_data": re.compile(
        rf"(?:把|将)?{_MINE}(?:都|全|全部|给|全都)?{_DELETE}(?:掉|了|干净){{0,2}}|{_DELETE}(?:掉|了)?{_MINE}(?:掉)?|注销"
    ),
    "export_data": re.compile(
        rf"(?:导出|下载|拷贝|复制|发|查询|查看|看看?|查)(?:一份|一下|给我)?(?:我|本人)(?:们)?的?{_DATA}"
    ),
}


def asked_for(text: str) -> str:
    """The intent of such a request in the text, or "" when it holds none."""
    folded = fold(text[: _LONGEST + 1])
    if len(folded.text) > _LONGEST:
        return ""
    pieces = [folded.text, *(folded.text[start:end] for start, end in clause_spans(folded))]
    for clause in filter(None, map(_plain, pieces)):
        for intent, request in _REQUESTS.items():
            if request.fullmatch(clause):
                return intent
    return ""


def orders_person(text: str) -> bool:
    """Whether a clause of it is nothing but an order for a person (转人工), whatever stands beside it. A
    colleague who is only addressed (周代表，…) is none."""
    folded = fold(text[: 2 * _LONGEST])
    pieces = (folded.text[start:end] for start, end in clause_spans(folded))
    return any(_ORDER.fullmatch(_plain(piece)) for piece in pieces)


def left_over(
    text: str,
    products: tuple[Product, ...],
    ours: Ours = NOTHING,
    *,
    money: bool = False,
    flagged: bool = False,
) -> str:
    """What a message asks for besides a wish about our messages (退订，转人工) or a hint at money: a request,
    a question, or words on a product. A product that is named only beside it stays with the question.

    After a hint (`money`) nobody is handed over, since it may speak of that very colleague, and a question is
    one about medicine. `flagged`: it holds an emergency, which is answered; a request is left alone.
    """
    own = own_words(text, ours).text
    rest = besides(own)
    if not money and asked_for(rest):
        return " ".join(filter(asked_for, clauses_of(fold(rest)))) if flagged else rest
    told = names_product(rest, products) and not is_name(rest, products)
    if not told and not (asks(rest) and (not money or speaks_of_medicine(rest, products))):
        return ""
    named = [product for product in products if product.id in products_named(own, products)]
    if told or not named or drugs_named(rest, products):
        return rest
    return f"{named[0].generic} {rest}"


def _plain(clause: str) -> str:
    """The clause without its politeness: 麻烦帮我转人工吧 -> 转人工."""
    for _ in range(6):
        shorter = _POLITE.sub("", clause.strip(" ,。;!?:~…"))
        if not shorter or shorter == clause:
            break
        clause = shorter
    return clause

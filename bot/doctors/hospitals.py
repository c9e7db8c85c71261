"""Hospitals as people name them: 示例县第一人民医院, 县一院, 市中心医院, 示例镇卫生院.

Compared, a short name stands for the full ones it is used for, and one without its province or city for the
one with it. What a name without any rule stands for (县医院: 人民医院 or 中医院?) only the list can say: as a
second name in brackets, 示例县人民医院（示例县医院）.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.text.han import HAN, same

_NUMBER = "一二三四五六七八九十"
_BODY = (
    r"医院|卫生院|卫生室|卫生所|卫生站|卫生服务中心|卫生服务站|卫生中心|社区服务中心|社区中心|诊所|门诊部|保健院|保健所|保健站|保健中心|妇保院|妇幼院"
    r"|分院|计划生育服务中心|计划生育服务站|计生服务站|妇幼保健服务中心|妇幼中心"
    r"|医务室|医务所|医疗站|疗养院|医疗中心|急救中心|康复中心|医学中心|诊疗中心|健康服务中心|疾控中心|疾控|疾病预防控制中心|防治院|防治所|防治站"
    r"|[皮结职血慢精牙口]防[院所站]|中医馆|国医馆|国医堂|医馆|人医(?!院)"
)
# 一院 is short for a hospital, but 一院区 is a part of one.
KIND = rf"(?:{_BODY}|(?:附属?)?[{_NUMBER}]院(?!区|长)|附院|附属医院)"
_BRANCH = rf"(?:\([^()]{{1,12}}\)|[{HAN}]{{1,4}}?(?:分院|院区))?"
PATTERN = re.compile(rf"[{HAN}A-Za-z0-9·]{{1,40}}(?:\([^()]{{1,8}}\)[{HAN}]{{0,20}})?{KIND}{_BRANCH}")
# Possessive: its words are made of one another, and none begins what a hospital ends on.
_UNNAMED = re.compile(
    rf"(?:我们?|你们|咱们?|贵|本|这个?|那个?|哪个?|哪家|什么|别的|其他|大|小|上级|基层|乡镇|家|去|住|到|回|好|某|的|在|医生|病人|患者|已经|说|自己|原来|现在|为啥|要|填|换|调|开|导航|不)*+{KIND}"
)
_GENERIC = re.compile(
    rf"(?:[中藏蒙总](?=医院)|人民|中心|中医|中西医结合|肿瘤|儿童|口腔|骨科|眼科|传染病|精神病|专科|职工|妇幼|妇幼保健"
    rf"|第[{_NUMBER}])*{KIND}"
)
_LEVEL = re.compile(r"[省市县区旗镇乡州盟]")


def is_named(hospital: str) -> bool:
    """Whether it says which one: 县一院 does, 我们医院 does not."""
    return len(hospital) > 2 and not _UNNAMED.fullmatch(hospital)


def main_name(hospital: str) -> str:
    """Without the second names that stand in brackets behind it; a branch stays."""
    return _second_names(same(hospital).replace(" ", ""))[0]


def with_second_names(hospital: str, others: Sequence[str]) -> str:
    """The name as it is kept, its second names in brackets behind it. 又名 says that they are some where none
    of them looks like a hospital (华西)."""
    if not others:
        return hospital
    told = any(_ENDS.search(same(other)) for other in others)
    return f"{hospital}({'' if told else ALSO}{'、'.join(others)})"


def may_be(said: str, listed: str) -> bool:
    """Whether somebody who names their hospital so may mean this one of the list."""
    names = {full for name in _second_names(same(listed).replace(" ", "")) if name for full in meanings(name)}
    return any(_equal(one, name) for one in meanings(said) for name in names)


def meanings(said: str) -> list[str]:
    """The full names that this may stand for, itself first."""
    found = {main_name(said): None}  # a dict keeps the order and each name once: most rules change none
    for pattern, full in _SHORT:
        found |= dict.fromkeys([pattern.sub(full, name) for name in found])
    return list(found)


_SHORT = (
    (re.compile(rf"(?<!第)(?<!附属)(?<!附)([{_NUMBER}])院$"), r"第\1人民医院"),
    (re.compile(rf"第([{_NUMBER}])人民医院$"), r"第\1医院"),
    (re.compile(rf"^(.+?)([{_NUMBER}])附院$|^(.+?)附(?:属)?([{_NUMBER}])院$"), r"\1\3附属第\2\4医院"),
    (re.compile(r"(?<!属)附院$"), "附属医院"),
    (re.compile(r"人医$"), "人民医院"),
    (re.compile(r"中医医院$"), "中医院"),
    (re.compile(r"(?<!医)中医院$"), "中医医院"),
    (re.compile(r"(?:妇保院|妇幼院|妇幼医院|妇幼)$"), "妇幼保健院"),
    (re.compile(r"妇幼保健院$"), "妇幼保健计划生育服务中心"),
    (re.compile(r"(?<=[^镇乡心])卫生院$"), "镇卫生院"),
    (re.compile(r"(?<=[^镇乡])镇卫生院$"), "乡卫生院"),
    (re.compile(r"(?<=[镇乡])卫生院$"), "中心卫生院"),
    (re.compile(r"[镇乡]中心卫生院$"), "中心卫生院"),
    (re.compile(r"中心卫生院$"), "卫生院"),
    (re.compile(r"社区(?:服务中心|中心|医院|卫生院)$"), "社区卫生服务中心"),
    (re.compile(r"(?:疾控中心|疾控)$"), "疾病预防控制中心"),
    (re.compile(r"卫生所$"), "卫生室"),
)


def _equal(one: str, other: str) -> bool:
    """The same name, or the same but for the province, city or county before it."""
    short, long = sorted((one, other), key=len)
    if short == long:
        return True
    if not short or not long.endswith(short) or _GENERIC.fullmatch(short):
        return False
    return bool(_LEVEL.fullmatch(long[-len(short) - 1]) or _LEVEL.fullmatch(short[0]))


ALSO = "又名"  # before second names in the brackets
_BRACKETS = re.compile(r"\(([^()]*)\)$")
_SEPARATORS = re.compile(r"[、,;/|]|又名|原名|简称|也叫|原(?=.{3})")
_ENDS = re.compile(rf"(?:{KIND})$")
_DIGIT = re.compile(r"第([1-9])(?=人民|中|医|妇|附)")


def _second_names(hospital: str) -> list[str]:
    """The name and, if what stands in brackets behind it names hospitals, these."""
    hospital = _DIGIT.sub(lambda found: f"第{_NUMBER[int(found[1]) - 1]}", hospital.casefold())
    hospital = re.sub(r"(?<=[省市县区])([1-9])院$", lambda found: f"{_NUMBER[int(found[1]) - 1]}院", hospital)
    if (bracket := _BRACKETS.search(hospital)) is None:
        return [hospital]
    others = [name.strip(": ") for name in _SEPARATORS.split(bracket[1])]
    if not bracket[1].startswith(ALSO) and not any(_ENDS.search(name) for name in others):
        return [hospital]  # a branch: (东院区)
    return [*_second_names(hospital[: bracket.start()]), *filter(None, others)]

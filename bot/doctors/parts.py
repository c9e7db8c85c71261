"""What a doctor writes about themselves, taken apart: name, hospital, phone, invitation code.

People send it in one message or several, in any order, with labels or without. What is unmistakable (a
phone, a code, a hospital, anything labelled) counts wherever it stands; a bare name counts only where
nothing else fits. Half-sure guesses are left out: the form simply asks.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from bot.doctors import hospitals, identity
from bot.doctors.names import LATIN_NAME, LONG_NAME, is_name, is_no_name, may_be_name
from bot.text.folding import simplified
from bot.text.greetings import GREETING
from bot.text.han import HAN, leveled

NO_CODE = "none"
PARTS = ("name", "hospital", "phone", "code")
_LONGEST = 1000  # characters; nobody needs more to say who they are
_HAN = f"[{HAN}]"

_PHONE = re.compile(
    r"(?<![\dA-Za-z])(?:(?:\+|00)?86[ -]?)?1[3-9]\d(?:[ -]?\d{4}){2}(?!\d)"
    r"|(?<![\dA-Za-z])\(?0\d{2,3}\)?[ -]?[2-8]\d{2,3}[ -]?\d{4}(?!\d)"
)
_PHONE_WORD = re.compile(
    r"(?:我的)?(?:联系|移动)?(?:手机号码?|手机|电话号码?|电话|tel|phone|mobile)(?:号|是|为|[\s:=])*(?=,|$)",
    re.I,
)

_CODE_WORD = r"(?:(?:邀请|验证|激活|注册)码|邀请号|code)"
_OF_CODE = r"(?:号|的话|这个|我|是|为|[\s:=])*"
_LABELLED_CODE = re.compile(rf"{_CODE_WORD}{_OF_CODE}([A-Za-z0-9](?:[ -]?[A-Za-z0-9]){{3,23}})", re.I)
_GROUP = f"[{identity.ALPHABET}]{{{identity.GROUP}}}"
_SHAPED_CODE = re.compile(
    rf"(?<![A-Z0-9]){_GROUP}(?:[ -]?{_GROUP}){{{identity.GROUPS - 1}}}(?![A-Z0-9])", re.I
)
_BARE_CODE = re.compile(r"[A-Za-z0-9](?:[ -]?[A-Za-z0-9]){5,23}")
# With figures and letters in it, and no quantity: metformin, 2026-11-21 and 1000mg are none.
_CORRECTED_CODE = re.compile(rf"(?=\D*\d)(?=[\d -]*[A-Za-z])(?!\d+ ?[A-Za-z]{{1,4}}$){_BARE_CODE.pattern}")
_NONE = (
    r"(?:(?:暂时|暂|还|也)?(?:没有|没收到|没拿到|没领到|没)|暂无|木有|无"
    r"|(?:none|null|no|na|n/a)(?![A-Za-z0-9]))"
)
_LOST = r"(?:找不到|忘(?:记了|了|记)|弄?丢了|不知道|不清楚|不记得)"
_NO_CODE = re.compile(
    rf"(?:{_CODE_WORD}|码){_OF_CODE}(?:{_NONE}|{_LOST})(?:[了呢啊哦哈])?"
    rf"|(?:{_NONE}|{_LOST})(?:收到|拿到|领到|给|有|过|什么|任何|的|\s)*(?:{_CODE_WORD}|码)",
    re.I,
)
_BARE_NONE = re.compile(rf"我?(?:这边|这里|手里|手上)?(?:都)?{_NONE}(?:的|了|呢|啊|哦|哈|呀)?", re.I)

_ASIDE = re.compile(r"\(([^()]+)\)$")
_PLACE_WORD = r"(?:就职于|任职于|供职于|工作于|服务于|来自|在)"
_AT = re.compile(rf"^(.*?){_PLACE_WORD}(?={_HAN}{{2,}})")
_OPENING = re.compile(
    rf"^(?:嗯++|好的?|哦|不对|补充一下|俺们?|麻烦核对一下|{GREETING}|我们?|本人|咱们?|工作单位|所在单位|所在医院|医院名称|单位|换到?|调到?|导航到|在(?=社区)|现在|目前|一直|就是|是|叫|的|[\s:=])++",
    re.I,
)
_LABEL = r"(?:(?:工作|所在|就职|执业)?(?:医院|单位|医疗机构)(?:名称)?|hospital)"
_HOSPITAL_LABEL = re.compile(rf"^(?:我的|我)?{_LABEL}(?:\s*[:=]\s*|是|为|叫)+(.+)$", re.I)

_NAME_LABEL = re.compile(
    r"^(?:(?:我的|本人|医生|医师)?(?:姓名|名字|大名|name)(?:是|为|叫|[\s:=])*|(?:我的名字)?(?:我叫|本人叫|名叫|叫我|我是叫|叫)(?:做|作|[\s:=])*)"
    r"(.+)$",
    re.I,
)
_I_AM = re.compile(r"^(?:俺叫?|我系|我就是|我是|本人是|这里是|我|本人)(?:[\s:,]*)")
_TITLE = (
    r"(?:(?:副主任|主任|主治|住院|执业助理|执业|助理|全科|乡村)?(?:医师|医生|药师|护师|技师)|副?主任|副?院长|大夫|护士长|护士"
    r"|村医|乡医|站长|所长|教授|老师)"
)
_BEFORE_NAME = re.compile(
    rf"^(?:的|[\s,:])*(?:{_HAN}{{0,8}}?(?:科室|科|病房|病区|门诊|药房)(?!技)|心内|神内|肾内|消化|呼吸|内分泌|普外|急诊|妇产|药剂)?(?:的|[\s])*(?:{_TITLE})?(?:的|[\s])*"
)
# Possessive: 主任医生 is one title and also two, so that giving anything back doubles the work each time.
_AFTER_NAME = re.compile(rf"(?:[\s(]*+{_TITLE}[\s)]*+|的|啊|呀|哈|哦|呢)++$")
_NAME_ENDS = re.compile(
    rf"^({_HAN}{{2,15}}?|{_HAN}{{1,12}}(?:·{_HAN}{{1,12}}){{1,4}})(?={_PLACE_WORD}|是|$|[\s,(]|{_TITLE})"
)
_SAYS_WHO = re.compile(r"(?:我就是|我[是系]|本人是|这里是|俺是)")
# 我们县医院没有这个药 says where a medicine is, not where somebody works.
_IN_A_SENTENCE = re.compile(
    r"没有?|说|转|看[过了病]|查|做|挂水|来的|不|让|能|可以|也|都|会|进[了的]|开[了的]|给"
)
_OF = re.compile(rf"(?:{_HAN}{{0,8}}科)?的")
_DOT = re.compile(rf"(?<=[{HAN}]) ?[{re.escape(identity.DOTS)}] ?(?=[{HAN}0-9])")
# What stands beside a dot that is no part of a name.
_SEPARATE = re.compile(rf"{hospitals.KIND}|\d|科$|^(?:姓名|医院|手机|邀请码|单位)|^无$|没有")
_SPOKEN = str.maketrans("幺零〇一二三四五六七八九", "100123456789")
_SPOKEN_PHONE = re.compile(
    r"(?<![一二三四五六七八九零〇幺])[一幺][三四五六七八九][一二三四五六七八九零〇幺]{9}(?![一二三四五六七八九零〇幺])"
)
_BREAK = re.compile(rf"[,;。、!?~\n\t|/]+|(?<=[{HAN})]) +(?={_HAN})| {{2,}}")
_SPACED_LABEL = re.compile(rf"(^|[\s,;。、|/])(姓名|名字|name|{_LABEL})[\s:=]+", re.I)
_RUN_ON_LABEL = re.compile(
    rf"((?:姓名|名字)[:是为叫]*{_HAN}{{2,4}}?)({_LABEL})[:是为]*(?={_HAN}{{2,40}}{hospitals.KIND})"
)


def parse(text: str, earlier: Mapping[str, str | None]) -> dict[str, str]:
    """The parts found in one message: any of `name`, `hospital`, `phone`, `code` (`NO_CODE`: has none).

    `earlier` is what earlier messages gave, by the same names; a part returned here replaces it. Once all are
    known they are being corrected, so that a bare name or code is one again. Pure, and linear in the text.
    """
    written = _dotted("\n".join(_picture_free(leveled(line)) for line in text[:_LONGEST].splitlines()))
    plain = simplified(written)
    rest, found = _SPOKEN_PHONE.sub(_digits, plain), dict[str, str]()
    correcting = all(earlier.get(part) for part in PARTS)
    if number := _PHONE.search(rest):
        found["phone"] = identity.phone(number[0]) or number[0]
        rest = _PHONE_WORD.sub(",", _cut(rest, number))
    rest = _find_code(rest, found)
    segments = [s.strip(" :=-\"'") for s in _BREAK.split(_labels(rest))]
    segments = [s for s in segments if s]
    left = [s for s in segments if not _labelled(s, found)]
    left = [s for s in left if not _free(s, found, {} if correcting else earlier)]
    for segment in left:
        _last_resort(segment, found, earlier)
    if correcting and len(segments) == 1 and _CORRECTED_CODE.fullmatch(segments[0]):
        found.setdefault("code", identity.code(segments[0]))
    for part in ("name", "hospital"):
        if part in found:
            found[part] = _as_written(found[part], plain, written)
    return found


def _picture_free(line: str) -> str:
    """Emoji separate words."""
    if line.isascii():
        return line
    return "".join(" " if unicodedata.category(c) == "So" and c not in identity.DOTS else c for c in line)


def _dotted(text: str) -> str:
    """One dot between the parts of a name; a dot that separates a name from something else is a comma."""
    return _DOT.sub(lambda dot: _dot_or_comma(text, dot), text)


def _dot_or_comma(text: str, dot: re.Match[str]) -> str:
    before = re.split(r"[^\w]", text[max(0, dot.start() - 30) : dot.start()])[-1]
    after = re.split(r"[^\w]", text[dot.end() : dot.end() + 30])[0]
    if any(_SEPARATE.search(simplified(side)) for side in (before, after)):
        return ","
    # 。 ends sentences: it is a dot only between what can be nothing else.
    return (
        "·"
        if dot[0].strip() != "。" or (may_be_name(f"{before}{after}") and len(before + after) > 4)
        else "。"
    )


def _digits(spoken: re.Match[str]) -> str:
    return spoken[0].translate(_SPOKEN)


def _as_written(value: str, plain: str, written: str) -> str:
    """The value in the characters it was written with: 乾 is not shown as 干."""
    at = plain.find(value)
    return written[at : at + len(value)] if at >= 0 else value


def _cut(text: str, match: re.Match[str]) -> str:
    return f"{text[: match.start()]},{text[match.end() :]}"


def _labels(text: str) -> str:
    """Labels tied to their values: 姓名 张三 医院 示例县人民医院."""
    return _SPACED_LABEL.sub(r"\1\2:", _RUN_ON_LABEL.sub(r"\1,\2:", text))


def _find_code(text: str, found: dict[str, str]) -> str:
    """The text without what it says of a code."""
    for pattern in (_LABELLED_CODE, _SHAPED_CODE, _NO_CODE):
        match = pattern.search(text)
        if match is None:
            continue
        value = match[match.lastindex or 0]
        if pattern is _NO_CODE or value.lower() in {"none", "null"}:
            found["code"] = NO_CODE
        else:
            found["code"] = identity.code(value)
        return _cut(text, match)
    return text


def _labelled(segment: str, found: dict[str, str]) -> bool:
    if label := _HOSPITAL_LABEL.match(segment):
        hospital = hospitals.PATTERN.match(label[1])
        found["hospital"] = hospital[0] if hospital else label[1][:80].strip()
        if hospital:
            _name_after(label[1][hospital.end() :], found)
        return True
    if label := _NAME_LABEL.match(segment):
        words = label[1].strip()
        if (name := _NAME_ENDS.match(words)) is not None and not is_no_name(name[1]):
            found["name"] = name[1]
            _hospital_in(words[name.end() :], found)
            return True
        words = _AFTER_NAME.sub("", words)
        if (LONG_NAME.fullmatch(words) and not is_no_name(words)) or LATIN_NAME.fullmatch(words):
            found["name"] = words
            return True
    return False


def _free(segment: str, found: dict[str, str], earlier: Mapping[str, str | None]) -> bool:
    """A segment without labels: 我是示例县人民医院心内科的张三 / 张三. Whether it held a part."""
    if _hospital_in(segment, found):
        return True
    if "name" in found or earlier.get("name"):
        return False
    _name_after(_I_AM.sub("", segment), found)
    return "name" in found


def _hospital_in(segment: str, found: dict[str, str]) -> bool:
    match = hospitals.PATTERN.search(segment)
    if match is None:
        return False
    words, before = match[0], ""
    if at := _AT.match(words):
        before, words = at[1], words[at.end() :]
    hospital = _OPENING.sub("", words)
    if not hospitals.is_named(hospital) or _IN_A_SENTENCE.match(segment, match.end()):
        return False
    if (aside := _ASIDE.search(hospital)) and is_name(aside[1]):
        hospital = hospital[: aside.start()]
        _name_after(aside[1], found)
    found["hospital"] = hospital
    for words in (segment[: match.start()], before):
        _name_after(_I_AM.sub("", words.strip(" ()")), found)
    _name_after(segment[match.end() :], found, sure=bool(_OF.match(segment[match.end() :])))
    return True


def _name_after(words: str, found: dict[str, str], *, sure: bool = False) -> None:
    """A name among department and titles, if what is left of them is one. `sure`: a person is named here."""
    if "name" in found:
        return
    bare = _AFTER_NAME.sub("", words.strip(" (),:"))
    fits = may_be_name if sure else is_name
    for candidate in (_OPENING.sub("", _BEFORE_NAME.sub("", bare)), _NAME_LABEL.sub(r"\1", bare), bare):
        if fits(candidate):
            found["name"] = candidate
            return


def _last_resort(segment: str, found: dict[str, str], earlier: Mapping[str, str | None]) -> None:
    """What can only be a part still missing."""
    have = {part for part in PARTS if earlier.get(part) or part in found}
    if "code" not in found and _BARE_NONE.fullmatch(segment):
        found["code"] = NO_CODE
    elif have == {"name", "hospital", "phone"} and _BARE_CODE.fullmatch(segment):
        found["code"] = identity.code(segment)
    elif "name" not in have and (
        {"hospital", "phone"} <= have
        or not found.keys().isdisjoint({"hospital", "phone"})
        or _SAYS_WHO.match(segment)
    ):
        _name_after(_I_AM.sub("", segment), found, sure=True)

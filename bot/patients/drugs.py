"""The medicines that a text names, by the lexicon that the engine knows them from."""

from __future__ import annotations

import re
from functools import cache

from bot.settings import ROOT
from bot.text.folding import fold


def drugs(folded: str) -> set[str]:
    """The preferred names of the medicines in folded text."""
    pattern, names = _lexicon()
    return {names[match[0]] for match in pattern.finditer(folded)}


def without_names(folded: str) -> str:
    """The text without the medicines that it names, whose figures (二甲双胍, 诺和锐30) count nothing."""
    return _lexicon()[0].sub("", folded)


def without_classes(folded: str) -> str:
    """The text without the classes (降压药, 他汀) that it names."""
    return _lexicon("drug_class.txt")[0].sub("", folded)


def classes(folded: str) -> set[str]:
    """The preferred names of the classes (降压药, 他汀) that folded text names."""
    pattern, names = _lexicon("drug_class.txt")
    return {names[match[0]] for match in pattern.finditer(folded)}


# What names a medicine that no list knows, where a clause begins: 钙片, 鱼油, 白色的, 圆的那个, 红药片.
_FIRST = (
    r"(?:(?<=[,。;!?\n ])|^)\s?(?:我|他|她|的|另外?|还有|再|那个|这个|一个"
    "|早上?|晚上?|[中上下]午|[早中午晚]?[饭餐][前后]|睡前)?"
)
_FORM = "(?:缓释|控释|肠溶|分散|含|咀嚼|泡腾|薄膜|包衣|软|硬|药)?"
_UNLISTED = re.compile(
    rf"{_FIRST}(?:(?P<name>[^\W\d_一二两三四五六七八九十半每早晚中午夜饭餐睡空吃服用打喝含天周月的]{{1,7}}"
    r"(?:[片油素丸膏]|胶囊|颗粒|冲剂|药(?=[每早晚中午夜饭餐睡空吃一二两三\d])))"
    r"|(?P<look>[白黄红蓝绿粉紫橙棕黑]色?|椭?圆形?|[长方扁]形?|大|小)(?:的|药|片|胶囊|粒|丸))"
    r"|(?<=[吃服用])(?P<eaten>[白黄红蓝绿粉紫橙棕黑大小圆长]色?(?:的|药?片|胶囊|丸))(?=$|[,。;])"
)
_PERSON = re.compile(
    rf"{_FIRST}(?P<who>(?:我|他|她|俺)?(?:老公|老婆|老伴|丈夫|妻子|爱人|对象|爸爸?|妈妈?|父亲|母亲|爷爷|奶奶|姥姥|外婆|外公"
    r"|公公|婆婆|儿子|女儿|孩子|宝宝|哥哥?|姐姐?|弟弟?|妹妹?|大爷|大妈|娘|爹)|我|他|她|俺)"
    r"(?=(?:[也都只则就是要得]|现在|平时)?(?:每|早|晚|中午|上午|下午|一天|一日|一次|睡前|[饭餐]|\d|[一两二三半][片粒]|吃|服|打|用))"
)
_BESIDE = re.compile("#(?:片|胶囊|[钠钾钙]|(?:缓释|肠溶|控释)片?)?(?:和|跟|与|、|及|还有)#")
_ONLY_FORM = re.compile(f"{_FORM}(?:片剂?|胶囊|丸|颗粒)|药")


def medicines(folded: str) -> set[str]:
    """What tells medicines apart: names and classes that are listed, and what people call the others."""
    nameless = _lexicon()[0].sub("#", folded)
    classless = _lexicon("drug_class.txt")[0].sub("#", nameless)
    others = (match["name"] or match["look"] or match["eaten"] for match in _UNLISTED.finditer(classless))
    return drugs(folded) | classes(nameless) | {name for name in others if not _ONLY_FORM.fullmatch(name)}


def two_in_one(folded: str) -> bool:
    """二甲双胍和格列美脲都是早饭前一片: two listed names, one beside the other."""
    return _BESIDE.search(_lexicon()[0].sub("#", folded)) is not None


def takers(folded: str) -> set[str]:
    """The people who are said to take it, where clauses begin with them: 我早上一片，老伴早晚各一片."""
    return {match["who"] for match in _PERSON.finditer(folded)}


@cache
def _lexicon(file: str = "drug.txt") -> tuple[re.Pattern[str], dict[str, str]]:
    names: dict[str, str] = {}
    for line in (ROOT / "data" / "lexicon" / file).read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            said = [fold(name.strip()).text for name in line.split("|")]
            names |= {name: said[0] for name in said if len(name) > 1}
    longest_first = sorted(names, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first))), names

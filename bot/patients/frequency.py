"""How often a medicine is taken, out of free Chinese text: times a period, every n-th, weekdays, course."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from bot.patients.pieces import cut, many, span, without
from bot.text.numerals import AMOUNT, read

PERIODS = {
    "天": "d", "日": "d", "d": "d", "周": "wk", "星期": "wk", "礼拜": "wk", "w": "wk",
    "月": "mo", "小时": "h", "h": "h",
    "钟头": "h", "年": "a", "季度": "mo", "季": "mo",
}  # fmt: skip
_PERIOD = "小时|h(?![a-z])|钟头|星期|礼拜|季度|天|日|周|月|年|季"
_TAKE = (
    r"(?:皮下|肌肉)?(?:吃药|服药|用药|打针|注射|口服|吃|服用?|用|打|滴|喷|涂|抹|擦|贴|换|喝|含|食|喂|扎"
    r"|各|共|总共|分|只|就|可|才)?"
)
_TIME = "(?:[次回趟遍顿针遭道]|餐(?![前后中时])|(?<=[两2二])(?=餐[前后中时]))"
_MANY = span()
_SPAN = rf"(?:(?P<every>{AMOUNT})(?:\s?[-~到至]\s?(?P<most>{AMOUNT}))?)"
_EVERY_OTHER = re.compile(
    rf"(?:每隔(?:一|1)?个?|隔(?:一|1)?个?)(?P<unit>天|日|周|星期|礼拜|晚|月)(?:{_TAKE}(?:一|1){_TIME})?"
)
_EVERY_N = re.compile(
    rf"(?<![前后约到至过完了罢等~-])(?P<gap>每隔?|隔)?{_SPAN}\s?个?(?P<unit>{_PERIOD})(?:内)?{_TAKE}(?P<times>{AMOUNT}){_TIME}"
    rf"|(?P<gap2>每隔?|隔){_SPAN.replace('every', 'every2').replace('most', 'most2')}"
    rf"\s?个?(?P<unit2>{_PERIOD})(?:{_TAKE})"
    rf"|(?<![前后约到至过完了罢等~-])(?P<every3>{AMOUNT})\s?个?(?P<unit3>{_PERIOD}){_TAKE}(?=(?:一|1|半)[片粒颗丸袋包支贴枚瓶剂])"
)
_N_TIMES = re.compile(
    rf"(?:每一?个?|[一1]个?|日)?(?P<unit>{_PERIOD}|(?:晚上?|早上?|(?<=每)夜)(?!各))\s?{_TAKE}"
    rf"(?:提醒[我他她]?|(?<=[吃服打用喝])(?:中药|中成药|[^,。;!?\s\d一二两三四五六七八九十半每早晚中午饭餐]{{1,6}}?))?\s?{_MANY}\s?(?P<time>{_TIME})(?!疗程)"
)
_N_TIMES_PER = re.compile(rf"{_MANY}\s?{_TIME}\s?(?:/|每|一)\s?(?P<unit>{_PERIOD}|d|w)(?![a-z])")
_DAYS_A_WEEK = re.compile(
    rf"(?:每|[一1])个?(?:周|星期|礼拜){_TAKE}(?P<n>{AMOUNT})天(?:{_TAKE}(?:一|1){_TIME}|,?(?:每天|一天)(?:一|1){_TIME})?"
)
_DAILY = re.compile(
    r"每天|每日|天天|日日|(?<![今明昨当次第节假生周每\d])日(?=服[一1两二三\d半])|(?:一|1)(?:天|日)(?![次后前内])|(?<![今明昨当次第节假生周每\d])日(?=\s?\d)|每(?=[早晚晨夜清上中下傍睡])|(?<=每)个(?=早|晚)"
)
_WEEKLY = re.compile(
    rf"(?:每个?(?P<unit>周|星期|礼拜|月|年|季度)|[一1]个?(?P<unit2>周|星期|礼拜|月|年)(?={_TAKE}{AMOUNT}(?:片|粒|颗|丸|袋|包|支|贴)))"
)
_MONTH_DAYS = re.compile(
    r"每个?月的?(?P<days>(?:\d{1,2}|初?[一二三四五六七八九十]{1,3})[号日]?(?:[、,和及](?:\d{1,2}|初?[一二三四五六七八九十]{1,3})[号日])*)"
    r"(?:(?<=[号日])|(?<=初[一二三四五六七八九十]))"
)
_LATIN = tuple(
    (re.compile(rf"(?<![a-z]){word}(?![a-z])"), meaning)
    for word, meaning in (
        (r"(?:once|one time) (?:a day|daily)", (1, 1, "d", ())),
        (r"(?:twice|two times) (?:a day|daily)", (2, 1, "d", ())),
        (r"three times (?:a day|daily)", (3, 1, "d", ())),
        (r"(?:once (?:a week|weekly)|every week)", (1, 1, "wk", ())),
        (r"q\.?d\.?", (1, 1, "d", ())),
        (r"b\.?i\.?d\.?", (2, 1, "d", ())),
        (r"t\.?i\.?d\.?", (3, 1, "d", ())),
        (r"q\.?i\.?d\.?", (4, 1, "d", ())),
        (r"q\.?o\.?d\.?", (1, 2, "d", ())),
        (r"q\.?n\.?", (1, 1, "d", ("EVE",))),
        (r"q\.?m\.?|qam", (1, 1, "d", ("MORN",))),
        (r"qpm", (1, 1, "d", ("EVE",))),
        (r"q\.?w\.?", (1, 1, "wk", ())),
        (r"biw", (2, 1, "wk", ())),
        (r"tiw", (3, 1, "wk", ())),
        (r"qm(?:o|on|onth)", (1, 1, "mo", ())),
    )
)
_LATIN_N = re.compile(r"(?<![a-z])q\s?(?P<n>\d{1,2})(?:\s?-\s?(?P<most>\d{1,2}))?\s?(?P<unit>[hdw])(?![a-z])")
_DAY = "[一二三四五六日天]"
_WEEK = "(?:周|星期|礼拜)"
_DAYS = re.compile(
    rf"(?:每一?个?|逢)?(?:(?<![一两二三四几\d半下这本])(?<!(?<![早晚])上){_WEEK}(?P<days>{_DAY}(?:(?:[、,和及与跟到至]|到了)?{_WEEK}?(?!一[天日]){_DAY}(?!次))*|[1-7](?:[、,和到至-][1-7])*|[1-7]{{2,5}})"
    r"(?!\d|\s?[次回片粒颗丸袋包支针喷滴贴瓶剂天个周月小毫微单mgu.]|[半十]|两?次)|(?P<name>工作日|上班日|上班(?:的日子|那几天)|双休日?|周末|礼拜末))(?:的|里)?"
)
_WORK = ("工", "上")
_CODES = dict(zip("一二三四五六日", ("mon", "tue", "wed", "thu", "fri", "sat", "sun"), strict=True))
_WEEK_DAYS = tuple(_CODES.values())
_EXCEPT_AFTER = re.compile(
    r",?(?:就|都|则|可以?)?(?:不(?:用|要|需要|必|能)?(?:再)?[吃服打用贴喝]药?|别[吃服打用]|停药?(?:一天|一次)?|休息?|歇着?|除外|例外|[以之]外|外(?!用|涂))(?![一二两三\d])"
    "(?!(?:早|中|晚|夜)[^,。;!?一二两三半\\d]{0,4}(?:吃|服|用|打|的|那|$|[,。;]))"  # 周三不吃早上吃晚上
)
_TOO_AFTER = re.compile(r",?(?:也|还是|照|同样|一样|都一样|不(?:能|要|用)?(?:停|例外|间断|休|歇))")
_EXCEPT_BEFORE = re.compile(r"除了?(?:去)?$")
_COURSE = (
    re.compile(
        rf"(?:疗程|连服|连用|连吃|连打|连续{_TAKE}|一共{_TAKE}|总共{_TAKE}|共{_TAKE}|坚持|先{_TAKE}|服用?|吃|用|打|喝)\s?(?:为|是|:|满|上|够|个)?\s?"
        rf"{_MANY}\s?个?(?P<unit>{_PERIOD})(?![一二两三\d]?\d?{_TIME}|后|之?后|前|内|[一1半]?[片粒颗支])"
    ),
    re.compile(rf"(?:x|×|\*)\s?{_MANY}\s?个?(?P<unit>{_PERIOD}|d|w)(?![a-z])"),
    re.compile(rf"{_MANY}\s?个?(?P<unit>{_PERIOD})(?:为|是)?(?:一|1)?个?疗程"),
    re.compile(rf"(?:疗程)\s?{_MANY}\s?个?(?P<unit>{_PERIOD})"),
)
_BARE_COURSE = re.compile(  # bid 10天
    rf"(?<=[a-z次日用药服片粒袋支g ,]){_MANY}\s?个?"
    r"(?P<unit>天|日|周|星期|礼拜|月|d(?![a-z]))(?=\s*(?:$|[,。;]))"
)
_COURSES = re.compile(rf"(?P<n>{AMOUNT})个?疗程")


@dataclass(frozen=True, slots=True)
class Rate:
    """`low` to `high` times in every `period` to `longest` of `unit`."""

    low: int
    high: int
    period: float
    longest: float
    unit: str


@dataclass(slots=True)
class Often:
    """What a text says of how often. `rates` holds each that is said: different ones are no single plan."""

    rates: list[Rate] = field(default_factory=list)
    days: tuple[str, ...] = ()
    day_groups: tuple[int, ...] = ()  # where days are named on which it is taken
    when: list[tuple[int, str]] = field(default_factory=list)
    bounds: tuple[float, float, str] | None = None
    daily: list[int] = field(default_factory=list)  # where "a day" is said without a number of times
    per: str = ""  # "a week", "a month", without a number of times
    days_a_week: int = 0
    dated: bool = False  # on days of the month, which FHIR R4 cannot say
    meals: bool = False  # 一天三顿 alone may be meals

    def add(
        self, low: float | None, high: float | None, period: float | None, longest: float | None, unit: str
    ) -> None:
        if low and high and period and longest and low == int(low) and high == int(high):
            if unit == "a" and period < 1:
                period, longest, unit = period * 12, longest * 12, "mo"
            self.rates.append(Rate(int(low), int(high), period, longest, unit))


def read_days(text: str) -> tuple[tuple[str, ...], tuple[int, ...], str]:
    """The days of the week that are said (empty: none), where, and what is left."""
    groups: list[int] = []
    included: list[str] = []
    excluded: list[str] = []
    too: list[str] = []  # 每天一片，周末也一样: takes no other day away
    for match in _DAYS.finditer(text):
        days = _codes(match)
        after = _EXCEPT_AFTER.match(text, match.end())
        before = _EXCEPT_BEFORE.search(text[: match.start()])
        as_well = _TOO_AFTER.match(text, match.end())
        (excluded if after or before else too if as_well else included).extend(days)
        groups += [] if after or before or as_well else [match.start()]
        start = before.start() if before else match.start()
        end = after.end() if after else match.end()
        text = without([(start, end)], text)
    included += too if included else []
    taken = tuple(day for day in _WEEK_DAYS if day in (included or _WEEK_DAYS) and day not in excluded)
    return (taken if included or excluded else ()), tuple(groups), text


def excepted(text: str) -> bool:
    """周日不吃, 除了周三: whether days of the week are taken out."""
    return any(
        _EXCEPT_AFTER.match(text, match.end()) or _EXCEPT_BEFORE.search(text[: match.start()])
        for match in _DAYS.finditer(text)
    )


def _codes(match: re.Match[str]) -> list[str]:
    if match["name"]:
        return [_CODES[day] for day in ("一二三四五" if match["name"].startswith(_WORK) else "六日")]
    plain = re.sub(f"{_WEEK}|[、,和及与跟]", "", match["days"]).replace("天", "日")
    plain = re.sub("[1-7]", lambda day: "一二三四五六日"[int(day[0]) - 1], plain)
    found: list[str] = []
    for first, last in re.findall(rf"({_DAY})(?:[到至-]({_DAY}))?", plain):
        start, end = "一二三四五六日".index(first), "一二三四五六日".index(last or first)
        found += [_WEEK_DAYS[i % 7] for i in range(start, end + 1 if end >= start else end + 8)]
    return found


def read_often(text: str) -> tuple[Often, str]:
    """How often, out of folded text, and what is left of it."""
    often = Often()
    for pattern, (times, period, unit, when) in _LATIN:
        found, text = cut(pattern, text)
        for match in found:
            often.add(times, times, period, period, unit)
            often.when += [(match.start(), code) for code in when]
    found, text = cut(_LATIN_N, text)
    for match in found:
        often.add(1, 1, float(match["n"]), float(match["most"] or match["n"]), PERIODS[match["unit"]])
    found, text = cut(_DAYS_A_WEEK, text)
    for match in found:
        often.days_a_week = int(read(match["n"]) or 0)
    text = _read_course(often, text)
    found, text = cut(_MONTH_DAYS, text)
    for match in found:
        count = len(re.split("[、,和及]", match["days"]))
        often.add(count, count, 1, 1, "mo")
        often.dated = True
    often.days, often.day_groups, text = read_days(text)
    text = _read_rates(often, text)
    found, text = cut(_BARE_COURSE, text) if often.bounds is None else ([], text)
    for match in found[:1]:
        low, high = many(match)
        often.bounds = (low, high, PERIODS[match["unit"]]) if low and high else None
    found, text = cut(_DAILY, text)
    often.daily = [match.start() for match in found]
    found, text = cut(_WEEKLY, text)
    often.per = (found[0]["unit"] or found[0]["unit2"]) if found else ""
    return often, text


def _read_course(often: Often, text: str) -> str:
    for pattern in _COURSE:
        found, text = cut(pattern, text)
        for match in found:
            low, high = many(match)
            if low and high and often.bounds is None:
                often.bounds = (
                    low * _scale(match["unit"]),
                    high * _scale(match["unit"]),
                    PERIODS[match["unit"]],
                )
    found, text = cut(_COURSES, text)
    count = read(found[0]["n"]) if found else None
    if count and often.bounds:
        often.bounds = (often.bounds[0] * count, often.bounds[1] * count, often.bounds[2])
    return text


def _read_rates(often: Often, text: str) -> str:
    found, text = cut(_EVERY_OTHER, text)
    for match in found:
        unit = PERIODS.get(match["unit"], "d")
        often.add(1, 1, 2, 2, unit)
        if match["unit"] == "晚":
            often.when.append((match.start(), "EVE"))
    found, text = cut(_EVERY_N, text)
    for match in found:
        _every_n(often, match)
    for pattern in (_N_TIMES_PER, _N_TIMES):
        found, text = cut(pattern, text)
        for match in found:
            low, high = many(match)
            unit = match["unit"]
            part = {"晚": "EVE", "夜": "EVE", "早": "MORN"}.get(unit[0])
            if part:
                often.when.append((match.start(), part))
            if not part or low != 1:
                often.add(low, high, _scale(unit), _scale(unit), PERIODS.get(unit, "d"))
            often.meals |= match.groupdict().get("time") in {"顿", "餐"}
    return text


def _every_n(often: Often, match: re.Match[str]) -> None:
    unit = match["unit"] or match["unit2"] or match["unit3"]
    period = read(match["every"] or match["every2"] or match["every3"])
    longest = read(match["most"] or match["most2"] or "") or period
    if period is None or longest is None:
        return
    skipped = "隔" in (match["gap"] or match["gap2"] or "")
    if skipped and PERIODS[unit] != "h":  # 每隔两天: two days free, the third with
        period, longest = period + 1, longest + 1
    times = read(match["times"]) if match["times"] else 1
    often.add(times, times, period * _scale(unit), longest * _scale(unit), PERIODS[unit])


def _scale(unit: str) -> int:
    return 3 if unit in {"季度", "季"} else 1

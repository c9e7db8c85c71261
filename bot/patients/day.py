"""The parts of the day, once: their words, and the FHIR code (`when`) of each."""

from __future__ import annotations

import re

PARTS: dict[str, str] = {
    word: code
    for code, words in {
        "MORN": "大清早 清早 早上 早晨 早起 清晨 晨起 上午 朝早 早 晨 am",
        "NOON": "中午 晌午 正午 午 中",
        "AFT": "下午 后晌 晏昼 pm",
        "EVE": "晚上 傍晚 晚间 夜晚 晚黑 黑了 天黑 擦黑 黑夜 黑家 晚 夜",
        "NIGHT": "夜里 夜间 半夜 深夜 午夜 凌晨",
    }.items()
    for word in words.split()
}
_SEVERAL = {
    **dict.fromkeys(("早中晚", "早、中、晚", "早午晚"), ("MORN", "NOON", "EVE")),
    **dict.fromkeys(("早晚", "一早一晚", "早、晚", "早上晚上", "朝晚"), ("MORN", "EVE")),
}
# Where a short word is a part of the day and not a part of another word.
_GUARDED = {
    "黑了": "(?<!天)黑了", "am": "(?<![a-z])am(?![a-z])", "pm": "(?<![a-z])pm(?![a-z])",
    "早": "早(?!期|搏|点|就|已|产)", "晚": "晚(?!期|点)", "晨": "晨(?!僵)", "午": "(?<![上下端])午",
    "中": r"中(?=\s?[\d一二两三四半]|各)", "夜": "(?<=每)夜",
}  # fmt: skip
_LONGEST_FIRST = sorted({*PARTS, *_SEVERAL}, key=len, reverse=True)

CODES: dict[str, tuple[str, ...]] = {word: (code,) for word, code in PARTS.items()} | _SEVERAL
#: A part of the day, or several in one word.
SAID = re.compile("|".join(_GUARDED.get(word, word) for word in _LONGEST_FIRST))
#: The words before an hour, as part of a pattern: 早上8点, 夜10点.
BEFORE_AN_HOUR = "|".join(word for word in _LONGEST_FIRST if word in PARTS and not word.isascii())

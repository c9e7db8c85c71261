"""What leaves for the assistant names nobody: names, hospitals and numbers are taken out before."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bot.text.surnames import SURNAMES

_DIGITS = re.compile(r"(?<!\d)\d{6,}[\dXx]?(?![\d])")  # telephone, identity card, QQ
_SPACED = re.compile(r"(?<!\d)1[3-9]\d[\s\-]\d{4}[\s\-]\d{4}(?!\d)")
_LATIN = re.compile(
    r"[\w.+-]+@[\w-]+\.[\w.]+|\b(?:wx|o)[A-Za-z0-9_-]{10,}|(?:微信|wechat|vx|v信)号?\s*[:：]?\s*[A-Za-z][\w-]{4,}",
    re.IGNORECASE,
)
_TITLE = (
    "(?:医生|大夫|主任|院长|主治|教授|老师|护士|代表|经理|总|先生|女士|小姐|师傅|阿姨|大爷|大妈|叔|姐|哥)"
)
_FAMILY = "|".join(sorted(map(re.escape, SURNAMES), key=len, reverse=True))
_TITLED = re.compile(
    rf"(?:{_FAMILY})[\u4e00-\u9fff]{{0,2}}?(?={_TITLE})|[老小](?![年师时量于程区便家公花])(?:{_FAMILY})"
)
_SELF = re.compile(rf"(?<=我叫|我是|名叫|叫做|姓名)[是：:\s]*(?:{_FAMILY})[\u4e00-\u9fff]{{1,2}}")
NAME, PLACE, NUMBER = "〔姓名〕", "〔单位〕", "〔号码〕"
MARK = re.compile("[〔〕]")


class Pseudonyms:
    """Of one visit: whom the rows name, and what the words may name besides."""

    def __init__(self, names: Iterable[str], places: Iterable[str]) -> None:
        self._known = [
            *((one, NAME) for one in sorted(filter(None, names), key=len, reverse=True)),
            *((one, PLACE) for one in sorted(filter(None, places), key=len, reverse=True)),
        ]

    def hide(self, text: str) -> str:
        for words, shown in self._known:
            text = text.replace(words, shown)
        text = _SPACED.sub(NUMBER, text)
        text = _LATIN.sub(NUMBER, text)
        text = _DIGITS.sub(NUMBER, text)
        text = _SELF.sub(NAME, text)
        return _TITLED.sub(NAME, text)

"""Chinese characters as names need them: all of Unicode's, and one form for those that look alike."""

from __future__ import annotations

import re
import unicodedata

from bot.text.folding import simplified

# For a character class: 〇, the blocks of the basic plane, and planes 2 and 3 whole, so that a name is not
# refused because its character is younger than Python's tables. What `leveled` maps away is not in it.
HAN = "\u3007\u3400-\u9fff\U00020000-\U0003fffd"

# Unicode's EquivalentUnifiedIdeograph for those radicals that NFKC leaves alone; text from a PDF has them.
_RADICALS = (
    "⺅亻⺈刀⺉刂⺊卜⺋㔾⺌小⺍小⺒巳⺓幺⺖忄⺗心⺘扌⺙攵⺛旡⺜日⺝月⺞歺⺠民⺡氵⺣灬⺤爫⺥爪⺧牛⺨犭⺩王⺪疋⺫目⺬示⺭礻⺮竹⺯糸⺰纟"
    "⺱罓⺲罒⺳罓⺵罓⺶羊⺷羊⺸羊⺹耂⺺聿⺼月⺽臼⺾艹⺿艹⻀艹⻁虎⻂衤⻃西⻄西⻅见⻆角⻇角⻈讠⻉贝⻊足⻋车⻌辶⻍辶⻎辶⻏阝"
    "⻐钅⻑长⻒长⻓长⻔门⻕阜⻖阝⻗雨⻘青⻙韦⻚页⻛风⻜飞⻝食⻞食⻟食⻠饣⻡首⻢马⻣骨⻤鬼⻥鱼⻦鸟⻧卤⻨麦⻩黄⻪黾"
    "⻫斉⻬齐⻭歯⻮齿⻯竜⻰龙⻱龟⻲亀"
)
_ALIKE = str.maketrans(dict(zip(_RADICALS[::2], _RADICALS[1::2], strict=True)))
_ZERO = re.compile(rf"(?<=[{HAN}])[○◯]|[○◯](?=[{HAN}])")


def is_han(char: str) -> bool:
    """Whether this is a Chinese character, one that Python does not know yet included."""
    return char == "〇" or "\u3400" <= char <= "\u9fff" or "\U00020000" <= char <= "\U0003fffd"


def leveled(text: str) -> str:
    """Half-width, radicals as the characters they look like, without what cannot be seen."""
    if text.isascii():
        return text
    plain = unicodedata.normalize("NFKC", text)
    shown = "".join(c for c in plain if unicodedata.category(c) != "Cf" and not _selects(c))
    return _ZERO.sub("〇", shown.translate(_ALIKE))


def same(text: str) -> str:
    """`leveled`, with simplified for traditional characters: what is compared, not what is shown."""
    return simplified(leveled(text))


def _selects(char: str) -> bool:
    """Variation selectors name a shape of the character before."""
    return "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"

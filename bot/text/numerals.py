"""Numbers as people write and say them in Chinese: 145, 6.8, 1/2, 一百四十五, 一百四, 十一点二, 一四五, 半.

For folded text (`bot.text.folding`). Readers give None for what is not one number.
"""

from __future__ import annotations

import re

_DIGITS = {
    char: value
    for value, chars in enumerate(
        ("零〇", "一壹幺", "二两贰俩", "三叁仨", "四肆", "五伍", "六陆", "七柒", "八捌", "九玖")
    )
    for char in chars
}
_UNITS = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "仟": 1000}

_D = "[一二两三四五六七八九壹贰叁肆伍陆柒捌玖]"
_ONE = f"{_D}(?![十百千拾佰仟])"  # a last digit; before 十 it would open the next number (一百四十|九十)
_TENS = f"(?:{_D}?[十拾](?:{_ONE})?)"
_HUNDREDS = f"(?:{_D}?[百佰](?:[零〇]{_ONE}|{_TENS}|{_ONE})?)"
_THOUSANDS = f"(?:{_D}[千仟](?:[零〇]?{_HUNDREDS}|[零〇]{_TENS}|[零〇]{_ONE}|{_ONE})?)"
_POINT = "(?:点[零〇一二两三四五六七八九]{1,3})"

#: A number of at least two characters in Chinese numerals; a single one is too often part of a word (一直).
HAN = (
    f"(?:(?:{_THOUSANDS}|{_HUNDREDS}|{_TENS}){_POINT}?|[零〇一二两三四五六七八九]{_POINT}"
    "|[一幺二三四五六七八九][零〇一二三四五六七八九]{1,2})"
)
#: In figures, with at most four before the point; 8点5 as it is spoken.
FIGURES = r"(?:(?<![\d.])\d{1,4}(?:\.\d{1,3}|点\d(?![片粒次颗]))?(?!\d))"
#: One number, in figures or in Chinese.
NUMBER = f"(?:{FIGURES}|{HAN})"
#: A small count for doses and times a day: single Chinese numerals, 半 and fractions included; numerals read
#: digit by digit not, for 两三片 are two or three and 周一三五 are three days.
AMOUNT = (
    r"(?:\d{1,4}/\d{1,2}|(?<![\d.])\d{1,6}(?:\.\d{1,3})?(?!\d)|[二三四]分之[一二三]"
    rf"|{_D}?[百佰][零〇]?{_D}?十?{_D}?|{_D}?[十拾]{_D}?|[一二两俩三仨四五六七八九壹贰叁肆伍陆柒捌玖半])"
)


def read(text: str) -> float | None:
    """The number `text` stands for; None when it stands for none."""
    if re.fullmatch(r"\d+(?:[.点]\d+)?", text, re.ASCII):
        return float(text.replace("点", "."))
    if fraction := re.fullmatch(r"(\d+)/(\d+)", text, re.ASCII):
        return int(fraction[1]) / int(fraction[2]) if int(fraction[2]) else None
    if text == "半":
        return 0.5
    if "分之" in text:
        below, _, above = text.partition("分之")
        parts, of = _whole(above), _whole(below)
        return parts / of if parts and of else None
    whole, point, decimals = text.partition("点")
    value = _whole(whole)
    if value is None or not point:
        return None if point else value
    if not decimals or any(char not in _DIGITS for char in decimals):
        return None
    return float(f"{int(value)}." + "".join(str(_DIGITS[char]) for char in decimals))


def _whole(text: str) -> float | None:
    if not text or any(char not in _DIGITS and char not in _UNITS for char in text):
        return None
    if not any(char in _UNITS for char in text):  # digit by digit: 一四五
        return float("".join(str(_DIGITS[char]) for char in text))
    total, digit, last = 0, None, 1
    for char in text:
        if char in _UNITS:
            total += (1 if digit is None else digit) * _UNITS[char]
            digit, last = None, _UNITS[char]
        else:
            digit = _DIGITS[char]
            if digit == 0:
                last = 10  # after 零 the digit counts ones (一百零五), without it tens (一百五)
    if digit:
        total += digit * max(last // 10, 1)
    return float(total)


def tidy(value: float) -> int | float:
    """145.0 -> 145, 6.80 -> 6.8: what a person would write."""
    rounded = round(value, 4)
    return int(rounded) if rounded == int(rounded) else rounded

"""From a `Message` to what WeChat shows: numbered text, menus, and texts cut to its 2048 bytes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from bot.model import Message
from connectors.wechat.envelope import NOT_XML

LIMIT = 2048  # bytes of UTF-8 in one text; more is errcode 45002

PASSIVE_TAIL = "回复序号即可"
MENU_TAIL = "点选一项，或直接打字回复"

# Where a reader would pause: after a sentence with its closing quotes, then after a clause.
SENTENCE = re.compile(r"[。！？；…!?]+[”’」』）)\]】》]*|\.(?=\s)|\n+")
CLAUSE = re.compile(r"[，、：,](?![0-9])|\s+")
WORD = re.compile(r"[0-9A-Za-z.,/%+-]")  # never cut inside 0.5g, eGFR or a web address
LONGEST_WORD = 200
JOINER = "\u200d"


def clean(text: str) -> str:
    """Without the characters neither XML nor the platform's JSON can carry."""
    return NOT_XML.sub("", text)


def size(text: str) -> int:
    """Bytes of UTF-8."""
    return len(text.encode())


def passive_text(message: Message) -> str:
    """Text with the choices numbered below it: a passive reply knows no menu."""
    if not message.choices:
        return clean(message.text)
    lines = [f"{number}. {choice.label}" for number, choice in enumerate(message.choices, start=1)]
    return clean("\n".join([*([message.text] if message.text else []), *lines, PASSIVE_TAIL]))


def passive_fits(message: Message) -> bool:
    """Whether a passive reply can carry all of it: a picture, or a text of at most 2048 bytes, not blank."""
    if message.attachment is not None:
        return not message.choices
    text = passive_text(message)
    return bool(text.strip()) and size(text) <= LIMIT


def fits(message: Message, limit: int = LIMIT) -> bool:
    """Whether one customer-service message can carry all of it."""
    if message.attachment is not None:
        return not message.choices
    return size(_shown(message)) <= limit


def _shown(message: Message) -> str:
    """All that is read in the menu or text, to be measured."""
    if not message.choices:
        return clean(message.text)
    return clean("\n".join([message.text, *(choice.label for choice in message.choices), MENU_TAIL]))


def body(address: str, message: Message, media_id: str = "") -> dict[str, Any]:
    """The customer-service API's JSON: a text, a menu when there are choices, or the uploaded picture."""
    content: dict[str, Any]
    if message.attachment is not None:
        content = {"msgtype": "image", "image": {"media_id": media_id}}
    elif message.choices:
        lines = zip(message.pick_ids(), message.choices, strict=True)
        menu = {
            "head_content": clean(message.text),
            "list": [{"id": pick, "content": clean(choice.label)} for pick, choice in lines],
            "tail_content": MENU_TAIL,
        }
        content = {"msgtype": "msgmenu", "msgmenu": menu}
    else:
        content = {"msgtype": "text", "text": {"content": clean(message.text)}}
    label = {} if message.typed else {"aimsgcontext": {"is_ai_msg": 1}}
    return {"touser": address, **content, **label}


def split(message: Message, limit: int = LIMIT) -> tuple[Message, ...]:
    """The message as messages of at most `limit` bytes, in order; the choices stay with the last.

    The pieces joined are the text, save for pieces that would have been blank. A message whose choices alone
    are too long stays too long, and `send` refuses it. A picture has no text; its choices come after it.
    """
    if message.attachment is not None:
        menu = replace(message, text="", attachment=None)
        return (replace(message, choices=()), *((menu,) if message.choices else ()))
    if fits(message, limit):
        return (message,)
    texts = list(_pieces(clean(message.text), limit)) or [""]
    if not fits(replace(message, text=texts[-1]), limit):
        room = limit - size(_shown(replace(message, text="")))  # what the choices leave
        if room >= limit // 8:
            texts[-1:] = _pieces(texts[-1], room)
        elif texts[-1]:
            texts.append("")
    before = (replace(message, text=text, choices=()) for text in texts[:-1])
    return (*before, replace(message, text=texts[-1]))


def _pieces(text: str, limit: int) -> Iterator[str]:
    """The text in pieces of at most `limit` bytes, cut where a reader would pause."""
    start = 0
    while start < len(text):
        end = start + len(text[start : start + limit].encode()[:limit].decode("utf-8", "ignore"))
        if end < len(text):
            end = start + _cut(text[start:end], text[end])
        if text[start:end].strip():
            yield text[start:end]
        start = end


def _cut(window: str, following: str) -> int:
    """How much of the window to take: up to its last sentence, else clause, in its second half, else all."""
    for pattern in (SENTENCE, CLAUSE):
        ends = [found.end() for found in pattern.finditer(window + following)]
        ends = [end for end in ends if len(window) // 2 <= end <= len(window)]
        if ends:
            return ends[-1]
    text, cut = window + following, len(window)
    least = max(1, cut - LONGEST_WORD)
    while cut > least and _inseparable(text[cut - 1], text[cut]):
        cut -= 1
    return cut if cut > least else len(window)


def _inseparable(before: str, after: str) -> bool:
    joined = JOINER in (before, after) or unicodedata.category(after) in ("Mn", "Me")
    return joined or bool(WORD.match(before) and WORD.match(after))

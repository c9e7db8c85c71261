"""What the messages of a turn amount to: words for the engine, a pick among what was offered, or nothing."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from bot.dialogue.menu import SET_BY_US
from bot.doctors import scanned
from bot.inbound.open_requests import asked_for, left_over, orders_person
from bot.knowledge import Product
from bot.medical_information import CHOICE, answers
from bot.model import Choice, InboundKind, TurnInput
from bot.safety import NOTHING, Ours, is_yes, likely_stop, own_words
from bot.schedule import bids_speak
from bot.store.inbox import StoredMessage

# A number as people pick it: 2, 第二个, 我选第2个, 2 谢谢, 2️⃣ (its two marks fall away first).
_ORDINAL = re.compile(
    r"(?:好的?|嗯|那)?[,，\s]{0,2}(?P<how>(?:我|就|想|要|选择?|看|问|点|回复?|的){0,4})\s?"
    r"(?P<place>第|选项|序号)?\s?(?P<number>[1-9一二三四五六七八九])\s?(?:(?P<count>[个条种])|[项号])?"
    r"(?P<question>问题)?[吧呀啊哦哈呢嘛的]{0,2}[。.、,，!！~～\s]{0,3}"
    r"(?:谢谢|多谢|谢了|麻烦|辛苦)?[您你了啦]{0,2}[。.、,，!！~～\s]{0,3}"
)
_KEYCAP = str.maketrans("", "", "\ufe0e\ufe0f\u20e3")
_THIS_ONE = re.compile(
    r"(?:对|嗯|是的?|没错)?[,，\s]{0,2}(?:就是?|是)?(?:这个|它|这条|这一[个条])[吧了呀啊哦]?[。.!！~～]?"
)
_LAST = re.compile(r"(?:我?选|要|看)?最后一?[个条项]吧?[。.!！]?")
_OPEN = frozenset({"ask_human", "delete_data", "export_data"})  # to whoever is not verified, too
WISHES = frozenset({"stop", "resume"})  # choices of the question whether somebody wishes this
_INSTEAD = {"unseen": "utter_media", "place": "utter_location", "ours": "utter_own_line"}
_DIGITS = {digit: number for number, digit in enumerate("一二三四五六七八九", start=1)}


@dataclass(frozen=True, slots=True)
class TurnReading:
    """Input for the engine, or (`fixed`) the name of a response that needs no engine."""

    input: TurnInput
    fixed: str = ""


def read_turn(
    messages: Sequence[StoredMessage],
    offered: Sequence[Choice],
    clicked: Choice | None = None,
    *,
    verified: bool,
    intents: Collection[str] = (),
    products: tuple[Product, ...] = (),
    ours: Ours = NOTHING,
    asks: Callable[[str], bool] = lambda text: False,
    put_off: bool = False,
) -> TurnReading | None:
    """The turn's input; None when there is nothing to react to. `ours`: what we say, which nobody else said.

    `offered` was shown last; `clicked` is what the id of the last message names, where it names anything.
    `intents` are those that a key of the account's menu may name; `products` are what there are answers on;
    `asks` knows a doctor's question that the NLU is not to judge. `put_off`: a visit was put off or declined,
    which 你说吧 takes up again.
    Until a doctor is verified every word goes to the verification, whatever it says: the gate is here,
    in rows, and not in what the NLU makes of it. But a person, and their own data, anybody may ask for; what
    these intents lead to shows nothing of a product.
    """
    kind = messages[-1].kind if messages else None
    body = messages[-1].body if messages else {}
    if kind == InboundKind.TRIGGER:
        return TurnReading(TurnInput(intent=body["event"], trigger=True, metadata=body["detail"]))
    if kind == InboundKind.EVENT and body["event"] == "click":
        return _menu(str(body["detail"].get("key", "")), intents, verified=verified)
    if kind == InboundKind.EVENT:
        if body["event"] not in ("subscribe", "scan"):
            return None
        # An invitation that is scanned is as good as its code typed.
        code = "" if verified else scanned(str((body.get("detail") or {}).get("key", "")))
        return TurnReading(TurnInput(text=code, intent="greet" if verified else "verify"))
    if kind == InboundKind.MEDIA:
        place = (body.get("detail") or {}).get("type") == "location"
        return TurnReading(TurnInput(), fixed="utter_location" if place else "utter_media")
    if kind not in (InboundKind.TEXT, InboundKind.CHOICE):
        return None
    text, instead = _words(messages, products, ours)
    if instead and not text:
        return TurnReading(TurnInput(), fixed=_INSTEAD[instead])
    if not verified:
        return TurnReading(TurnInput(text=text, intent=asked_for(text) or "verify"))
    picked = clicked or _picked(kind, body, text, offered) or _wished(text, offered)
    if picked is not None:
        return TurnReading(TurnInput(text=picked.label, intent="choose", entities={"choice": picked.id}))
    asked = offered[0] if offered and offered[0].id in WISHES else None
    if asked is not None and kind == InboundKind.TEXT and is_yes(text):
        return TurnReading(TurnInput(text=asked.label, intent="choose", entities={"choice": asked.id}))
    if likely_stop(text) and "stop_contact" in intents:
        return TurnReading(TurnInput(text=text, intent="stop_contact"))
    known = "ask_human" if orders_person(text) else "ask_product" if asks(text) else ""
    if put_off and bids_speak(text) and "visit_ask" in intents:
        known = "visit_ask"
    return TurnReading(TurnInput(text=text, intent=known)) if text.strip() else None


def _words(messages: Sequence[StoredMessage], products: tuple[Product, ...], ours: Ours) -> tuple[str, str]:
    """What they wrote themselves; and where that is nothing, what it was instead.

    A wish about our messages or a hint at money is answered already: what the message asks besides is left.
    """
    found, instead = [], ""
    for message in messages:
        written = message.body["text"]
        money = bool(message.screening.get("money"))
        if money or message.screening.get("wish"):
            flagged = bool(message.screening.get("red_flag"))
            found.append(left_over(written, products, ours, money=money, flagged=flagged))
            continue
        own = own_words(written, ours)
        if message.kind != InboundKind.TEXT or own.text == written:
            found.append(written)
        else:
            found.append(own.face or own.words)
            instead = own.instead if own.instead in _INSTEAD else instead
    return "\n".join(piece for piece in found if piece), instead


def _menu(key: str, intents: Collection[str], *, verified: bool) -> TurnReading:
    """What an entry of the account's menu means, by its key: the id of a choice, or `text:` and words as if
    typed. The operator of the account set the keys; nobody can type one.
    """
    what, _, name = key.partition(":")
    if what == "text" and name.strip():
        turn_input = TurnInput(text=name)
    elif what == "intent" and name in intents and name not in SET_BY_US:
        turn_input = TurnInput(intent=name)
    elif key == "human":
        turn_input = TurnInput(intent="ask_human")
    elif key == "medical_information" or (what == "entry" and name):
        turn_input = TurnInput(intent="choose", entities={"choice": key})
    elif verified:
        return TurnReading(TurnInput(), fixed="utter_fallback")
    else:
        turn_input = TurnInput()
    if verified or turn_input.intent in _OPEN:
        return TurnReading(turn_input)
    return TurnReading(TurnInput(text=turn_input.text, intent=asked_for(turn_input.text) or "verify"))


def _picked(kind: InboundKind, body: dict[str, str], text: str, offered: Sequence[Choice]) -> Choice | None:
    """The choice they picked: by its words or its number. An id that names nothing may still be a number.

    Nothing but what was offered can be picked: whoever types our name of an entry has typed a text.
    """
    if kind == InboundKind.CHOICE:
        return _named(body["text"], offered) or _named(body["choice"], offered)
    return _named(text, offered)


def _wished(text: str, offered: Sequence[Choice]) -> Choice | None:
    """The answer in words of their own to how they want to hear from medical information, if that was asked
    last."""
    asked = {one.id: one for one in offered if one.id.startswith(CHOICE)}
    return asked.get(f"{CHOICE}{answers(text)}") if asked else None


def _number(bare: str) -> int:
    """The place in a list that a text names; 0: none. 一个 counts things (想问一个问题) and names none."""
    match = _ORDINAL.fullmatch(bare)
    if match is None:
        return 0
    one, how = match["number"] in ("1", "一"), match["how"]
    if not match["place"]:
        if match["question"] and (one or "问" in how):
            return 0
        if match["count"] and one and not how.endswith(("选", "选择", "就", "要")):
            return 0
    return _DIGITS.get(match["number"]) or int(match["number"])


def _named(text: str, offered: Sequence[Choice]) -> Choice | None:
    bare = unicodedata.normalize("NFKC", text).translate(_KEYCAP).strip()
    entries = [choice for choice in offered if choice.id.startswith("entry:")]
    if len(entries) == 1 and _THIS_ONE.fullmatch(bare):
        return entries[0]
    if entries and _LAST.fullmatch(bare):
        return entries[-1]
    if number := _number(bare):
        return offered[number - 1] if number <= len(offered) else None
    labels = (unicodedata.normalize("NFKC", choice.label).strip() for choice in offered)
    return next((choice for choice, label in zip(offered, labels, strict=True) if label == bare), None)

"""A message is not always one question: greetings, several questions in a row, findings that are denied,
corrections of what was asked before.

Words only: which product is meant, and what answers, the index knows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.knowledge.content import Product
from bot.knowledge.products import is_name, names_product
from bot.knowledge.terms import hints
from bot.knowledge.text import plain
from bot.text.greetings import GREETING

MOST_QUESTIONS = 6  # each costs a search
_LONGEST = 80  # characters of a message that is one question and nothing else

_END = re.compile(r"[。？！?!；;\n]")
_PAUSE = re.compile(r"[，,、 \t]")
_ASKS = re.compile(
    r"[吗呢么咋啥哪谁几]|[\u4e00-\u9fff]不$|没有?$|怎么|如何|多少|多大|多久|能不能|可不可以|行不行|要不要|会不会|是不是|有没有|停不停|"
    r"什么|是否|能否|可否|剂量|用量|禁忌|副作用|适应[症证]|不良反应|规格|半衰期|\bhow\b|\bwhat\b|\bok\b|\bmax\b|\bdose\b",
    re.I,
)
_GREETING = re.compile(rf"(?:{GREETING}|(?:好|老师)[啊呀哈嘛~～]{{0,2}})", re.I)
_MAY_I = re.compile(
    r"(?:我|俺)?(?:再|还|就|先)?(?:想|要)?(?:请教|请问|问问?|咨询|打听|了解)(?:您|你)?(?:一?下|个问题|个事|句)?[哈啊呀]?(?=[^的是题])"
)
_THANKS = re.compile(r"(?:谢谢|多谢|谢了|感谢|辛苦|麻烦)[您你了啦]{0,3}[老师]{0,2}")
_JOINT = "，,。！!、 \t:：~～…"
# The ids behind our menus and buttons (entry:metformin-renal). Typed by hand they name nothing that is asked.
_KEY = re.compile(r"(?<![A-Za-z0-9])(?:entry|text|intent):[A-Za-z0-9-]{1,60}")

# Findings that are denied: 无皮疹, 否认低血糖, 没有出现咳嗽、水肿. They say what is not asked about.
_FINDING = (
    r"(?:过敏史?|药敏|皮疹|干?咳嗽?|水肿|浮肿|脚肿|低血糖|肌痛|肌肉(?:酸|疼|痛){1,2}|头[晕疼痛]|恶心|呕吐|腹泻|腹痛|不适|不舒服|黄疸|出血|胸[痛闷]|"
    r"发[热烧]|心慌|乏力|不良反应|副作用|禁忌症?|其他病|低血压|高血?钾|乳酸酸?中毒)"
)
_DENIED = re.compile(
    rf"(?<![有是])(?:没有|没|无|否认|未见|未诉|未出现|不伴)(?:出现|发生|明显|任何|药物|食物|其他|过){{0,2}}{_FINDING}"
    rf"(?:[、和及或]{{0,1}}(?:无|没有)?{_FINDING}){{0,5}}(?:等?症状|史|病史|反应|表现)?(?=[，,。；; \t\n]|$)"
)

_SORRY = re.compile(r"(?:不好意思|抱歉|对不起|sorry|[哦噢喔额呃啊唉哎]呀?)[，,。！!、 \t啊哈了]{0,3}", re.I)
_SLIP = re.compile(
    r"(?:我)?(?:刚才)?(?:不对|错了|(?:打|说|写|发|输|问|搞|讲)错(?:字|药|药名)?了?)"
    r"[，,。！!、 \t啊哦]{0,3}"
)
_NOT_BUT = re.compile(
    r"(?:我)?(?:说的|问的|要的)?(?:不是|没[说问]|不要)(?:说|问)?(?P<no>[^，,。！!\s是]{1,12})[，,。！!、\s]{0,3}"
    r"(?:而)?(?:我)?(?:是|(?:说|问|指|想问|要问)的?是?)(?P<yes>[^是不].{0,30})"
)
_BUT_NOT = re.compile(
    r"(?:我)?(?:说的|问的|要的)?是(?P<yes>[^不是，,\s][^，,。\s]{0,20}?)[，,。、\s]{0,3}不是(?P<no>[^，,。\s]{1,12})"
)
_MEANT = re.compile(
    r"(?:我)?(?:刚才)?(?:(?:说|问|指|讲|想问|要问|想说)的是|是(?:说|问|指|想问)|应该是|应为|改成|更正|更正为)(?P<yes>.{1,40})"
)
_TOLD = re.compile(r"病人|患者|[吃用服]了|[吃用服]完|[吃用服]后|出现|之后|以后")
_NOT_THIS = re.compile(
    r"(?:我)?(?:说的|问的|要的)?(?:不是|没[说问])(?:说|问)?(?P<no>[^，,。！!？?\s是吗么]{1,12})[了啊呀哈的。！!\s]{0,3}"
)
# A wish about our messages, for a person, or a complaint: never a question, whatever product it names.
_WISHES = re.compile(
    r"(?:别|不要|不用|不必|勿|甭|莫|少)(?:再|老|总|给我?|跟我|向我|来|乱|瞎){0,3}(?:发|推|打扰|骚扰|烦|联系|提醒|通知)"
    r"|退订|取关|拒收|屏蔽|拉黑|(?:停止|取消|关[掉闭])(?:推|发|订|消息|通知|提醒)|投诉|举报|人工|真人|活人|客服"
    r"|(?:找|叫|让|联系|换|转)[^，,。]{0,4}(?:代表|的?人)"
)
_TAIL = re.compile(r"[了啊呀哈吧哦。，,！!？?\s]{1,4}$")


@dataclass(frozen=True, slots=True)
class Correction:
    """What is meant instead; `no` is what was said and is not meant, where they name it."""

    yes: str
    no: str = ""


def questions(text: str) -> tuple[str, ...]:
    """The questions of a message in order, without greeting and denied findings. A clause that asks nothing
    goes with the question it stands before. Nothing is left out: of more than six the last are one."""
    sentences = _split(_END, text)
    pieces = [piece for one in sentences for part in _split(_PAUSE, one) if (piece := without_greeting(part))]
    found = _joined([one for one in pieces if not _THANKS.fullmatch(one)])
    return (*found[: MOST_QUESTIONS - 1], *filter(None, [" ".join(found[MOST_QUESTIONS - 1 :])]))


def _joined(clauses: list[str]) -> list[str]:
    """Clauses that ask nothing, put before the next question or after the last."""
    found: list[str] = []
    pending = ""
    for clause in clauses:
        if _ASKS.search(clause):
            found.append(f"{pending} {clause}".strip())
            pending = ""
        else:
            pending = f"{pending} {clause}".strip()
    if pending and found:
        found[-1] = f"{found[-1]} {pending}"
    return found or ([pending] if pending else [])


def _split(mark: re.Pattern[str], text: str) -> list[str]:
    return [piece for one in mark.split(text) if (piece := one.strip())]


def without_greeting(text: str) -> str:
    """The text without the greeting and the 我想问一下 that it begins with."""
    rest = text.strip()
    for _ in range(3):
        for opening in (_GREETING, _MAY_I):
            if match := opening.match(rest):
                rest = rest[match.end() :].lstrip(_JOINT)
    return rest


def without_denied(text: str) -> str:
    """The text without findings that are denied, if anything is left that asks."""
    rest = _KEY.sub(" ", text)
    kept = _DENIED.sub("", rest)
    return kept if kept == rest or _ASKS.search(kept) else rest


def asks(text: str) -> bool:
    """Whether a text asks something."""
    return bool(_ASKS.search(text)) or "?" in text or "？" in text


def greets(text: str) -> bool:
    """Whether a text begins with a greeting, or asks leave to ask, and goes on."""
    rest = without_greeting(text)
    return bool(rest) and rest != text.strip()


def puts_a_question(text: str, products: tuple[Product, ...]) -> bool:
    """Whether the words can only be a question about one of the products, whatever the NLU hears in the rest
    of them: a greeting before it, a slip put right, its efficacy (which is no wish for one's own data)."""
    if len(text) > _LONGEST or not names_product(text, products):
        return False
    if _WISHES.search(text):
        return False
    if (found := correction(text)) is not None:
        asked = _ASKS.search(found.yes) or hints(plain(found.yes))
        return is_name(found.yes, products) or bool(asked and not _TOLD.search(found.yes))
    if "efficacy" in hints(plain(text)):
        return True
    return greets(text) and bool(_ASKS.search(without_greeting(text))) and not _TOLD.search(text)


def correction(text: str) -> Correction | None:
    """What the words put right of the question before, if they do."""
    rest, slip = text.strip()[:80], False
    while again := _SORRY.match(rest) or _SLIP.match(rest):
        slip = slip or again.re is _SLIP
        rest = rest[again.end() :]
    for form in (_NOT_BUT, _BUT_NOT, _MEANT):
        if match := form.fullmatch(rest):
            found = match.groupdict()
            return Correction(_TAIL.sub("", found["yes"]).strip(), found.get("no") or "")
    if slip and (yes := rest.lstrip("是我").strip()):
        return Correction(_TAIL.sub("", yes))
    return None


def not_meant(text: str) -> str:
    """What the words say is not meant: 不是缬沙坦."""
    if found := correction(text):
        return found.no
    denied = _NOT_THIS.fullmatch(text.strip()[:80])
    return denied["no"] if denied else ""

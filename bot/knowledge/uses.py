"""Does a question ask for a use the label does not approve? Signals in the words, for the calibration.

The label's approved uses are known and finite; what people would like a medicine for is not. So the
signals look for a purpose (治…, 预防…, 对…有效) or a disease that is none of the approved ones, and for
somebody who lacks the approved disease (血糖正常), whatever the purpose is called.
"""

from __future__ import annotations

import re

import numpy as np

from bot.knowledge.ridge import Floats
from bot.knowledge.terms import conditions_in, wording

SIGNALS = (
    "unapproved",
    "purpose",
    "aimed",
    "effect",
    "lacking",
    "comorbid",
    "approved",
    "harm",
    "open",
    "brief",
)

_PURPOSE = wording(
    r"治疗?(?!疗)|预防|防(?!护|治指)|改善|缓解|辅助|消(?!化|失|炎药|胆)|逆转|延缓|(?<!单)抗(?!凝|血小板|抑郁药|生素|真菌|结核药|癫痫药|精神病药|炎药)|"
    r"促(?!进剂)|助(?!手)|抑制(?!剂)|保护|松弛|祛|增强(?!ct|mri|扫|磁|核|造影)|增加(?=骨|免疫)|修复|稳定(?=斑块)|降(?=尿蛋白|尿酸|肺|门脉|雄|蛋白|眼压|体重)|"
    r"减(?=肥|重|脂|少.{0,4}蛋白|蛋白)|控制(?=体重|癌)|\bfor\b|prevent|treat"
)
_TREATS = re.compile(r"(?:治疗?|降|控制|对)[\u4e00-\u9fff]{0,2}$")
_EFFECT = re.compile(
    r"有没有[用效作](?!期)|有[用效帮好](?!药|果持|期|没|吗)|有[用效][吗没]|管用|好使|起作用|效果怎|行得?不行|试试|能好|能消"
)
_LACKING = re.compile(
    r"(?:血压|血糖|血脂|胆固醇|糖)(?:都|也|是|还)?(?:正常|不高|没事|好的|不算高|偏高没)|(?:没有?|无|不是|不伴|非)(?:得)?"
    r"(?:高血压|糖尿病|高血脂|三高|病)|没(?:到|达到|确诊)|还没确诊|健康人|正常人|单纯"
)
_COMORBID = re.compile(r"合并|伴有?|同时有|本身有|有.{1,8}的(?:病人|患者|人)|病史|患者|病人|的人|又有|基础")
_HARM = re.compile(
    r"会不会|引起|导致|诱发|加重|副作用|不良反应|影响|升高|出现|吃出|吃了.{0,6}(?:怎么|正常)|禁忌|禁用|慎用|安全"
)
# Asked of what the medicine does to somebody, not of what it is good for: 吃了会掉头发吗, 致癌吗.
_DONE_TO = re.compile(
    r"会不会|会(?=[掉得引导影伤让使出发诱变致加])|引起|导致|诱发|致癌|副作用|不良反应|影响|伤(?=[肝肾胃眼])|吃出|"
    r"[吃用服]了?以?后?.{0,6}(?:怎么回事|正常吗|正常不|怎么办|是不是药)|[吃用服]了.{0,4}(?:头晕|头疼|头痛|肿|痒|疼|痛|吐|低|高了)"
)
_CAUSED = re.compile(r"致癌|得癌|副作用|不良反应|(?:引起|导致|诱发).{1,8}(?:吗|么|不|没有)")
# Whether somebody who has a disease may take it, asked bare: 青光眼能吃吗, 哮喘病人可以用吗.
_HAVING = re.compile(r"[\u4e00-\u9fff]{0,6}(?:能不能|可不可以|可以|能)[吃用服开][吗不么呢]?(?:吗|不|么)?$")
_OPEN = re.compile(r"什么|哪些|哪类|哪种|啥|几种")
# A wish for literature, with what it is tied to the rest by: 有没有…的循证证据, 有啥临床研究数据.
_EVIDENCE = wording(
    r"的?(?:什么|哪些|相关|循证|医学|临床|国内|国外|国际|大型|随机|对照|真实世界)*"
    r"(?:循证|证据|文献|论文|研究|试验(?!阳性|阴性)|荟萃|meta分析|(?:临床|国内|国外|真实世界|大型)的?(?:数据|资料))(?:证据|数据|资料|结果|支持|报告)*"
)
_PURPOSE_REACH = 8  # characters between a purpose and its disease


def evidence(text: str) -> tuple[str, bool]:
    """The plain text without its wish for literature, and whether there is one."""
    rest = _EVIDENCE.sub("", text)
    return rest, rest != text


def benefit(text: str, approved: frozenset[str]) -> bool:
    """Whether the text names no disease the label does not approve, and nobody without an approved one: then
    保护心血管 or 改善预后 is what a treatment is good for, and no use of its own."""
    return not _LACKING.search(text) and all(key in approved for key, _ in conditions_in(text))


def approved_purpose(text: str, approved: frozenset[str]) -> bool:
    """Whether the purpose asked about is one the label approves (缬沙坦治高血压效果怎么样)."""
    found = conditions_in(text)
    treats = any(_TREATS.search(text[: match.start()]) for _, match in found)
    return treats and all(key in approved for key, _ in found) and not _LACKING.search(text)


def harm(text: str) -> bool:
    """Whether the text asks what the medicine does to somebody, or whether somebody with a disease may take
    it: neither is a use, whatever disease it names."""
    return bool(_DONE_TO.search(text) or _gets(text) or _may_take(text)) and not (
        _PURPOSE.search(text) or _EFFECT.search(text) or _LACKING.search(text)
    )


def caused(text: str) -> bool:
    """Whether the words can only be of a harm: then no known use is meant, however near (致癌, 抗癌)."""
    return bool(_CAUSED.search(text)) or _gets(text)


def _gets(text: str) -> bool:
    """Whether a complaint is asked about as what comes of it: 会失眠吗."""
    ends = ("", "吗", "么", "嘛", "不")
    return any(
        text.endswith("会", 0, match.start()) and text[match.end() :] in ends
        for _, match in conditions_in(text)
    )


def _may_take(text: str) -> bool:
    return any(_HAVING.fullmatch(text, match.end()) for _, match in conditions_in(text))


def indicated(text: str, indications: frozenset[frozenset[str]]) -> bool:
    """Whether the text names together what one indication does: 肥胖的2型糖尿病 is one, 肥胖 alone is none.
    `indications` has the conditions of each."""
    found = frozenset(key for key, _ in conditions_in(text))
    return len(found) > 1 and found in indications and not _LACKING.search(text)


def aims(text: str, approved: frozenset[str]) -> bool:
    """Whether the words hold anything of a use: a purpose, an effect, another disease, a disease lacking."""
    other = any(key not in approved for key, _ in conditions_in(text))
    return other or any(sign.search(text) for sign in (_PURPOSE, _EFFECT, _LACKING))


def signals(text: str, approved: frozenset[str]) -> Floats:
    """Shape (SIGNALS,), from a plain text without the product's name. `approved` are condition keys."""
    found = conditions_in(text)
    other = [match for key, match in found if key not in approved]
    purposes = list(_PURPOSE.finditer(text))
    aimed = any(
        match.start() - _PURPOSE_REACH <= purpose.end() <= match.start() + 1
        or match.end() <= purpose.start() <= match.end() + 4
        for match in other
        for purpose in purposes
    )
    left = len(text) - sum(match.end() - match.start() for match in other)
    return np.array(
        [
            min(len(other), 2),
            bool(purposes),
            aimed,
            bool(_EFFECT.search(text)),
            bool(_LACKING.search(text)),
            bool(_COMORBID.search(text)),
            len(other) < len(found),
            bool(_HARM.search(text)),
            bool(_OPEN.search(text)),
            bool(other) and left <= 4,
        ],
        dtype=float,
    )

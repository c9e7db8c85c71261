"""What can be a person's name, from the common ones to those of five characters and more."""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

from bot.text.han import HAN, leveled
from bot.text.surnames import SURNAMES

NAME = re.compile(rf"[{HAN}]{{2,4}}|[{HAN}]{{1,12}}(?:·[{HAN}]{{1,12}}){{1,4}}")
LONG_NAME = re.compile(rf"[{HAN}]{{2,15}}|{NAME.pattern}")
LATIN_NAME = re.compile(r"[A-Za-z][A-Za-z.' -]{1,38}[A-Za-z.]")

# Words of a talk about medicine that begin with what is also a surname: 高血压, 白蛋白, 时间, 安全吗.
_NOT_A_NAME = re.compile(
    r"[吗呢么吧啊呀药病症片量吃能怎请您你谢]|血[压糖脂]|蛋白|胰岛|他汀|沙坦|地平|双胍|普利|洛尔|西林|[何时]时|时间|再说|安全|方便|马上|什么|可以|服务"
    r"|院区|分院|全部|全都|常规|平时|许多|明天|毕竟|应该|经常|家属|老师|医[生师]|大夫|资料|核对|信息|人工|退订|医院|卫生|诊所|附院|[一二三]院"
    r"|[了啥吗这就哪啦嘞哒滴]|(?<!阿)不|推送|消息|提醒|通知|关[闭掉]|那[好个就样]|都[是好行对问]|麻烦|辛苦|有劳|费神|劳驾|明白|明儿|周末|[号房]$|急诊|有空|有点|相互|作用|单位|变更|写错|打错|错字"
    r"|郁闷|厉害|本事|欧克|白白|雷猴|晋升|阳性|操作|敬请|才[能会行有来]|满意|帮助|收获|管用|有用|解释|依据|文献|出处|原文|胡说|胡扯|智障|活人|来人|人来|代表|业务员|返利|学分|^那.+(?:人|服|妇|妥|硬化)$|职称|手机|统统|名字|姓名|隐私|数据|注销|订阅|会议|资料|拜访|邀请|联系|电话|回复|地址|快递|发票|价格|多少"
)
# What no name holds, where its first character is no surname and so says nothing for it.
_HARDLY_A_NAME = re.compile(
    r"[聊嗯恩哼找转叫帮对喽蟹忙棒评赞没的是在我他她它有这那哪就还都会码号等说问给让把被和或也很太再先稍]|[改换退停收发删取消忘要算重恢推拒撤关订阅档]|新来|刚|客服|上班|工作|退休|规培|进修|实习|值班|坐诊|出诊|住院|看|好[的吧]?$|收到|知道"
    r"|[科室师族省市县区镇乡村院部组员]$|主任|院长|站长|所长|护士|护师|药师|男|女|全科|乡镇|基层|联系|电话|手机|邮箱|微信|姓名|名字|单位|本人|格列|列汀|列净"
    r"|沙班|拉唑|胺酮|霉素|芬|普林|匹林|嘧|唑|酮|胶囊|注射"
)
_LEXICON = Path(__file__).resolve().parents[2] / "data" / "lexicon"
# Syllables that Uygur, Kazakh, Tibetan, Mongolian and Yi names are written with.
_SYLLABLES = frozenset(
    "阿艾爱安敖巴白拜班宝毕比边别布才仓策查昌次茨措达大代丹旦当道德迪登地东都堆多顿额恩尔尕噶嘎尕高格根更贡古哈海汗浩和合赫黑呼胡化花加嘉江杰金"
    "吉尽九久居卡凯坎康克肯孔库拉来兰朗勒雷里力丽利莲林龙鲁路伦罗洛玛马买麦曼毛美米敏木穆姆娜那纳乃南尼年努诺欧帕潘培彭平普其奇齐恰钦青琼曲却热仁"
    "让日荣如茹若萨赛桑沙山珊舍木生圣师石斯松苏素索塔台太泰坦唐特提铁图吐土托瓦旺维卫文翁沃乌吾西希喜夏先星雄旭许雅亚央扬耶伊依夷以义益因音银英永尤于"
    "玉云尧再则扎札赞泽增珍只智珠朱卓孜子自宗左佐尊不孙音图雅"
)


@cache
def _terms() -> frozenset[str]:
    """The field's own words: 代文 and 格华止 begin with surnames. `bot.language` reads them, too, but brings
    spaCy, and that into a turn."""
    lines = (line for file in _LEXICON.glob("*.txt") for line in file.read_text("utf-8").splitlines())
    terms = (term.strip() for line in lines for term in line.partition("#")[0].split("|"))
    return frozenset(leveled(term) for term in terms if term)


@cache
def _words() -> frozenset[str]:
    """Words of some frequency and two to four characters, out of jieba's dictionary."""
    text = Path(str(distribution("jieba").locate_file("jieba/dict.txt"))).read_bytes()
    # A line is a word, how often it stood in the texts that were counted (ten times or more), its class.
    found = re.finditer(rb"\n((?:[\xe3-\xe9][\x80-\xbf]{2}){2,4}) \d{2,9} ", text)
    return frozenset(match[1].decode() for match in found)


def warm() -> None:
    """Read the word lists: a quarter of a second, which is not to be that of the first who verifies."""
    _terms()
    _words()


def is_name(text: str) -> bool:
    """Whether this is a name wherever it stands: by its surname, its dot, or all of its syllables."""
    if _NOT_A_NAME.search(text) or text in _terms():
        return False
    if NAME.fullmatch(text):
        if "·" in text or text[0] in SURNAMES or text[:2] in SURNAMES:
            return True
    elif not LONG_NAME.fullmatch(text):
        return False
    return len(text) > 3 and _transcribed(text)


def may_be_name(text: str) -> bool:
    """Whether this is a name where nothing else is expected: behind a hospital, beside a phone."""
    if is_name(text):
        return True
    if not LONG_NAME.fullmatch(text) or _NOT_A_NAME.search(text) or text in _terms():
        return False
    # Nobody has a use for the characters beyond the basic plane but names.
    if _transcribed(text) or any(char > "\uffff" or char == "〇" for char in text):
        return True
    return len(text) < 5 and not _HARDLY_A_NAME.search(text) and not _is_words(text)


def _is_words(text: str) -> bool:
    """Whether there is a word of some frequency in it: 打扰一下, 回头聊."""
    pieces = (text[i:j] for i in range(len(text)) for j in range(i + 2, len(text) + 1))
    return not _words().isdisjoint(pieces)


def _transcribed(text: str) -> bool:
    return len(text) > 2 and _SYLLABLES.issuperset(text) and not re.search("格列|西格|素|丽丽$", text)


def is_no_name(text: str) -> bool:
    """Whether this is certainly none, though a name was announced: 名字写错了."""
    return bool(
        re.search(
            r"代表|业务员|活人|的人|客服|过来|联系|写错|打错|错[了字]|改|换|什么|不[对是]|怎么|手机|变更|要填|[了吗呢]$",
            text,
        )
    )

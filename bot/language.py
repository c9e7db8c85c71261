"""The spaCy pipeline for Chinese: normal text, words and typed entities of what a person wrote.

jieba cuts the words, our lexicon (`data/lexicon/*.txt`) keeps the field's words whole, and rulers name
drugs, diseases, symptoms, laboratory values, doses and frequencies. Nothing here guesses: an entity is a
term of the lexicon or a number with a unit. The engine (Python 3.10, spaCy 3.7) and the app (Python 3.11,
spaCy 3.8) both load this module, so it imports nothing else of ours.
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

with warnings.catch_warnings():
    # jieba imports pkg_resources, which warns; our tests make warnings errors.
    warnings.simplefilter("ignore")
    import jieba

jieba.setLogLevel("ERROR")

LEXICON = Path(__file__).resolve().parent.parent / "data" / "lexicon"
WORDS_ONLY = "word"  # terms of word.txt are kept whole but are no entities
NEVER_WORDS = "never"  # words of never.txt are jieba's own that cut our sentences wrongly

EMOJI = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\ufe00-\ufe0f\u200b-\u200f\u2060\u20e3\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
    r"|\[(?:微笑|撇嘴|色|发呆|得意|流泪|害羞|闭嘴|睡|大哭|尴尬|发怒|调皮|呲牙|惊讶|难过|囧|抓狂|吐|偷笑|愉快|白眼|傲慢|困|惊恐|憨笑|悠闲"
    r"|咒骂|疑问|嘘|晕|衰|骷髅|敲打|再见|擦汗|抠鼻|鼓掌|坏笑|右哼哼|鄙视|委屈|快哭了|阴险|亲亲|可怜|笑脸|生病|脸红|破涕为笑|恐惧|失望"
    r"|无语|嘿哈|捂脸|奸笑|机智|皱眉|耶|吃瓜|加油|汗|天啊|社会社会|旺柴|好的|打脸|哇|翻白眼|让我看看|叹气|苦涩|裂开|嘴唇|爱心|心碎|拥抱"
    r"|强|弱|握手|胜利|抱拳|勾引|拳头|OK|合十|啤酒|咖啡|蛋糕|玫瑰|凋谢|菜刀|炸弹|便便|月亮|太阳|庆祝|礼物|红包|發|福|烟花|爆竹)\]"
)

# What an emoji says where it is all that was sent; any other is a face.
SPOKEN = {
    **dict.fromkeys(("👍", "[强]", "[鼓掌]", "[胜利]", "[加油]"), "赞"),
    **dict.fromkeys(("👌", "🆗", "[OK]", "[好的]"), "好的"),
    **dict.fromkeys(("🙏", "🌹", "[合十]", "[抱拳]", "[玫瑰]"), "谢谢"),
    **dict.fromkeys(("👎", "[弱]"), "差评"),
    **dict.fromkeys(("👋", "[再见]"), "再见"),
}
FACE = "表情"

# Bounded, and never begun inside a number: else a thousand digits would take a million steps.
NUMBER = r"(?<![\d.])(?:\d{1,7}(?:\.\d{1,4})?(?!\d)|[一二两三四五六七八九十百半]{1,6})"
END = r"(?![A-Za-z])"
DOSE_UNIT = (
    rf"(?:mg|ug|μg|mcg|g|iu|u|ml){END}|毫克|微克|克|万单位|国际单位|单位|毫升|片|粒|颗|丸|袋|支|滴|喷|揿|吸"
)
MEASURE_UNIT = (
    r"(?:[mμu]?mol/l|mg/dl|[gun]/l|u/l|iu/l|ng/ml|pg/ml|mmhg|ml/min(?:/1\.73m2)?|kg/m2|kg|bpm|℃|°C)"
    rf"{END}|%|毫米汞柱|毫摩尔每升|公斤|斤|岁|次/分|度"
)
DAY = "(?:天|日|周|星期|晚|早上|早|晚上)"
TIMES = f"{NUMBER}(?:次|顿|回)"
# Order matters: the first that matches at a place wins, so the longer readings stand first.
MEASURES = re.compile(
    rf"(?P<frequency>(?<![A-Za-z])(?:qd|bid|tid|qid|qod|qn|qw|biw|tiw|prn|q\d{{1,2}}h){END}"
    rf"|每隔?{NUMBER}?个?(?:{DAY}|小时){TIMES}|{NUMBER}{DAY}{TIMES}|每{DAY}各?{TIMES}|隔[天日](?:{TIMES})?"
    rf"|早晚各?{TIMES}|每{NUMBER}个?小时{TIMES}|每{DAY})"
    rf"|(?P<measure>(?<![\d./])\d{{2,3}}/\d{{2,3}}(?![\d/])(?:\s?mmhg{END})?|{NUMBER}\s?(?:{MEASURE_UNIT}))"
    rf"|(?P<dose>{NUMBER}(?:\s?(?:{DOSE_UNIT}))(?:/(?:kg|d|h|次|日|天)(?![A-Za-z]))*)"
    rf"|(?P<duration>(?!一天){NUMBER}(?:个?(?:星期|小时|月)|天|周|年|分钟)(?:半)?)",
    re.IGNORECASE,
)
CHINESE_DIGITS = {"一": 1, "二": 2, "两": 2, "三": 3, "四": 4}
PER_DAY = {1: "qd", 2: "bid", 3: "tid", 4: "qid"}


@dataclass(frozen=True, slots=True)
class Word:
    """One word; `start` and `end` count characters of the text as it was written."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Entity:
    """A typed mention. `value` is the lexicon's preferred name; `start` and `end` as in `Word`."""

    type: str
    value: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read: `normal` is the text in normal form, the rest refers to the text as written."""

    text: str
    normal: str
    words: tuple[Word, ...]
    entities: tuple[Entity, ...]


def normalise(text: str) -> str:
    """Full-width to half-width (NFKC); emoji, invisible characters and halves of surrogates to nothing.

    A text of nothing but emoji becomes what the first of them says: 👍 is an answer.
    """
    return _aligned(text)[0]


def _aligned(text: str) -> tuple[str, list[int] | None]:
    """The normal form, and for each of its characters its place in `text` (None: all in place)."""
    if text.isascii() or (unicodedata.is_normalized("NFKC", text) and not EMOJI.search(text)):
        return text, None
    drop = {place for match in EMOJI.finditer(text) for place in range(*match.span())}
    characters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        if place not in drop:
            normal = unicodedata.normalize("NFKC", character)
            characters.append(normal)
            places.extend([place] * len(normal))
    if drop and not "".join(characters).strip():
        first = EMOJI.search(text)
        spoken = SPOKEN.get(first.group(), FACE) if first else ""
        return spoken, [0] * len(spoken)
    return "".join(characters), places


def read_lexicon(folder: Path) -> dict[str, dict[str, str]]:
    """Terms by type: `{"drug": {"格华止": "二甲双胍", ...}}` from `folder/TYPE.txt`.

    A line is `preferred | other | other`; `#` begins a comment. Raises ValueError naming file and line.
    """
    lexicon: dict[str, dict[str, str]] = {}
    files = sorted(folder.glob("*.txt"))
    if not files:
        raise ValueError(f"no lexicon in {folder.name}")
    for file in files:
        terms = lexicon.setdefault(file.stem, {})
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            names = [normalise(name.strip()) for name in line.partition("#")[0].split("|")]
            if names == [""]:
                continue
            if not all(names):
                raise ValueError(f"{file.name}:{number}: an empty name")
            for name in names:
                if terms.setdefault(name, names[0]) != names[0]:
                    raise ValueError(f"{file.name}:{number}: {name} stands for {terms[name]} already")
    return lexicon


@lru_cache(maxsize=1)
def base_dictionary() -> tuple[dict[str, int], int]:
    """jieba's own dictionary, parsed once a process and without its cache file in a shared /tmp."""
    tokenizer = jieba.Tokenizer()
    frequencies, total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    return frequencies, total


class Segmenter:
    """spaCy tokenizer: lexicon terms and numbers with units first, jieba for the Chinese between."""

    def __init__(self, vocab: Vocab, lexicon: dict[str, dict[str, str]]) -> None:
        self.vocab = vocab
        frequencies, total = base_dictionary()
        self._jieba = jieba.Tokenizer()
        self._jieba.FREQ, self._jieba.total = dict(frequencies), total
        self._jieba.initialized = True
        mixed = []
        for word in lexicon.get(NEVER_WORDS, {}):
            self._jieba.FREQ[word] = 0
        for term in {term for type_, terms in lexicon.items() if type_ != NEVER_WORDS for term in terms}:
            if re.fullmatch("[\u4e00-\u9fff]+", term):
                self._jieba.add_word(term, self._frequency(term))
            else:
                mixed.append(term)
        self._parts = re.compile(
            "|".join([*(_guarded(term) for term in sorted(mixed, key=len, reverse=True)), r"\d+(?:\.\d+)?"])
            + "|[A-Za-z]+|(?P<chinese>[\u4e00-\u9fff]+)|.",
            re.IGNORECASE | re.DOTALL,
        )

    def _frequency(self, term: str) -> int:
        """High enough that a term of three or more characters stands against any other cut.

        Two characters get only what keeps them together when they stand alone, so that 过敏 does not
        tear 不过敏感 apart: there jieba weighs the whole sentence.
        """
        alone = int(self._jieba.suggest_freq(term))
        return alone if len(term) < 3 else max(alone, 3000) * 10

    def __call__(self, text: str) -> Doc:
        measures = [(match.lastgroup, *match.span()) for match in MEASURES.finditer(text)]
        edges = sorted({0, len(text), *(edge for _, *span in measures for edge in span)})
        words = [word for start, end in pairwise(edges) for word in self._cut(text[start:end])]
        doc = Doc(self.vocab, words=words, spaces=[False] * len(words))
        doc.user_data["measures"] = measures
        return doc

    def _cut(self, text: str) -> Iterator[str]:
        for part in self._parts.finditer(text):
            if part.lastgroup:
                yield from self._jieba.cut(part.group(), HMM=False)
            else:
                yield part.group()


def _guarded(term: str) -> str:
    """A pattern for a term with Latin letters or digits that does not match inside a longer one."""
    before = r"(?<![A-Za-z])" if term[0].isascii() and term[0].isalpha() else ""
    before = r"(?<![\d.])" if term[0].isdigit() else before
    after = r"(?![A-Za-z])" if term[-1].isascii() and term[-1].isalpha() else ""
    after = r"(?!\d)" if term[-1].isdigit() else after
    return before + re.escape(term) + after


@Language.component("medrep_measures")
def measures(doc: Doc) -> Doc:
    """Doses, measured values, frequencies and durations, as the segmenter found them."""
    found = (doc.char_span(start, end, label=type_) for type_, start, end in doc.user_data["measures"])
    doc.ents = tuple(span for span in found if span is not None)
    return doc


class Reader:
    """Reads texts with one lexicon. Immutable after construction; safe to share between turns."""

    def __init__(self, lexicon: dict[str, dict[str, str]]) -> None:
        self._nlp = spacy.blank("zh")
        self._nlp.tokenizer = Segmenter(self._nlp.vocab, lexicon)
        self._nlp.add_pipe("medrep_measures")
        ruler: Any = self._nlp.add_pipe("entity_ruler", config={"phrase_matcher_attr": "LOWER"})
        ruler.add_patterns(
            [
                {"label": type_, "pattern": term, "id": preferred}
                for type_, terms in lexicon.items()
                if type_ not in (WORDS_ONLY, NEVER_WORDS)
                for term, preferred in terms.items()
            ]
        )

    def read(self, text: str) -> Reading:
        """Words and entities of `text`; about 0.3 ms for a sentence, linear in its length."""
        normal, places = _aligned(text)

        def place(start: int, end: int) -> tuple[int, int]:
            return (start, end) if places is None else (places[start], places[end - 1] + 1)

        doc = self._nlp(normal)
        words = tuple(
            Word(token.text, *place(token.idx, token.idx + len(token))) for token in doc if not token.is_space
        )
        entities = tuple(
            Entity(span.label_, _value(span), *place(span.start_char, span.end_char)) for span in doc.ents
        )
        return Reading(text, normal, words, entities)


def _value(span: Span) -> str:
    """The preferred name of a lexicon term; a frequency as its Latin code; else the words, closed up."""
    if span.ent_id_:
        return str(span.ent_id_)
    text = re.sub(r"\s", "", span.text.lower())
    daily = re.fullmatch(r"(?:每|一)(?:天|日)(\d|[一二两三四])(?:次|顿|回)", text)
    if span.label_ == "frequency" and daily:
        times = CHINESE_DIGITS.get(daily[1]) or int(daily[1])
        return PER_DAY.get(times, text)
    return text


@lru_cache(maxsize=4)
def reader(folder: Path = LEXICON) -> Reader:
    """The reader of a lexicon folder, built once a process (about a second). Raises ValueError."""
    return Reader(read_lexicon(folder))

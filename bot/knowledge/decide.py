"""What to do with a question: answer it, offer choices, hand it to medical information, or leave it.

A wrong answer is worse than a question back, so everything short of likely is offered as a choice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

from bot.knowledge.content import Content, Entry, OffLabelUse, Topic
from bot.knowledge.products import Names, nameless
from bot.knowledge.terms import GRAMMAR, hints, terms, wording
from bot.knowledge.text import plain
from bot.model import Audience

# Probabilities are calibrated by each index on its own content; where to draw the lines was chosen on
# tests/content/questions_*.yml and checked on tests/knowledge/fresh.yml (test_heldout.py measures both).
ANSWER = 0.4  # least for an answer
CHOICES = 0.1  # least of the best one for a question back
CHOICE = 0.04  # least for each of the others,
SHARE = (
    0.25  # and least beside the best one: of 82 held-out questions asked back, none lost its answer by this
)
ELLIPTIC = 0.2  # least of the best one when the question names no product
OFF_LABEL = 0.2  # least for an off-label use
CERTAIN = 0.8  # an entry this near is answered with though the words may aim at a use
DOUBT = 0.06  # at this probability of an off-label use nothing is answered without asking back
KNOWN_USE = 0.5  # a known off-label use this near is one, whatever the words' structure
AHEAD = 1.3  # an answer is this many times as likely as the next entry, or both are choices
RESTRICTED = 0.7  # an entry this near that is about the disease asked about answers it
MOST_CHOICES = 3
SHORT = 2  # characters besides grammar: 能合用吗 asks for one of many entries, however near one of them is

_VERSUS = wording(
    r"哪个|哪种|哪一个|谁更|比起|相比|对比|比较|更好|更强|更安全|优于|强于|不如|优势|孰优|更有效|更便宜|区别|差别|\bvs\b|versus"
)
_THAN = re.compile(r"比(?!例|较|如|值|重)")
_RIVALS = re.compile(
    r"同类|其他(?:的)?(?:降压|降糖|降脂|调脂)?药|别的(?:厂|牌|药)|原研|仿制|国产|进口|别家|竞品"
)
_FILLER = re.compile(
    r"问一?下|请问|想知道|咨询|事情?|情况|注意事项|这个|那个|问题|说说|介绍|了解|资料|一下|还有"
)
_OPEN_VERBS = frozenset({"together", "stop", "switch", "dosage", "reduce", "duration", "titration", "start"})
_SILENT = frozenset(GRAMMAR + "行好给人病上样 ")
# What a bare product name is answered with: the questions asked most, as choices.
_GENERAL = (Topic.INDICATION, Topic.DOSE, Topic.CONTRAINDICATION, Topic.ADVERSE_REACTION)


class Route(StrEnum):
    ANSWER = "answer"
    CLARIFY = "clarify"
    MEDICAL_INFORMATION = "medical_information"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Match:
    """An entry and the calibrated probability (0..1) that it is what was asked."""

    entry_id: str
    score: float


@dataclass(frozen=True, slots=True)
class Decision:
    """`entry` is set for an answer, `options` (at most 3) for a question back. `named`: the words themselves
    name a product, its class or its kind. `use` is the known off-label use asked about, if it is a known one;
    `drugs` are drugs named that are not ours."""

    route: Route
    entry: Entry | None = None
    options: tuple[Entry, ...] = ()
    off_label: bool = False
    comparison: bool = False
    named: bool = False
    use: OffLabelUse | None = None
    products: tuple[str, ...] = ()
    drugs: tuple[str, ...] = ()
    matches: tuple[Match, ...] = ()


@dataclass(frozen=True, slots=True)
class ProductReading:
    """One question read as about one product. `matches` and `uses` come best first; `matches` are
    entries this person may read today, `withheld` is the best of the others."""

    product: str
    rest: str  # the question without the product's name
    matches: tuple[Match, ...]
    uses: tuple[Match, ...]
    withheld: float
    off_label: float
    aims: bool  # the words hold anything of a use at all
    approved: bool  # the purpose asked about is an approved one
    benefit: bool  # names no disease but approved ones
    harm: bool  # asks what the medicine does to somebody
    caused: bool  # and in words that cannot mean a use
    indicated: bool  # several conditions that are one indication together
    outside: bool  # nearest to what no product is about
    medical: bool  # speaks of a drug, a disease or another topic of the label
    beyond: bool  # the best entry is about a drug or a disease that the question does not mention
    silent: bool  # the best entry says nothing of a drug, a disease or a matter that the question names
    restricted: bool  # the best entry is about the very disease that the question mentions


@dataclass(frozen=True)
class Question:
    """`form` is the plain text. `readings` are those of `subject`, the products it names, was taken to be
    about or whose class it names; or else of all products. `offered` is what this person may read today."""

    form: str
    names: Names
    audience: Audience
    subject: tuple[str, ...]
    talked: tuple[str, ...]  # the product talked about before, named now or not
    readings: tuple[ProductReading, ...]
    offered: tuple[Entry, ...]
    evidence: bool = False  # literature is asked for; `form` is without that wish

    @property
    def named(self) -> bool:
        return bool(self.names.products)

    @property
    def sure(self) -> bool:
        """The subject is named or was just talked about, and not only its class was."""
        return self.named or bool(self.talked)

    @cached_property
    def about(self) -> frozenset[str]:
        """The topics and hints in what is asked besides the names."""
        return frozenset(hints(self._rest))

    @cached_property
    def words(self) -> str:
        """What is asked besides the names: without grammar and filler."""
        return content_words(self._rest if self.sure else terms().drugs.without(self._rest))

    @property
    def told(self) -> bool:
        """Whether a single word says what is asked: 治什么, 柚子, 肝. 合用 and 要停吗 need another one."""
        return bool(self.about - _OPEN_VERBS)

    @cached_property
    def medical(self) -> bool:
        return any(one.medical for one in self.readings)

    @cached_property
    def _rest(self) -> str:
        return nameless(self.form, self.names)


def decide(content: Content, question: Question) -> Decision:
    """What to do with a question. Pure."""
    matches = sorted((match for one in question.readings for match in one.matches), key=_best_first)
    base = Decision(
        Route.NONE,
        named=question.named or bool(question.subject and question.subject != question.talked),
        products=question.subject,
        drugs=question.names.drugs,
        matches=tuple(matches[:5]),
    )
    decision = _route(content, question, base)
    # Medical information serves doctors; a patient is sent to their doctor by the dialogue.
    if question.audience is Audience.PATIENT and decision.route is Route.MEDICAL_INFORMATION:
        return replace(decision, route=Route.NONE)
    return decision


def _route(content: Content, question: Question, base: Decision) -> Decision:
    products = {*question.names.products, *question.talked}
    if products and compares(question.form, len(products) + len(question.names.drugs)):
        return replace(base, route=Route.MEDICAL_INFORMATION, comparison=True)
    wish = question.evidence and question.sure
    if not question.readings:
        return replace(base, route=Route.MEDICAL_INFORMATION if question.named or wish else Route.NONE)
    if not question.subject:
        return _ask_which(content, question, base)
    if not question.named and _says_nothing(question, base, wish=wish):
        return base
    suspect = max(question.readings, key=lambda one: _off_label(one, question))
    unapproved = _off_label(suspect, question)
    if unapproved >= OFF_LABEL:
        return replace(
            base, route=Route.MEDICAL_INFORMATION, off_label=True, use=_known_use(content, suspect)
        )
    return _about(content, question, base, doubt=unapproved >= DOUBT)


def _says_nothing(question: Question, base: Decision, *, wish: bool) -> bool:
    """Whether words that name no product are of something else, too few, or of nothing a label speaks of
    (停车场 is near 停药)."""
    if not wish and all(one.outside for one in question.readings):
        return True
    if question.medical:
        return False
    if not wish and len(question.words) < SHORT and not question.told:
        return True
    nearest = base.matches[0].score if base.matches else 0.0
    return not question.evidence and nearest < CERTAIN and not question.about


def _about(content: Content, question: Question, base: Decision, *, doubt: bool) -> Decision:
    """The product is known and the use is an approved one."""
    matches = sorted((match for one in question.readings for match in one.matches), key=_best_first)
    if len(question.names.products) > 1:
        matches.sort(key=lambda match: not _is_of_both(content, match, question))
    best = matches[0].score if matches else 0.0
    following = _following(content, matches)
    withheld = max(one.withheld for one in question.readings)
    together = len(question.names.products) > 1 and best >= ANSWER  # 络活喜立普妥同吃
    said = together or question.told
    few = len(question.words) <= SHORT
    if not question.words and not said:
        return _general(question, base)
    if withheld >= ANSWER and withheld > best:
        return _unanswered(question, base)
    if best < (CHOICES if question.named else ELLIPTIC):
        bare = question.named and few and not question.medical and not question.evidence
        return _general(question, base) if bare else _unanswered(question, base)
    nearest = max(question.readings, key=_best)
    doubt = (doubt or nearest.silent) and best < CERTAIN
    vague = few and not said and nearest.beyond
    if question.sure and not doubt and not vague and best >= max(ANSWER, AHEAD * following):
        return replace(base, route=Route.ANSWER, entry=content.entry[matches[0].entry_id])
    if question.evidence:  # literature comes from medical information, not from likely entries
        return _unanswered(question, base)
    return replace(base, route=Route.CLARIFY, options=_choices(content, matches))


def _unanswered(question: Question, base: Decision) -> Decision:
    """Nothing approved answers it. Without a product's name it must at least look like a question on one."""
    near = bool(base.matches) and base.matches[0].score >= CHOICES
    medical = (near or question.medical) and not base.drugs
    handed = question.named or (question.sure and (medical or question.evidence))
    return replace(base, route=Route.MEDICAL_INFORMATION if handed else Route.NONE)


def _ask_which(content: Content, question: Question, base: Decision) -> Decision:
    """No product is named and none was talked about: ask which, if it is a question about one at all."""
    told = question.about - {"together"} and len(question.words) >= SHORT
    strange = any(one.outside or one.silent for one in question.readings)
    if base.drugs or not told or strange:
        return base
    best = sorted((one.matches[0] for one in question.readings if one.matches), key=_best_first)
    if not best or best[0].score < ELLIPTIC:
        return base
    return replace(base, route=Route.CLARIFY, options=_choices(content, best))


def _choices(content: Content, matches: Sequence[Match]) -> tuple[Entry, ...]:
    least = max(CHOICE, SHARE * matches[0].score)
    likely = [match for match in matches if match.score >= least][:MOST_CHOICES]
    return tuple(content.entry[match.entry_id] for match in likely)


def _following(content: Content, matches: Sequence[Match]) -> float:
    """The next best entry of the same product: of two products asked about together, either may answer."""
    products = [content.entry[match.entry_id].product for match in matches]
    return next(
        (m.score for m, key in zip(matches[1:], products[1:], strict=True) if key == products[0]), 0.0
    )


def _is_of_both(content: Content, match: Match, question: Question) -> bool:
    """A likely entry whose own question names another of the products asked about."""
    entry = content.entry[match.entry_id]
    others = (content.product[key].generic for key in question.names.products if key != entry.product)
    return match.score >= ANSWER and any(generic in entry.question for generic in others)


def _best_first(match: Match) -> float:
    return -match.score


def _best(reading: ProductReading) -> float:
    return reading.matches[0].score if reading.matches else 0.0


def _off_label(reading: ProductReading, question: Question) -> float:
    """How likely it is a use the label does not approve. An approved purpose is none, nor is a wish for the
    evidence of a benefit; a disease the label restricts is on the label, however it is asked about."""
    use = reading.uses[0].score if reading.uses else 0.0
    entry = max(reading.withheld, _best(reading))
    if reading.indicated or reading.caused:
        return 0.0
    evidence = question.evidence and reading.benefit
    if (reading.approved or evidence or reading.harm or not reading.aims) and use < KNOWN_USE:
        return 0.0
    if reading.restricted and entry >= RESTRICTED and use < CHOICES:
        return 0.0
    return max(reading.off_label, use if use >= KNOWN_USE and use > entry else 0.0)


def _known_use(content: Content, reading: ProductReading) -> OffLabelUse | None:
    if not reading.uses or reading.uses[0].score < CHOICES:
        return None
    return next(use for use in content.off_label if use.id == reading.uses[0].entry_id)


def content_words(rest: str) -> str:
    """What a plain text without names says: without grammar and filler."""
    return "".join(letter for letter in _FILLER.sub("", rest) if letter not in _SILENT)


def _general(question: Question, base: Decision) -> Decision:
    """What a bare name most likely means, the products in turn, as choices."""
    found: list[Entry] = []
    for topic in _GENERAL:
        for product in question.subject:
            found += [e for e in question.offered if e.product == product and e.topic is topic][:1]
    if not found:
        return _unanswered(question, base)
    return replace(base, route=Route.CLARIFY, options=tuple(found[:MOST_CHOICES]))


def weighs(text: str) -> bool:
    """Whether the words weigh one thing against another."""
    form = plain(text)
    return any(sign.search(form) for sign in (_VERSUS, _THAN, _RIVALS))


def compares(form: str, medicines: int) -> bool:
    """Whether a plain text about that many medicines weighs one against another."""
    return (medicines > 1 or bool(_RIVALS.search(form))) and bool(_VERSUS.search(form) or _THAN.search(form))

"""Named questions through the real index: what is answered, asked back, handed over or left."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from bot.clock import CHINA
from bot.knowledge import Content, Decision, Index, Route
from bot.model import Audience

from .conftest import NOW

DOCTOR, PATIENT = Audience.DOCTOR, Audience.PATIENT


def ask(index: Index, text: str, last: str = "", audience: Audience = DOCTOR) -> Decision:
    return index.decide(text, audience, NOW, last_product=last)


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("二甲双胍肾功能不全能用吗", "metformin-renal"),
        ("二甲双呱肾功能不全能用吗", "metformin-renal"),
        ("格华止申功能不全可以吃吗", "metformin-renal"),
        ("二甲雙胍 腎功能不全 能用嗎？👍", "metformin-renal"),
        ("阿托伐它汀晚上吃还是早上吃", "atorvastatin-time"),
        ("孕妇能不能吃缬沙坦", "valsartan-pregnancy"),
        ("哺乳期可以用络活喜吗", "amlodipine-lactation"),
        ("氨氯地平和阿托伐他汀能一起吃吗", "atorvastatin-amlodipine"),
        ("二甲双胍忘记吃了怎么办", "metformin-missed"),
        ("络活喜医保能报销吗", "amlodipine-reimbursement"),
        ("metformin side effects", "metformin-adverse-common"),
    ],
)
def test_answered(index: Index, text: str, entry: str) -> None:
    decision = ask(index, text)
    assert decision.route is Route.ANSWER, decision
    assert decision.entry is not None
    assert decision.entry.id == entry
    assert not decision.off_label


@pytest.mark.parametrize(
    "text",
    [
        # known to the content
        "二甲双胍能减肥吗",
        "多囊卵巢可以吃格华止不",
        # no example anywhere
        "二甲双胍能治脱发吗",
        "阿托伐他汀治脂肪肝行不行",
        "缬沙坦能治痛风吗",
        "二甲双胍对甲沟炎有效吗",
        "氨氯地平治痛经有用吗",
        "阿托伐他汀可以用来治白癜风吗",
        "血压正常的人能吃氨氯地平保护血管吗",
    ],
)
def test_off_label_is_never_answered(index: Index, text: str) -> None:
    decision = ask(index, text)
    assert decision.off_label, decision
    assert decision.route is Route.MEDICAL_INFORMATION
    assert decision.entry is None
    assert decision.products


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("有没有保护心血管的证据", "metformin"),
        ("有没有保护心血管的证据", "valsartan"),
        ("有啥临床研究数据", "atorvastatin"),
        ("二甲双胍有没有保护心血管的证据", ""),
        ("缬沙坦改善预后的研究数据有没有", ""),
        ("代文护肾有啥研究没有", ""),
        ("阿托伐他汀有哪些大型临床试验", ""),
        ("格华止做过大型研究不", ""),
    ],
)
def test_a_wish_for_evidence_is_a_question_for_medical_information(
    index: Index, text: str, last: str
) -> None:
    decision = ask(index, text, last)
    assert decision.route is Route.MEDICAL_INFORMATION, decision
    assert not decision.off_label


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("立普妥有没有降低心梗的循证证据", "atorvastatin-indication-chd"),
        ("二甲双胍孕妇能用吗，有研究数据吗", "metformin-pregnancy"),
    ],
)
def test_a_wish_for_evidence_is_answered_where_an_entry_fits(index: Index, text: str, entry: str) -> None:
    decision = ask(index, text)
    assert decision.entry is not None, decision
    assert decision.entry.id == entry


@pytest.mark.parametrize(
    "text",
    [
        "二甲双胍减肥有没有证据",
        "二甲双胍抗衰老的临床研究有吗",
        "缬沙坦治痛风有没有循证",
        "氨氯地平治耳鸣有研究吗",
        "血压正常的人吃氨氯地平保护血管有证据吗",
        "立普妥稳定斑块有证据吗",
    ],
)
def test_a_wish_for_evidence_makes_no_use_approved(index: Index, text: str) -> None:
    assert ask(index, text).off_label


def test_a_wish_for_evidence_of_nothing_is_left(index: Index) -> None:
    assert ask(index, "有啥临床研究数据").route is Route.NONE


def test_a_known_off_label_use_is_named(index: Index) -> None:
    use = ask(index, "二甲双胍能减肥吗").use
    assert use is not None
    assert use.id == "metformin-weight"


@pytest.mark.parametrize(
    "text",
    [
        "二甲双胍可以用于孕妇吗",
        "二甲双胍egfr 30能用吗",
        "氨氯地平可以给老年人用吗",
        "儿童能用阿托伐他汀吗",
        "有痛风的病人能用缬沙坦吗",
        "青光眼病人能吃氨氯地平吗",
        "缬沙坦治高血压效果怎么样",
        "二甲双胍能治2型糖尿病吗",
        "阿托伐他汀会引起肝炎吗",
    ],
)
def test_a_restriction_or_a_harm_is_not_an_off_label_use(index: Index, text: str) -> None:
    assert not ask(index, text).off_label


@pytest.mark.parametrize(
    "text",
    [
        "氨氯地平和缬沙坦哪个好",
        "二甲双胍比格列美脲好吗",
        "立普妥跟瑞舒伐他汀哪个降脂更强",
        "国产的氨氯地平和进口的哪个效果好",
        "缬沙坦 vs 氯沙坦",
    ],
)
def test_comparisons_are_handed_over(index: Index, text: str) -> None:
    decision = ask(index, text)
    assert (decision.route, decision.comparison) == (Route.MEDICAL_INFORMATION, True)


def test_a_comparison_with_the_product_talked_about_is_handed_over(index: Index) -> None:
    assert ask(index, "跟氯沙坦比哪个更好", last="valsartan").comparison


def test_an_off_label_question_about_the_product_talked_about(index: Index) -> None:
    decision = ask(index, "那能减肥吗", last="metformin")
    assert decision.off_label
    assert decision.products == ("metformin",)


@pytest.mark.parametrize("text", ["氨氯地平早上吃好还是晚上吃好", "二甲双胍缓释片和普通片怎么换"])
def test_a_choice_of_hour_or_form_is_no_comparison(index: Index, text: str) -> None:
    assert not ask(index, text).comparison


@pytest.mark.parametrize(
    "text", ["二甲双胍", "络活喜呢", "二甲双胍能用吗", "问一下缬沙坦的事", "氨氯地平能合用吗", "他汀"]
)
def test_an_open_question_is_asked_back(index: Index, text: str) -> None:
    decision = ask(index, text)
    assert decision.route is Route.CLARIFY, decision
    assert 1 <= len(decision.options) <= 3


def test_without_a_product_it_is_asked_which(index: Index) -> None:
    decision = ask(index, "肾功能不好怎么用")
    assert decision.route is Route.CLARIFY
    assert len({entry.product for entry in decision.options}) == len(decision.options) > 1


@pytest.mark.parametrize(
    ("last", "text", "entry"),
    [
        ("valsartan", "那肝功能不好呢", "valsartan-hepatic"),
        ("metformin", "孕妇能用吗", "metformin-pregnancy"),
        ("amlodipine", "漏服了怎么办", "amlodipine-missed"),
    ],
)
def test_the_product_talked_about_is_remembered(index: Index, last: str, text: str, entry: str) -> None:
    decision = ask(index, text, last)
    assert decision.entry is not None, decision
    assert decision.entry.id == entry
    assert decision.products == (last,)


def test_a_named_product_wins_over_the_one_talked_about(index: Index) -> None:
    decision = ask(index, "二甲双胍肾功能不全能用吗", last="valsartan")
    assert decision.entry is not None
    assert decision.entry.product == "metformin"


@pytest.mark.parametrize(
    "text",
    [
        "你好",
        "今天天气怎么样",
        "谢谢",
        "好的知道了",
        "帮我写一段年终总结",
        "阿莫西林一天吃几次",
        "",
        "👍",
        "？？？",
        "\x00",
    ],
)
@pytest.mark.parametrize("last", ["", "metformin", "unknown"])
def test_what_is_not_about_a_product_is_left(index: Index, text: str, last: str) -> None:
    assert ask(index, text, last).route is Route.NONE


@pytest.mark.parametrize(
    "text", ["缬沙坦和奥美拉唑可以一起吃吗", "二甲双胍和左氧氟沙星能一起用吗", "青光眼病人能吃氨氯地平吗"]
)
def test_what_no_entry_answers_is_handed_over(index: Index, text: str) -> None:
    decision = ask(index, text)
    assert (decision.route, decision.off_label) == (Route.MEDICAL_INFORMATION, False)


@pytest.mark.parametrize(
    "text", ["二甲双胍肾功能不全能用吗", "二甲双胍能减肥吗", "二甲双胍", "肾功能不好怎么用"]
)
def test_a_patient_reads_no_document_for_doctors(index: Index, text: str) -> None:
    decision = ask(index, text, audience=PATIENT)
    assert decision.route is Route.NONE
    assert decision.matches == () == decision.options
    assert index.search(text, PATIENT, NOW) == ()


def test_an_expired_document_is_never_quoted(index: Index, content: Content) -> None:
    text = "二甲双胍肾功能不全能用吗"
    last_day = content.document["metformin-label"].valid_until
    midnight = datetime(last_day.year, last_day.month, last_day.day, tzinfo=CHINA) + timedelta(days=1)
    assert index.decide(text, DOCTOR, midnight - timedelta(seconds=1)).route is Route.ANSWER
    after = index.decide(text, DOCTOR, midnight)
    assert after.route is Route.MEDICAL_INFORMATION
    assert after.entry is None
    assert "metformin-renal" not in {match.entry_id for match in index.search(text, DOCTOR, midnight)}


def test_search_gives_probabilities_best_first(index: Index) -> None:
    matches = index.search("二甲双胍肾功能不全能用吗", DOCTOR, NOW)
    assert len(matches) == 5
    assert matches[0].entry_id == "metformin-renal"
    scores = [match.score for match in matches]
    assert scores == sorted(scores, reverse=True)
    assert all(0.0 <= score <= 1.0 for score in scores)


@pytest.mark.parametrize(
    "text", ["二甲双胍肾功能不全能用吗" * 8_000, "啊" * 100_000, "二甲双呱，" * 20_000, " " * 100_000]
)
def test_a_huge_question_costs_what_its_beginning_costs(index: Index, text: str) -> None:
    started = datetime.now(CHINA)
    ask(index, text)
    assert (datetime.now(CHINA) - started).total_seconds() < 2

"""The compliance check against labelled texts, and what must hold for any text.

The sets were written before they were run. First runs: cases.yml precision 0.995, recall 0.971; held_out.yml,
oblique on purpose, precision 0.99 and 1.00, recall 0.68 (second set) and 0.69 (third set). The rules were
widened on them since, so today's figures say only that nothing got lost.
"""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.compliance import check_text, report
from bot.model import Audience
from bot.settings import ROOT

HERE = Path(__file__).parent
AUDIENCES = {"p": [Audience.PATIENT], "d": [Audience.DOCTOR], "b": list(Audience)}
FORBIDDEN = [("最好的降压药", "absolute_claim"), ("疗效显著", "efficacy_claim"), ("保证治好", "guarantee")]
FORBIDDEN += [
    ("绝对安全", "safety_claim"),
    ("专家推荐", "endorsement"),
    ("没事的", "reassurance"),
    ("回扣", "gift"),
]


def cases(name: str) -> list[tuple[Audience, set[str], str]]:
    rows = yaml.safe_load((HERE / name).read_text(encoding="utf-8"))
    return [(a, set(rule.split("|")), text) for audience, rule, text in rows for a in AUDIENCES[audience]]


def shown(value: object) -> str:
    """For the test's name, which must be the same in every worker: sets have no order of their own."""
    return "|".join(sorted(value)) if isinstance(value, set) else str(value)[:30]


ALL = cases("cases.yml") + cases("held_out.yml")


@pytest.mark.parametrize(("audience", "rules", "text"), ALL, ids=shown)
def test_labelled(audience: Audience, rules: set[str], text: str) -> None:
    findings = check_text(text, audience)
    assert bool(findings) == (rules != {"-"}), findings
    for finding in findings:
        start, end = finding.span
        assert 0 <= start < end <= len(text)
        assert finding.why.endswith("）") and "（" in finding.why


def test_nearly_always_the_rule_that_a_person_would_name() -> None:
    refused = [(audience, rules, text) for audience, rules, text in ALL if rules != {"-"}]
    right = [bool(rules & {f.rule for f in check_text(text, audience)}) for audience, rules, text in refused]
    assert sum(right) / len(right) > 0.97


@pytest.mark.parametrize(("part", "recall", "false"), [("tuned", 1.0, 0.0), ("held_out", 0.95, 0.0)])
def test_what_a_colleague_may_be_tempted_to_write(part: str, recall: float, false: float) -> None:
    """Fee for volume, asking for counts, disparaging, telling to switch, urging; and introductions."""
    rows = yaml.safe_load((HERE / "trade.yml").read_text(encoding="utf-8"))[part]
    found = [(expected == "yes", bool(check_text(text, Audience.DOCTOR)), text) for expected, text in rows]
    refused = [was for should, was, _ in found if should]
    passing = [was for should, was, _ in found if not should]
    wrong = [text for should, was, text in found if should != was]
    assert sum(refused) / len(refused) >= recall, wrong
    assert sum(passing) / len(passing) <= false, wrong


def test_the_set_is_large_and_has_every_rule() -> None:
    count = Counter(rule for _, rules, _ in ALL for rule in rules)
    assert len({text for *_, text in ALL}) > 450
    assert count["-"] > 150
    book = yaml.safe_load((ROOT / "data" / "compliance" / "rules.yaml").read_text(encoding="utf-8"))
    assert {rule["id"] for rule in book["rules"]} == set(count) - {"-"}


@pytest.mark.parametrize(("words", "rule"), FORBIDDEN)
@pytest.mark.parametrize(
    "inserted",
    [
        "",
        " ",
        "　",
        "-",
        "*",
        "·",
        "_",
        "/",
        "\u200b",
        "\u200d",
        "\ufeff",
        "\u0336",
        "😀",
        "★",
        " - ",
        "…",
        "(",
        "】",
        "”",
    ],
)
def test_nothing_inserted_hides_it(words: str, rule: str, inserted: str) -> None:
    hidden = inserted.join(words)
    text = f"您好，{hidden}，谢谢"
    findings = [f for f in check_text(text, Audience.DOCTOR) if f.rule == rule]
    assert findings
    start, end = findings[0].span
    assert text[start] == words[0] or text[start] in hidden
    assert start >= 3 and end <= 3 + len(hidden)


@pytest.mark.parametrize(
    "text", ["療效顯著", "ＮＯ．１", "絕對安全", "１００％有效", "最佳選擇", "無副作用", "紅包", "優於其他藥"]
)
def test_other_scripts_and_widths(text: str) -> None:
    assert check_text(text, Audience.DOCTOR)


def test_the_span_is_in_the_text_as_written() -> None:
    text = "℃㎎ 本品 最-好 的 药，😀😀 疗\u200b效显著"
    spans = {f.rule: text[slice(*f.span)] for f in check_text(text, Audience.DOCTOR)}
    assert spans == {"absolute_claim": "最-好 的", "efficacy_claim": "疗\u200b效显著"}


def _approved() -> list[tuple[str, str]]:
    books = [
        yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in (ROOT / "data" / "content").glob("*.yaml")
    ]
    entries = chain.from_iterable(book.get("entries") or [] for book in books)
    return [
        (
            entry["id"],
            # the question is the label of a choice
            "。".join(
                [entry["question"] + "？", entry["answer"], (entry.get("differs") or {}).get("note", "")]
            ),
        )
        for entry in entries
    ]


def test_the_seed_content_may_be_sent_to_doctors() -> None:
    approved = _approved()
    assert approved
    refused = {name: check_text(text, Audience.DOCTOR) for name, text in approved}
    assert {name: findings for name, findings in refused.items() if findings} == {}


def test_the_responses_may_be_sent() -> None:
    domain: dict[str, Any] = yaml.safe_load((ROOT / "domain.yml").read_text(encoding="utf-8"))
    refused = {
        (name, audience): findings
        for name, variants in domain["responses"].items()
        for variant in variants
        for audience in Audience
        if (findings := check_text(variant.get("text") or "", audience))
    }
    assert refused == {}


@pytest.mark.parametrize(
    "unit",
    [
        "最好的",
        "最 ",
        "您可以",
        "a",
        "不",
        "😀",
        "比",
        "每天吃两片，",
        "1",
        "不能保证",
        "患者",
        "没",
        "(",
        "疗效",
        "起始剂量5mg，每日一次，最大可增至10mg。",
        "建议您给这位患者",
        "\u200b",
    ],
)
def test_linear_in_the_text(unit: str) -> None:
    def seconds(length: int) -> float:
        text = (unit * length)[:length]
        best = 9.9
        for _ in range(2):
            start = time.process_time()
            check_text(text, Audience.PATIENT)
            best = min(best, time.process_time() - start)
        return best

    check_text(unit * 9, Audience.PATIENT)
    assert seconds(60_000) < max(8 * seconds(15_000), 0.1)


def test_any_text_is_checked() -> None:
    chance = random.Random(5)
    letters = (
        "最好的疗效保证绝对安全比更您可以停药加一片没事红包回扣推荐不能，。 -*\u200b😀\n\ud800()【】ＮＯ1"
    )
    for _ in range(2000):
        text = "".join(chance.choices(letters, k=chance.randint(0, 40)))
        for audience in Audience:
            for finding in check_text(text, audience):
                assert 0 <= finding.span[0] < finding.span[1] <= len(text)


def test_the_report_is_what_the_command_prints() -> None:
    text = "保证有效"
    printed = report(text, Audience.DOCTOR)
    assert printed["text"] == text and printed["allowed"] is False
    assert printed["findings"][0]["rule"] == "guarantee" and printed["findings"][0]["span"] == [0, 4]
    assert re.search("保证", printed["findings"][0]["why"])
    assert report("每日一次", Audience.DOCTOR) == {"text": "每日一次", "allowed": True, "findings": []}

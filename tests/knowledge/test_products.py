"""Which products a text names: brands, abbreviations, slips of the keyboard; and which it does not."""

from __future__ import annotations

import pytest

from bot.knowledge import Content
from bot.knowledge.products import Catalogue, without
from bot.knowledge.text import LONGEST, plain


@pytest.fixture(scope="module")
def catalogue(content: Content) -> Catalogue:
    return Catalogue(content.products)


@pytest.mark.parametrize(
    ("text", "products"),
    [
        ("二甲双胍能用吗", ["metformin"]),
        ("格华止怎么吃", ["metformin"]),
        ("Metformin怎么吃", ["metformin"]),
        ("metfomin 怎么吃", ["metformin"]),
        ("二甲双呱能用吗", ["metformin"]),
        ("二甲雙胍能用嗎", ["metformin"]),
        ("二 甲 双 胍", ["metformin"]),
        ("阿托伐它汀早上吃", ["atorvastatin"]),
        ("阿托他汀早上吃", ["atorvastatin"]),
        ("立普托", ["atorvastatin"]),
        ("氨绿地平", ["amlodipine"]),
        ("络合喜", ["amlodipine"]),
        ("撷沙坦", ["valsartan"]),
        ("氨氯地平和阿托伐他汀能一起吃吗", ["amlodipine", "atorvastatin"]),
        # other drugs that look or end like ours
        ("左旋氨氯地平怎么换", []),
        ("硝苯地平怎么吃", []),
        ("氯沙坦怎么吃", []),
        ("依普罗沙坦怎么吃", []),
        ("瑞舒伐他汀怎么吃", []),
        ("苯乙双胍", []),
        ("沙库巴曲缬沙坦怎么吃", []),
        ("缬沙坦氨氯地平片怎么吃", []),
        ("阿托品静推几毫克", []),
        ("用沙坦类行吗", []),
        ("they metamorphosed", []),
        ("今天天气不错", []),
    ],
)
def test_products_named(catalogue: Catalogue, text: str, products: list[str]) -> None:
    assert list(catalogue.names(plain(text)).products) == products


@pytest.mark.parametrize(
    ("text", "drugs"),
    [
        ("二甲双胍和格列美脲", {"格列美脲"}),
        ("能和亚莫利一起吗", {"格列美脲"}),
        ("和万艾可一起", {"西地那非"}),
        ("恩沙替尼能一起吃吗", {"恩沙替尼"}),
        ("need", set()),
    ],
)
def test_other_drugs_named(catalogue: Catalogue, text: str, drugs: set[str]) -> None:
    assert set(catalogue.names(plain(text)).drugs) == drugs


def test_the_name_is_taken_out_of_the_question(catalogue: Catalogue) -> None:
    form = plain("格华止肾不好能用吗，二甲双胍")
    assert without(form, catalogue.names(form), "metformin") == "肾不好能用吗"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ｅＧＦＲ　４５", "egfr45"),
        ("eGFR 29.5 ml/min。", "egfr29.5ml/min"),
        ("二甲雙胍，能用嗎？👍", "二甲双胍能用吗"),
        ("side  effects ?", "side effects"),
        ("\u200b\x00", ""),
        ("", ""),
        ("👍👍", ""),
    ],
)
def test_plain_form(text: str, expected: str) -> None:
    assert plain(text) == expected


def test_plain_form_is_bounded() -> None:
    assert len(plain("二甲双胍" * 25_000)) <= LONGEST
    assert len(plain("ﷺ" * 100_000)) <= LONGEST  # one character that NFKC makes eighteen of

"""What a doctor reads: the approved words, their source, and where a guideline differs."""

from __future__ import annotations

from datetime import datetime

import pytest

from bot.clock import CHINA
from bot.knowledge import Content, answer_text, source_text
from bot.model import Fault, MedrepError

from .conftest import NOW
from .test_content import raw


def demo(**document: str) -> Content:
    value = raw()
    value["documents"][0].update(document)
    return Content.from_json(value)


def test_an_answer_names_document_section_version_and_manufacturer() -> None:
    content = demo()
    assert answer_text(content.entry["demo-renal"], content, NOW).splitlines() == [
        "按演示稿，重度肾功能不全者禁用。",
        "来源：演示片说明书（演示稿）【禁忌】 · 版本 演示版 1.0 · 示例制药有限公司（演示）",
        (
            "与《演示指南》表述不同：指南以 eGFR 分层；以说明书为准。"
            "如需医学信息部进一步说明，请回复「医学信息」"
        ),
    ]


def test_an_expired_guideline_is_not_quoted() -> None:
    value = raw()
    value["documents"][1]["valid_until"] = "2026-11-20"
    content = Content.from_json(value)
    assert "演示指南" not in answer_text(content.entry["demo-renal"], content, NOW)


def test_an_expired_label_is_not_quoted() -> None:
    content = demo(valid_until="2026-11-21")
    entry = content.entry["demo-renal"]
    assert answer_text(entry, content, datetime(2026, 11, 21, 23, 59, tzinfo=CHINA))
    for render in (answer_text, source_text):
        with pytest.raises(MedrepError) as caught:
            render(entry, content, datetime(2026, 11, 22, 0, 0, tzinfo=CHINA))
        assert caught.value.fault is Fault.NO_BASIS


def test_the_longest_content_stays_within_the_bound() -> None:
    value = raw()
    for document in value["documents"]:
        document.update(title="题" * 60, version="版" * 60, manufacturer="厂" * 60)
    value["entries"][0].update(answer="答" * 300, section="节" * 60)
    value["entries"][0]["differs"]["note"] = "异" * 200
    content = Content.from_json(value)
    text = answer_text(content.entry["demo-renal"], content, NOW)
    assert text.startswith("答" * 300 + "\n来源：")
    assert text.endswith("回复「医学信息」")
    assert len(text) <= 600


def test_every_answer_of_the_seed_renders(content: Content) -> None:
    for entry in content.entries:
        text = answer_text(entry, content, NOW)
        document = content.document[entry.document]
        assert text.startswith(entry.answer)
        assert document.title in text
        assert document.version in text
        assert document.manufacturer in text
        assert len(text) <= 600, entry.id
        assert text.count("以说明书为准") == (entry.differs is not None) + entry.answer.count("以说明书为准")


def test_the_source_says_until_when_it_holds(content: Content) -> None:
    text = source_text(content.entry["metformin-renal"], content, NOW)
    assert "有效期至 2028-12-31" in text
    assert "盐酸二甲双胍片说明书（演示稿）" in text

"""Splitting and measuring: nothing lost, nothing too long, cut where a reader would pause."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bot.model import Choice, Message
from connectors.wechat.render import LIMIT, body, clean, fits, passive_fits, passive_text, split

SENTENCE = "二甲双胍在肾功能不全患者中须按 eGFR 调整剂量。"
LABELS = ("肾功能不全", "与造影剂合用", "都不是，转医学信息")
CHOICES = tuple(Choice(f"entry:{n}", label) for n, label in enumerate(LABELS))

words = st.text(
    alphabet=st.sampled_from("药。，！\n 。”a0.5g/，\u200d👩⚕\ufe0f\u0301"), min_size=1, max_size=60
)
long_text = st.tuples(words, st.integers(1, 300)).map(lambda it: it[0] * it[1])


def size(text: str) -> int:
    return len(text.encode())


@hypothesis_settings(max_examples=300, deadline=None, database=None)
@given(text=long_text, choices=st.sampled_from([(), CHOICES]))
def test_splitting_loses_nothing(text: str, choices: tuple[Choice, ...]) -> None:
    parts = split(Message(text, choices))
    assert all(fits(part) for part in parts)
    joined = "".join(part.text for part in parts)
    # Blank pieces may go; every mark stays, in order.
    assert joined.split() == text.split() or "".join(joined.split()) == "".join(text.split())
    assert [part.choices for part in parts] == [()] * (len(parts) - 1) + [choices]


def test_what_fits_is_not_touched() -> None:
    for message in (Message("好"), Message("药" * 682 + "ab"), Message("问", CHOICES)):
        assert split(message) == (message,)


def test_long_text_is_cut_after_sentences() -> None:
    parts = split(Message(SENTENCE * 100))
    assert "".join(part.text for part in parts) == SENTENCE * 100
    assert len(parts) == -(-size(SENTENCE * 100) // (LIMIT // size(SENTENCE) * size(SENTENCE)))
    assert all(part.text.endswith("。") for part in parts)


def test_a_closing_quote_stays_with_its_sentence() -> None:
    quoted = "“饭后服用。”" * 200
    assert all(part.text.endswith("。”") for part in split(Message(quoted)))


def test_without_sentences_it_is_cut_after_a_clause() -> None:
    parts = split(Message("首次服用从小剂量起，" * 200))
    assert len(parts) > 2
    assert all(part.text.endswith("，") for part in parts)


def test_a_dose_is_never_cut() -> None:
    for shift in range(26):
        parts = split(Message("药" * 660 + "字" * shift + "0.5g/1000mg" + "药" * 660))
        assert sum(part.text.count("0.5g/1000mg") for part in parts) == 1


def test_a_decimal_point_ends_no_sentence() -> None:
    parts = split(Message(("eGFR 45.5 " * 40 + "。") * 20))
    assert not any(part.text.endswith("45.") for part in parts)


def test_no_emoji_is_torn() -> None:
    family = "👩\u200d⚕\ufe0f"
    for shift in range(len(family.encode())):
        for part in split(Message("a" * shift + family * 400)):
            assert part.text.removeprefix("a" * shift).replace(family, "") == ""


def test_choices_that_fill_a_message_stand_alone() -> None:
    many = tuple(Choice(str(n), "选项" * 60) for n in range(5))
    parts = split(Message("药" * 682, many, 7))
    assert [(part.text, part.choices) for part in parts] == [("药" * 682, ()), ("", many)]
    assert parts[-1].number == 7


def test_choices_too_long_stay_too_long() -> None:
    parts = split(Message("", (Choice("a", "药" * 700),)))
    assert len(parts) == 1
    assert not fits(parts[0])


def test_the_menu() -> None:
    sent = body("o1", Message("您想问的是", CHOICES, 7))
    assert sent["msgtype"] == "msgmenu"
    assert sent["msgmenu"]["head_content"] == "您想问的是"
    assert [(item["id"], item["content"]) for item in sent["msgmenu"]["list"]] == [
        (f"7{place:02d}", choice.label) for place, choice in enumerate(CHOICES, start=1)
    ]
    assert sent["msgmenu"]["tail_content"]
    assert sent["aimsgcontext"] == {"is_ai_msg": 1}
    assert "text" not in sent


def test_what_a_colleague_typed_is_not_labelled_as_made_by_an_ai() -> None:
    long = split(Message("请您先听120的安排。" * 200, typed=True))
    assert len(long) > 1
    assert not any("aimsgcontext" in body("o1", piece) for piece in (Message("您好", typed=True), *long))


def test_what_no_json_or_xml_can_carry_is_dropped() -> None:
    assert clean("a\0b\x1f\ud800\uffffc\t\n") == "abc\t\n"
    json.dumps(body("o1", Message("a\ud800")), ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (Message("答"), "答"),
        (Message("问", CHOICES[:2]), "问\n1. 肾功能不全\n2. 与造影剂合用\n回复序号即可"),
        (Message("", CHOICES[:1]), "1. 肾功能不全\n回复序号即可"),
    ],
)
def test_passive_text(message: Message, text: str) -> None:
    assert passive_text(message) == text
    assert passive_fits(message)


def test_the_choices_count_in_what_fits() -> None:
    assert passive_fits(Message("药" * 680))
    assert not passive_fits(Message("药" * 680, CHOICES))
    assert not passive_fits(Message(""))

"""How a doctor wants to be answered: heard in a question, or in the few words that answer ours."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.inbound.turn_input import read_turn
from bot.medical_information import CHOICE, answers, heard
from bot.model import Choice, InboundKind
from bot.store.inbox import StoredMessage


@pytest.mark.parametrize(
    ("words", "wish"),
    [
        ("二甲双胍能减肥吗，有结果打电话告诉我", "phone"),
        ("这个要书面答复，盖章的", "written"),
        ("请医学部给我个正式回函", "written"),
        ("发我邮箱", "written"),
        ("查到了直接在这里回我", "chat"),
        ("别打电话，就在微信上说", "chat"),
        ("不要书面的，电话里说就行", "phone"),
        ("缬沙坦治脱发有用吗", ""),
        ("病人电话随访时说头晕，能减量吗", ""),
        ("不方便接电话", ""),
        ("书面上写的剂量和说明书不一样，哪个对", ""),
    ],
)
def test_it_is_heard_beside_what_is_asked(words: str, wish: str) -> None:
    assert heard(words) == wish


@pytest.mark.parametrize(
    ("words", "wish"),
    [
        ("电话", "phone"),
        ("打电话吧", "phone"),
        ("书面的", "written"),
        ("就这里", "chat"),
        ("发在这里就行。", "chat"),
        ("电话吧", "phone"),
        ("二甲双胍怎么吃", ""),
        ("都行", ""),
        ("不用了", ""),
    ],
)
def test_few_words_answer_our_question_and_nothing_else(words: str, wish: str) -> None:
    assert answers(words) == wish
    offered = [Choice(f"{CHOICE}{one}", one) for one in ("chat", "phone", "written")]
    message = StoredMessage(1, InboundKind.TEXT, datetime.now(UTC), None, {}, {"text": words, "choice": ""})
    picked = read_turn([message], offered, verified=True)
    assert picked is not None and (picked.input.intent == "choose") is bool(wish)
    if wish:
        assert picked.input.entities == {"choice": f"{CHOICE}{wish}"}
    unasked = read_turn([message], [], verified=True)
    assert unasked is not None and unasked.input.intent == "", "nobody asked"

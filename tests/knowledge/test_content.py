"""The seed loader: what is wrong with approved material is found, all of it, with file, id and reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.knowledge import Content, load, parse
from bot.model import Fault, MedrepError

ROOT = Path(__file__).resolve().parents[2]


def raw() -> dict[str, Any]:
    """A small, correct file."""
    return {
        "products": [
            {
                "id": "demo",
                "name": "演示片",
                "generic": "演示素",
                "synonyms": ["演示宁"],
                "class": "演示类",
                "manufacturer": "示例制药有限公司（演示）",
                "indications": ["高血压"],
            }
        ],
        "documents": [
            {
                "id": "demo-label",
                "product": "demo",
                "kind": "label",
                "title": "演示片说明书（演示稿）",
                "version": "演示版 1.0",
                "valid_until": "2028-12-31",
                "audience": "doctor",
                "manufacturer": "示例制药有限公司（演示）",
                "source": "仅供演示",
            },
            {
                "id": "guide",
                "kind": "guideline",
                "title": "演示指南",
                "version": "演示版 1.0",
                "valid_until": "2028-12-31",
                "audience": "doctor",
                "manufacturer": "示例学会（演示）",
                "source": "仅供演示",
            },
        ],
        "entries": [
            {
                "id": "demo-renal",
                "product": "demo",
                "topic": "renal",
                "question": "演示素肾功能不全能用吗",
                "variants": ["肾不好能用吗", "肾衰能吃吗", "egfr 40 怎么用", "肌酐高能吃吗", "透析能用吗"],
                "answer": "按演示稿，重度肾功能不全者禁用。",
                "document": "demo-label",
                "section": "【禁忌】",
                "differs": {"document": "guide", "note": "指南以 eGFR 分层"},
            }
        ],
        "off_label": [
            {
                "id": "demo-weight",
                "product": "demo",
                "use": "减重",
                "examples": ["演示素能减肥吗", "吃演示素会瘦吗", "减重能用吗", "想瘦能吃吗", "肥胖能用吗"],
            }
        ],
    }


def faults(value: Any) -> str:
    with pytest.raises(MedrepError) as caught:
        parse({"demo.yaml": value})
    assert caught.value.fault is Fault.BAD_INPUT
    return caught.value.detail


def entry(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    value = raw()
    change(value["entries"][0])
    return value


def test_a_correct_file_is_taken() -> None:
    content = parse({"demo.yaml": raw()})
    assert content.entry["demo-renal"].differs is not None
    assert content.document["demo-label"].valid_until.year == 2028


def test_the_json_round_trip_keeps_everything() -> None:
    content = parse({"demo.yaml": raw()})
    again = Content.from_json(json.loads(json.dumps(content.to_json())))
    assert again == content
    assert again.fingerprint == content.fingerprint


def test_the_fingerprint_follows_the_words() -> None:
    changed = entry(lambda item: item.update(answer="按演示稿，禁用。"))
    assert parse({"a": raw()}).fingerprint != parse({"a": changed}).fingerprint


@pytest.mark.parametrize(
    ("label", "change", "expected"),
    [
        ("unknown key", lambda e: e.update(score=1), "demo.yaml: entries demo-renal: score: Extra inputs"),
        ("no such document", lambda e: e.update(document="gone"), "demo-renal: missing document 'gone'"),
        ("empty answer", lambda e: e.update(answer="  "), "demo.yaml: entries demo-renal: answer"),
        ("long answer", lambda e: e.update(answer="长" * 301), "at most 300 characters"),
        ("few variants", lambda e: e["variants"].pop(), "demo-renal: variants"),
        (
            "repeated variant",
            lambda e: e["variants"].append("肾衰 能吃吗？"),
            "already a wording of demo-renal",
        ),
        ("as off-label", lambda e: e["variants"].append("演示素能减肥吗"), "already a wording of demo-renal"),
        ("no words", lambda e: e["variants"].append("？！👍"), "without words"),
        ("unknown topic", lambda e: e.update(topic="price"), "demo-renal: topic"),
        ("bad id", lambda e: e.update(id="Demo Renal"), "entries Demo Renal: id"),
        ("unknown product", lambda e: e.update(product="other"), "unknown product 'other'"),
        ("label differs", lambda e: e["differs"].update(document="demo-label"), "is not a guideline"),
        (
            "differs from nothing",
            lambda e: e["differs"].update(document="no"),
            "differs: missing document 'no'",
        ),
        ("not a mapping", lambda e: e.clear(), "entries number 1: id: Field required"),
    ],
)
def test_a_bad_entry_is_named(label: str, change: Callable[[dict[str, Any]], Any], expected: str) -> None:
    assert expected in faults(entry(change)), label


@pytest.mark.parametrize("value", ["2028-02-30", "31.12.2028", 20281231, "2028-12-31T00:00:00", None, True])
def test_a_bad_date_is_named(value: object) -> None:
    bad = raw()
    bad["documents"][0]["valid_until"] = value
    assert "demo.yaml: documents demo-label: valid_until" in faults(bad)


def test_an_indication_cannot_be_off_label() -> None:
    bad = raw()
    bad["off_label"][0]["use"] = "高血压"
    assert "off_label demo-weight: '高血压' is an indication of demo" in faults(bad)


@pytest.mark.parametrize("value", [None, [], "text", 3])
def test_a_file_that_is_no_mapping_is_named(value: object) -> None:
    assert "demo.yaml: not a mapping" in faults(value)


@pytest.mark.parametrize("value", [{}, "text", 3])
def test_a_section_that_is_no_list_is_named(value: object) -> None:
    assert "demo.yaml: entries: not a list" in faults({**raw(), "entries": value})


def test_all_faults_come_at_once() -> None:
    bad = raw()
    bad["extra"] = 1
    bad["entries"][0]["answer"] = ""
    bad["entries"].append({**raw()["entries"][0], "id": "demo-other"})
    bad["products"].append(bad["products"][0])
    text = faults(bad)
    for expected in ("unknown key 'extra'", "demo-renal: answer", "products demo: this id is already in"):
        assert expected in text
    assert len(text.splitlines()) == 3


def test_files_are_read_together_and_repeated_ids_found(tmp_path: Path) -> None:
    one, two = raw(), raw()
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(one, allow_unicode=True), encoding="utf-8")
    assert load(tmp_path) == parse({"a": one})
    (tmp_path / "b.yaml").write_text(yaml.safe_dump({"entries": two["entries"]}), encoding="utf-8")
    with pytest.raises(MedrepError, match=r"b\.yaml: entries demo-renal: this id is already in a\.yaml"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("entries: [", "not readable as YAML"),
        ("entries: []\nentries: []\n", "key 'entries' is given twice"),
        ("entries: !!python/object/apply:os.getcwd []", "not readable as YAML"),
        ("", "not a mapping"),
        ("documents: [{valid_until: 2028-02-30}]", "not readable as YAML"),
    ],
)
def test_bad_yaml_is_named(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(MedrepError, match=r"a\.yaml: ") as caught:
        load(tmp_path)
    assert expected in caught.value.detail


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MedrepError, match=r"no \*\.yaml"):
        load(tmp_path)


def test_the_seed_is_correct() -> None:
    content = load(ROOT / "data/content")
    assert len(content.products) >= 4
    for product in content.products:
        assert sum(entry.product == product.id for entry in content.entries) >= 30, product.id

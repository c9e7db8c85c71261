"""Key messages and materials as approved content: what an import refuses, what is read, which fit."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from bot.content import (
    FOR_PROFESSIONALS,
    edition_in_force,
    export_content,
    fitting,
    in_date,
    key_message_text,
    picture,
    publish,
    withdraw,
)
from bot.content.publication import faults
from bot.knowledge import ChartKind, Content, Format, KeyMessage, load, parse
from bot.model import Audience, Fault, MedrepError
from tests.approved import approved
from tests.content.conftest import NOW, SEED, Shelf, changed, without

DOCTOR = Audience.DOCTOR
MESSAGE = SEED.key_message["amlodipine-km-edema"]


def with_(content: Content, **sections: Any) -> Content:
    return Content(**{name: sections.get(name, getattr(content, name)) for name in Content.model_fields})


def refused(section: str, item_id: str, **change: Any) -> str:
    """What reading the seed says when one item is changed so."""
    body = {
        name: [one.model_dump(mode="json", by_alias=True, exclude_none=True) for one in getattr(SEED, name)]
        for name in Content.model_fields
    }
    next(item for item in body[section] if item["id"] == item_id).update(change)
    with pytest.raises(MedrepError) as error:
        parse({"seed.yaml": body})
    assert error.value.fault == Fault.BAD_INPUT
    return error.value.detail


def test_each_demo_product_has_two_in_three_formats() -> None:
    for product in SEED.products:
        messages = [one for one in SEED.key_messages if one.product == product.id]
        assert len(messages) >= 2
        for message in messages:
            for form in Format:
                text = key_message_text(message, form, SEED, NOW)
                assert message.contraindications in text and message.adverse_reactions in text
                assert text.endswith(FOR_PROFESSIONALS)
                assert SEED.document[message.document].version in text
    assert {one.chart.kind for one in SEED.key_messages} >= {ChartKind.TABLE, ChartKind.BAR}


@pytest.mark.parametrize("message", SEED.key_messages, ids=lambda one: str(one.id))
def test_every_figure_stands_in_an_entry_of_what_it_cites(message: KeyMessage) -> None:
    """A citation that an import insists on says nothing of the figure before it: each is compared with the
    approved entries of the document and section that it names."""
    for words, cites in statements(message):
        named = [message.references[number - 1] for number in cites]
        stand = [
            entry.answer
            for entry in SEED.entries
            if entry.product == message.product
            and any(entry.document == one.document and one.section in entry.section for one in named)
        ]
        missing = figures(words) - set().union(*map(figures, stand))
        assert not missing, f"{words} {[one.section for one in named]}"


def test_a_figure_that_is_changed_is_seen() -> None:
    assert figures("5mg组3.0%，4～6小时，＜45 mL/min/1.73m²，1型") == {
        *((5, "mg"), (3, "%"), (4, "小时"), (6, "小时"), (45, "")),
    }
    assert not figures("10mg组18.0%") <= figures("10mg组10.8%")


def statements(message: KeyMessage) -> Iterator[tuple[str, list[int]]]:
    """Every sentence and chart row, with the references that it cites."""
    for text in (
        *(message.point, message.brief, message.detail, message.contraindications),
        message.adverse_reactions,
    ):
        for sentence in re.findall(r"[^。！？\n]+", text):
            cites = [int(number) for number in re.findall(r"\[(\d+)\]", sentence)]
            yield re.sub(r"\[\d+\]", "", sentence), cites
    for row in message.chart.rows:
        values = (f"{one:g}{message.chart.unit}" if isinstance(one, float) else one for one in row.values)
        yield "；".join((row.label, *values)), list(row.cite)


def figures(words: str) -> set[tuple[float, str]]:
    """The numbers of a text, each with its unit; both ends of a range have that of the second."""
    plain = re.sub(r"[12]型|\s?mL/min(?:/1\.73m²)?|[A-Za-z][A-Za-z-]{0,9}\d[A-Za-z0-9]{0,5}", "", words)
    found = set()
    for low, high, unit in re.findall(
        r"(\d+(?:\.\d+)?)(?:\s?～\s?(\d+(?:\.\d+)?))?\s?(mg|g|[%％倍周天日次年岁]|小时|个月)?", plain
    ):
        found |= {(float(number), unit.replace("％", "%")) for number in (low, high) if number}
    return found


CHART = MESSAGE.chart.model_dump(mode="json")
ROW = CHART["rows"][0]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"brief": "水肿的发生率为10.8%。"}, "brief: a figure without its citation"),
        ({"detail": "水肿[1]。发生率为三成。"}, "detail: a figure without its citation"),
        ({"point": "每日5mg"}, "point: a figure without its citation"),
        ({"brief": "发生率为10.8%[9]。"}, "no reference [9]"),
        ({"contraindications": "对本品过敏者禁用"}, "contraindications: without a citation"),
        ({"chart": {**CHART, "rows": [{**ROW, "cite": []}, *CHART["rows"][1:]]}}, "cite"),
        ({"chart": {**CHART, "rows": [{**ROW, "cite": [7]}, *CHART["rows"][1:]]}}, "no reference [7]"),
        ({"chart": {**CHART, "unit": None}}, "figures without a unit"),
        ({"chart": {**CHART, "rows": [{**ROW, "values": ["约一半"]}, *CHART["rows"][1:]]}}, "has numbers"),
        ({"chart": {**CHART, "title": "10mg的水肿"}}, "in the title"),
        ({"references": [{"document": "valsartan-label", "section": "【禁忌】"}]}, "of another product"),
        ({"product": "aspirin"}, "unknown product 'aspirin'"),
    ],
)  # fmt: skip
def test_what_an_import_refuses(change: dict[str, Any], why: str) -> None:
    assert why in refused("key_messages", MESSAGE.id, **change)


def test_a_name_with_a_digit_is_no_figure() -> None:
    kept = changed(
        SEED, "key_messages", MESSAGE.id, brief="与CYP3A4抑制剂合用时留意水肿；2型糖尿病患者同样。"
    )
    assert kept.key_message[MESSAGE.id].brief in key_message_text(
        kept.key_message[MESSAGE.id], Format.BRIEF, kept, NOW
    )


def test_an_id_names_one_thing() -> None:
    entry = SEED.entries[0].id
    assert "already one of the entries" in refused("key_messages", MESSAGE.id, id=entry)


def test_a_material_is_of_its_product() -> None:
    other = SEED.entries[0]
    material = next(one for one in SEED.materials if one.product != other.product and one.entries)
    assert "is not of" in refused("materials", material.id, entries=[other.id])
    picture_of = next(one for one in SEED.materials if not one.entries)
    assert "chart of one key message" in refused("materials", picture_of.id, key_messages=[])


def test_an_expired_document_is_quoted_no_more() -> None:
    late = NOW + timedelta(days=5000)
    with pytest.raises(MedrepError) as error:
        key_message_text(MESSAGE, Format.BRIEF, SEED, late)
    assert error.value.fault == Fault.NO_BASIS
    assert fitting(SEED, DOCTOR, "amlodipine", "", (), (), late) == ()


def ids(*args: Any) -> list[str]:
    return [one.id for one in fitting(SEED, DOCTOR, *args, NOW)]


def test_those_that_fit_come_best_first() -> None:
    assert ids("amlodipine", "", ("用药安全",), ()) == ["amlodipine-km-edema", "amlodipine-km-once-daily"]
    assert ids("amlodipine", "心内", ("高血压",), ()) == ["amlodipine-km-once-daily", "amlodipine-km-edema"]
    assert ids("amlodipine", "骨科", ("高血压",), ()) == ["amlodipine-km-edema"]  # the other is not for them
    told = ids("amlodipine", "心内科", ("高血压",), ("amlodipine-km-once-daily",))
    assert told == ["amlodipine-km-edema", "amlodipine-km-once-daily"]
    assert len(ids("", "", (), ())) == len(SEED.key_messages)
    assert fitting(SEED, Audience.PATIENT, "amlodipine", "", (), (), NOW) == ()


def test_the_picture_is_a_png_that_is_always_the_same() -> None:
    drawn = picture(MESSAGE, SEED)
    image = Image.open(io.BytesIO(drawn.png))
    assert image.format == "PNG" and image.width == 1080
    assert drawn.digest == hashlib.sha256(drawn.png).hexdigest()
    assert len(drawn.png) < 1_000_000
    other = changed(SEED, "documents", MESSAGE.document, version="演示版 1.1")
    assert picture(MESSAGE, other).digest != drawn.digest  # it says the version


@pytest.mark.parametrize("kind", list(ChartKind))
def test_every_kind_of_chart_is_drawn_in_chinese(kind: ChartKind) -> None:
    """Characters that the font lacks would all look alike."""
    rows = [{**row, "values": ["少"] if kind is ChartKind.TABLE else row["values"]} for row in CHART["rows"]]
    drawn = []
    for point in ("水肿", "头晕"):
        chart = {**CHART, "kind": kind, "rows": rows}
        content = changed(SEED, "key_messages", MESSAGE.id, chart=chart, point=point)
        drawn.append(picture(content.key_message[MESSAGE.id], content))
    assert drawn[0].digest != drawn[1].digest


async def test_they_are_approved_published_exported_and_withdrawn(shelf: Shelf, tmp_path: Path) -> None:
    """As entries are; and a withdrawn part takes the material with it, and is never kept by it."""
    digest = SEED.material["metformin-digest"]
    digest = digest.model_copy(update={"entries": digest.entries[:2]})
    entries = tuple(SEED.entry[name] for name in digest.entries)
    messages = tuple(SEED.key_message[name] for name in digest.key_messages)
    entries = tuple(dict.fromkeys((*shelf.content.entries, *entries)))
    more = with_(shelf.content, entries=entries, key_messages=messages, materials=(digest,))
    await approved(shelf.db, more, NOW)
    await publish(shelf.db, (), "admin", NOW, shelf.encoder, shelf.folder)
    async with shelf.db.begin() as tx:
        edition = await edition_in_force(tx)
        assert edition is not None
        await export_content(tx, tmp_path)
    assert edition.quoted(edition.basis(messages[0].id)) == messages[0]
    assert in_date(digest, edition.content, NOW)
    assert load(tmp_path) == edition.content
    assert [
        one["id"] for one in yaml.safe_load((tmp_path / "materials.yaml").read_text("utf-8"))["materials"]
    ]
    part = await shelf.revision(messages[0].id)
    await withdraw(shelf.db, part.id, "pv-1", "test", NOW, shelf.encoder, shelf.folder)
    async with shelf.db.begin() as tx:
        after = await edition_in_force(tx)
    assert after is not None and messages[0].id not in after.content.key_message
    assert not in_date(digest, after.content, NOW)


def test_compliance_and_length_stand_against_a_publication() -> None:
    def against(message: KeyMessage) -> str:
        new = with_(SEED, key_messages=(message,), materials=())
        return "\n".join(faults(new, {("key_messages", message.id)}, NOW))

    assert against(MESSAGE) == ""
    assert "key_messages" in against(MESSAGE.model_copy(update={"brief": "本品疗效最好，绝对安全[1]。"}))
    long = MESSAGE.model_copy(update={"detail": "水肿的患者应当随访[1]。" * 60})
    assert "longer than" in against(long)
    missing = without(SEED, "key_messages", MESSAGE.id)
    found = faults(missing, {("materials", "amlodipine-digest")}, datetime.now(UTC))
    assert "a part is missing" in "\n".join(found)

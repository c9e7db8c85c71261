"""What doctors show by what they do, and what never counts."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from bot import profiles
from bot.clock import CHINA
from bot.knowledge import Content, Encoder, Entry
from bot.profiles import Deed, behaviour
from bot.profiles.behaviour import score_of
from bot.store.behaviour import Written
from bot.store.profiles import forget_contact
from tests.approved import in_force
from tests.profiles.conftest import NOW, Clinic, content


def at(days: int, hour: int = 10) -> datetime:
    return (NOW - timedelta(days=days)).astimezone(CHINA).replace(hour=hour)


def entry_ids(product: str, count: int) -> tuple[str, ...]:
    return tuple(entry.id for entry in content().entries if entry.product == product)[:count]


async def test_answered_questions_show_products_and_topics(clinic: Clinic) -> None:
    doctor = await clinic.listed(1)
    (entry,) = entry_ids("metformin", 1)
    ids = [await clinic.wrote(1, at(days), route="answer", entries=(entry,)) for days in (3, 2)]
    await clinic.derived()
    tags = {
        tag["name"]: tag for tag in (await clinic.profile(doctor))["tags"] if tag["source"] == "behaviour"
    }
    assert tags["product"]["value"] == "metformin"
    assert tags["product"]["evidence"] == [f"message:{number}" for number in ids]
    assert {"product", "topic", "engagement"} == set(tags)


async def test_confidence_grows_with_evidence_and_fades_with_time(clinic: Clinic) -> None:
    doctor = await clinic.listed(1)
    (entry,) = entry_ids("metformin", 1)

    async def confidence() -> float:
        await clinic.derived()
        tags = (await clinic.profile(doctor))["tags"]
        return next((tag["confidence"] for tag in tags if tag["name"] == "product"), 0.0)

    await clinic.wrote(1, at(2), route="answer", entries=(entry,))
    assert await confidence() == 0.0, "once is chance"
    await clinic.wrote(1, at(1), route="answer", entries=(entry,))
    two = await confidence()
    for _ in range(4):
        await clinic.wrote(1, at(0), route="answer", entries=(entry,))
    six = await confidence()
    assert 0.2 < two < six < 0.8
    clinic.later(days=60)
    assert 0 < await confidence() < six
    clinic.later(days=40)
    assert await confidence() == 0.0, "the window has passed"
    ended = await clinic.rows("SELECT DISTINCT ended_why FROM profile_tag WHERE source = 'behaviour'")
    assert ended == [("faded",)]


@pytest.mark.parametrize(
    ("what", "values"),
    [
        ("medical information", {"route": "medical_information", "entries": ("E",)}),
        ("off-label beside an answer", {"route": "medical_information", "entries": ("E",)}),
        ("not answered", {"route": None, "entries": ()}),
        ("medical information was offered", {"route": None, "actions": ("action_fallback",)}),
        ("a file was asked for", {"route": None, "actions": ("action_material",)}),
        ("adverse event", {"route": "answer", "entries": ("E",), "screening": {"adverse_event": True}}),
        ("red flag", {"route": "answer", "entries": ("E",), "screening": {"red_flag": "cardiac"}}),
        ("money", {"route": "answer", "entries": ("E",), "screening": {"money": "benefit"}}),
    ],
)
async def test_what_never_becomes_a_tag_a_score_or_a_suggestion(
    clinic: Clinic, what: str, values: dict[str, Any]
) -> None:
    doctor = await clinic.listed(1)
    (entry,) = entry_ids("metformin", 1)
    given = {name: ((entry,) if value == ("E",) else value) for name, value in values.items()}
    for days in range(6):
        await clinic.wrote(1, at(days), **given)
    await clinic.derived()
    profile = await clinic.profile(doctor)
    assert not [tag for tag in profile["tags"] if tag["source"] != "import"], what
    assert profile["score"]["points"] == 0 and profile["score"]["tier"] == ""
    async with clinic.services.db.begin() as tx:
        assert await profiles.make_suggestions(tx, clinic.now) == 0


async def test_the_score_shows_its_parts(clinic: Clinic) -> None:
    doctor = await clinic.listed(1)
    (entry,) = entry_ids("metformin", 1)
    contact = await clinic.contact(1)
    for days in (1, 1, 2):
        await clinic.wrote(1, at(days), route="answer", entries=(entry,))
    await clinic.wrote(1, at(4), actions=("utter_thanks",))
    async with clinic.services.db.begin() as tx:
        for key in ("material:1:open:1", "material:1:open:1", "material:1:open:2"):
            await profiles.note_deed(tx, contact, Deed.OPENED, key, clinic.now, product="metformin")
        await profiles.note_deed(tx, contact, Deed.JOINED, "meeting:1", clinic.now)
    await clinic.derived()
    score = (await clinic.profile(doctor))["score"]
    parts = {part["what"]: part for part in score["parts"]}
    assert {what: (part["count"], part["weight"], part["points"]) for what, part in parts.items()} == {
        "asked": (3, 5, 15),
        "wrote": (3, 3, 9),
        "opened": (2, 4, 8),
        "joined": (1, 10, 10),
    }
    assert score["points"] == 42 and score["tier"] == "medium"
    assert parts["asked"]["since"] == (NOW - timedelta(days=90)).date().isoformat()
    assert len(parts["opened"]["evidence"]) == 2
    assert (await clinic.held(doctor))["engagement"] == ["medium"]


def test_a_part_has_its_most() -> None:
    score = score_of([], [], NOW)
    assert (score.points, score.tier) == (0, "")
    many = [Written(None, 1, number, NOW, ("x",)) for number in range(50)]  # type: ignore[arg-type]
    assert score_of(many, [], NOW).points == 40 + 3


async def test_the_time_they_write_is_their_best_time(clinic: Clinic) -> None:
    doctor = await clinic.listed(1)
    for days in range(6):
        await clinic.wrote(1, at(days, 20), actions=("utter_greet",))
    await clinic.wrote(1, at(1, 9), actions=("utter_greet",))
    await clinic.derived()
    assert (await clinic.held(doctor))["best_time"] == ["any:evening"]


async def little(clinic: Clinic, encoder: Encoder, folder: Path) -> Entry:
    """The only entry of the content that is in force from now on."""
    entry = content().entry["metformin-renal"].model_copy(update={"differs": None})
    whole = Content(
        products=(content().product[entry.product],),
        documents=(content().document[entry.document],),
        entries=(entry,),
    )
    await in_force(clinic.services.db, whole, clinic.now, encoder, folder / "index")
    await clinic.services.published.load()
    return entry


async def test_the_job_looks_at_who_did_something(clinic: Clinic, encoder: Encoder, tmp_path: Path) -> None:
    doctor = await clinic.listed(1)
    await clinic.listed(2)
    services = clinic.services
    assert await profiles.derive(services) == 0, "nothing is published, so nothing was answered"
    entry = await little(clinic, encoder, tmp_path)
    for days in (2, 1):
        await clinic.wrote(1, at(days), route="answer", entries=(entry.id,))
    assert await profiles.derive(services) == 1
    assert (await clinic.profile(doctor))["score"]["points"] == 2 * 5 + 2 * 3
    assert (await clinic.held(doctor))["product"] == ["metformin"]
    assert await profiles.derive(services) == 0, "nothing new"
    clinic.later(days=2)
    assert await profiles.derive(services) == 1, "it fades"
    clinic.later(days=90)
    await profiles.derive(services)
    assert (await clinic.profile(doctor))["score"]["points"] == 0
    clinic.later(days=2)
    assert await profiles.derive(services) == 0, "nothing is left that could fade"


async def test_a_round_that_was_cut_off_is_made_again_whole(
    clinic: Clinic, encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = await little(clinic, encoder, tmp_path)
    doctors = [await clinic.listed(number) for number in (1, 2, 3)]
    for number in (1, 2, 3):
        await clinic.wrote(number, at(1), route="answer", entries=(entry.id,))
    monkeypatch.setattr(behaviour, "BATCH", 1)
    derive_of, begun = behaviour.derive_of, count()

    async def cut_off(*what: Any, **more: Any) -> None:
        if next(begun) == 1:
            raise TimeoutError
        await derive_of(*what, **more)

    monkeypatch.setattr(behaviour, "derive_of", cut_off)
    with pytest.raises(TimeoutError):
        await profiles.derive(clinic.services)
    clinic.later(hours=1)
    assert await profiles.derive(clinic.services) == 3
    found = [(await clinic.profile(doctor))["score"] for doctor in doctors]
    assert all(score and score["points"] == 5 + 3 for score in found), found
    clinic.later(hours=2)
    assert await profiles.derive(clinic.services) == 0, "nothing new"


async def test_what_is_derived_of_deeds_alone_goes_with_their_contact(clinic: Clinic) -> None:
    await clinic.listed(1)
    contact = await clinic.contact(1)
    async with clinic.services.db.begin() as tx:
        for number in (1, 2):
            key = f"material:1:open:{number}"
            await profiles.note_deed(tx, contact, Deed.OPENED, key, clinic.now, product="metformin")
    await clinic.derived()
    derived = "SELECT count(*) FROM profile_tag WHERE source = 'behaviour'"
    assert await clinic.rows(derived) == [(1,)]
    async with clinic.services.db.begin() as tx:
        await forget_contact(tx, contact.id, clinic.now)
    assert await clinic.rows(derived) == [(0,)]
    assert await clinic.rows("SELECT count(*) FROM engagement") == [(0,)]


async def test_who_refuses_is_not_looked_at(clinic: Clinic) -> None:
    doctor = await clinic.listed(1)
    (entry,) = entry_ids("metformin", 1)
    contact = await clinic.contact(1)
    for days in (1, 2, 3):
        await clinic.wrote(1, at(days), route="answer", entries=(entry,))
    async with clinic.services.db.begin() as tx:
        await profiles.note_deed(tx, contact, Deed.JOINED, "meeting:1", clinic.now)
    await clinic.derived()
    async with clinic.services.db.begin() as tx:
        await profiles.refuse(tx, contact, clinic.now)
    for table in ("profile_tag", "engagement", "suggestion", "profile_event"):
        assert await clinic.rows(f"SELECT count(*) FROM {table}") == [(0,)], table  # noqa: S608
    await clinic.derived()
    async with clinic.services.db.begin() as tx:
        assert not await profiles.note_deed(tx, contact, Deed.JOINED, "meeting:2", clinic.now)
    profile = await clinic.profile(doctor)
    assert profile["score"] is None
    assert not [tag for tag in profile["tags"] if tag["group"] == "value"]
    async with clinic.services.db.begin() as tx:
        assert await profiles.may_be_segmented(tx, [contact.person_id]) == frozenset()
        await profiles.allow(tx, contact, clinic.services.published.dialogue, clinic.now)
        assert await profiles.may_be_segmented(tx, [contact.person_id]) == {contact.person_id}
    await clinic.derived()
    assert (await clinic.held(doctor))["product"] == ["metformin"]

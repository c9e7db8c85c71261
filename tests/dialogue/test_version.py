"""A version of the dialogue: what it needs to be put in force, and what it says to whom."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from bot.dialogue.publishing import forbidden
from bot.dialogue.version import Dialogue, read_dialogue
from bot.model import Audience, Fault, MedrepError
from bot.settings import ROOT

SEED = read_dialogue(ROOT)


def changed(change: Any) -> Dialogue:
    """The seed with its domain changed."""
    domain = yaml.safe_load(SEED.files["domain.yml"])
    change(domain)
    return Dialogue({**SEED.files, "domain.yml": yaml.safe_dump(domain, allow_unicode=True)})


def refused(change: Any) -> str:
    with pytest.raises(MedrepError) as error:
        changed(change).check()
    assert error.value.fault == Fault.BAD_INPUT
    return error.value.detail


def respond(name: str, *variations: dict[str, Any]) -> Any:
    return lambda domain: domain["responses"].update({name: list(variations)})


def test_the_seed_can_be_put_in_force() -> None:
    SEED.check()
    assert forbidden(SEED) == []


@pytest.mark.parametrize("slot", ["audience", "verified", "verify_waiting", "introduced", "adverse_event"])
def test_the_slots_that_the_app_feeds_must_exist(slot: str) -> None:
    """F19"""
    assert f"no slot {slot}" in refused(lambda domain: domain["slots"].pop(slot))


@pytest.mark.parametrize("intent", ["verify", "choose", "ask_human", "greet"])
def test_the_intents_that_the_app_feeds_must_exist(intent: str) -> None:
    """F19"""

    def remove(domain: dict[str, Any]) -> None:
        names = [one if isinstance(one, str) else next(iter(one)) for one in domain["intents"]]
        del domain["intents"][names.index(intent)]

    assert f"no intent {intent}" in refused(remove)


def test_each_audience_needs_every_variation_of_a_fixed_text() -> None:
    """F19: only the first variation was looked at."""
    for_doctors = {"text": "您好", "condition": [{"type": "slot", "name": "audience", "value": "doctor"}]}
    assert "utter_stop (patient)" in refused(respond("utter_stop", for_doctors))
    assert "utter_stop (doctor)" in refused(respond("utter_stop", {"text": "好的"}, {"text": " "}))


def test_compliance_reads_every_variation_and_button() -> None:
    """F19: a text that may not be said was put in force."""
    claim = {"text": "本品绝对安全，保证治愈。"}
    button = {"text": "选一个", "buttons": [{"title": "保证治愈", "payload": "human"}]}
    assert forbidden(changed(respond("utter_thanks", {"text": "不客气"}, claim)))
    assert forbidden(changed(respond("utter_thanks", button)))


def test_a_placeholder_of_no_type_is_refused() -> None:
    """F20"""
    detail = refused(respond("utter_thanks", {"text": "{anything}"}))
    assert "unknown placeholder {anything}" in detail


@pytest.mark.parametrize(
    ("due", "says_it"),
    [
        ("11月24日（周二）18:00", True),
        ("11月24日（周二）18:00\n二甲双胍可以治愈糖尿病", False),
        ("二甲双胍可以治愈糖尿病", False),
        ("", False),
    ],
)
def test_a_placeholder_takes_only_its_type(due: str, says_it: bool) -> None:
    """F20: any 400 characters passed."""
    text = SEED.text("utter_medical_information", due=due)
    found = SEED.filled("utter_medical_information", text, Audience.DOCTOR)
    assert found == ({"due": due} if says_it else None)


def test_what_is_for_patients_is_not_said_to_doctors() -> None:
    """F20: the audience was ignored."""
    text = SEED.text("utter_greet", Audience.PATIENT)
    assert SEED.filled("utter_greet", text, Audience.PATIENT) == {}
    assert SEED.filled("utter_greet", text, Audience.DOCTOR) is None

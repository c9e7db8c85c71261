"""The words are those of the content, and no area of practice is a use that a label does not approve."""

from __future__ import annotations

from bot.profiles import vocabulary
from bot.text.patterns import read_rules
from tests.profiles.conftest import content


def test_no_area_is_an_off_label_use() -> None:
    areas = read_rules("profiles", "words")["areas"]
    words = {word for area, one in areas.items() for word in (area, *one["words"])}
    assert not words & {use.use for use in content().off_label}
    for area, one in areas.items():
        assert set(one["products"]) <= set(content().product), area


def test_the_topics_are_those_of_the_content() -> None:
    topics = {str(entry.topic) for entry in content().entries}
    assert topics <= set(vocabulary.names()["topic"].values)


def test_no_name_speaks_of_prescriptions() -> None:
    for name in vocabulary.names().values():
        assert not vocabulary.refused(name.name) and not vocabulary.refused(name.label)

"""A profile as it is shown: whole, as JSON for colleagues; and to the doctor, as one message."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from bot.clock import CHINA
from bot.model import Purpose
from bot.people import consent
from bot.profiles import affiliations, refusal, suggestions, tags, vocabulary
from bot.profiles.said import Statement
from bot.profiles.tags import Tag
from bot.profiles.vocabulary import Group, Source
from bot.store import behaviour, profiles
from bot.store.database import Tx
from bot.store.vault import Vault

_PLACE = "执业单位"
_KEPT_BACK = "姓名、电话"
#: What may stand in `{held}` of `utter_profile`: lines with a label of ours each.
_LABELS = "|".join([_KEPT_BACK, _PLACE, *(name.label for name in vocabulary.names().values())])
HELD = rf"(?:· (?:{_LABELS})：[^\n]{{1,160}}\n?){{1,14}}"
#: What may stand in `{field}` of `utter_change_accepted` and `utter_change_declined`.
FIELDS = "科室|职称|医院"
#: What may stand in `{noted}` of `utter_noted`.
NOTED = r"[^\n。；！？]{1,120}"
_MOST_VALUES = 5  # of a name, in a message


async def profile_of(
    tx: Tx, vault: Vault, external_id: str, person_id: UUID, now: datetime
) -> dict[str, Any]:
    """Keys: external_id, at, profiling (allowed, for_marketing, text_version), tags, affiliations, score,
    suggestions. Times are ISO 8601 in China's; `holds` marks the value of a name that wins."""
    known = (await tags.tags_of(tx, [person_id], now))[person_id]
    score = (await behaviour.scores(tx, [person_id])).get(person_id)
    consents = await consent.of_person(tx, person_id)
    allowed = not await refusal.refusing(tx, [person_id])
    agreed = next((one for one in consents if one.purpose == Purpose.ANALYSIS and one.holds), None)
    return {
        "external_id": external_id,
        "at": _at(now),
        "profiling": {
            "allowed": allowed,
            "for_marketing": refusal.agreed(consents),
            "text_version": agreed.text_version if agreed else None,
        },
        "tags": [_tag(tag) for tag in known],
        "affiliations": [
            {
                "hospital": one.hospital,
                "department": one.department,
                "primary": one.main,
                "source": (Source.COLLEAGUE if one.written_by else Source.IMPORT).value,
                "since": _at(one.since),
                "by": one.written_by,
            }
            for one in await affiliations.of(tx, person_id)
        ],
        "score": None
        if score is None or not allowed
        else {"points": score.points, "tier": score.tier, "parts": score.parts, "at": _at(score.made_at)},
        "suggestions": [
            {name: _plain(value) for name, value in asdict(one).items() if name not in ("external_id", "rep")}
            for one in await suggestions.read(tx, vault, person_id=person_id, every=True)
        ],
    }


def _tag(tag: Tag) -> dict[str, Any]:
    name = vocabulary.names()[tag.name]
    return {
        "name": tag.name,
        "label": name.label,
        "group": name.group.value,
        "value": tag.value,
        "shown": tag.spoken,
        "source": tag.source.value,
        "first_at": _at(tag.first_at),
        "date": _at(tag.seen_at),
        "times": tag.times,
        "confidence": tag.confidence,
        "holds": tag.holds,
        "evidence": list(tag.evidence),
        "by": tag.written_by,
    }


async def held_text(tx: Tx, person_id: UUID, now: datetime, product_names: dict[str, str]) -> str:
    """What we hold of a doctor and where each came from, a line an entry; `product_names`: id -> name.

    Name and phone are named, not shown: who holds the phone may be somebody else.
    """
    entry = (await profiles.entries(tx, [person_id])).get(person_id)
    lines = [] if entry is None else [f"· {_KEPT_BACK}：公司名单，这里不显示"]
    places = [
        f"{one.hospital}（{_origin(Source.COLLEAGUE if one.written_by else Source.IMPORT, one.since)}）"
        for one in await affiliations.of(tx, person_id)
    ]
    if places:
        lines.append(f"· {_PLACE}：{'；'.join(places[:3])}"[:160])
    known = (await tags.tags_of(tx, [person_id], now))[person_id]
    for name in vocabulary.names().values():
        values = [
            f"{product_names.get(tag.value, tag.spoken)}（{_origin(tag.source, tag.seen_at)}）"
            for tag in known
            if tag.name == name.name and tag.holds
        ]
        if values:
            lines.append(f"· {name.label}：{'；'.join(values[:_MOST_VALUES])}"[:160])
    return "\n".join(lines)


def _origin(source: Source, at: datetime) -> str:
    local = at.astimezone(CHINA)
    label = vocabulary.rules()["sources"][source.value]["label"]
    return f"{label}，{local.year}年{local.month}月{local.day}日"


def noted_text(statements: Iterable[Statement]) -> str:
    """What was noted of a message, as one reads it back: 资料形式：简短；关注领域：糖尿病、高血压."""
    by_name: dict[str, list[str]] = {}
    for one in statements:
        by_name.setdefault(one.name, []).append(vocabulary.spoken(one.name, one.value))
    return "，".join(f"{vocabulary.names()[name].label}：{'、'.join(v)}" for name, v in by_name.items())


def is_kept_after_refusal(name: str) -> bool:
    """Whether what is said of this name is noted of who refuses profiling, too."""
    return vocabulary.names()[name].group != Group.VALUE


def _at(moment: datetime | None) -> str | None:
    return moment.astimezone(CHINA).isoformat(timespec="seconds") if moment else None


def _plain(value: Any) -> Any:
    return _at(value) if isinstance(value, datetime) else value

"""An account's own menu: read from `data/menu/AUDIENCE.yaml`, and refused where the platform would refuse it
or the bot would not understand a click.

WeChat's limits: three entries of 16 bytes, five below each of 60, keys of 128 and links of 1024.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bot.compliance import check_text
from bot.dialogue.version import Dialogue
from bot.knowledge import Content
from bot.model import Audience, Fault, MedrepError
from bot.settings import ROOT

FOLDER = Path("data") / "menu"
_TOP, _BELOW = 16, 60  # bytes of a name
# Intents of turns that we begin or of what somebody is found to mean: no click stands for them.
SET_BY_US = frozenset(
    {
        *("verify", "choose", "refuse_profiling", "allow_profiling"),
        *("visit_begin", "visit_resume", "appointment_ask", "meeting_invite"),
    }
)


class _Entry(BaseModel):
    """`key`: what the bot hears; `url`: a page that opens instead."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    key: str = ""
    url: str = ""
    below: tuple[_Entry, ...] = Field(default=(), max_length=5)

    @model_validator(mode="after")
    def _one(self) -> _Entry:
        if [bool(self.key), bool(self.url), bool(self.below)].count(True) != 1:
            raise ValueError(f"{self.name}: one of key, url and below")
        if any(one.below for one in self.below):
            raise ValueError(f"{self.name}: nothing stands below an entry that is below another")
        for one, most in ((self, _TOP if self.below else _BELOW), *((one, _BELOW) for one in self.below)):
            if len(one.name.encode()) > most or len(one.key.encode()) > 128 or len(one.url.encode()) > 1024:
                raise ValueError(f"{one.name}: longer than the platform takes")
        if self.url and not self.url.startswith(("http://", "https://")):
            raise ValueError(f"{self.name}: not a web address")
        return self


class _Menu(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    entries: tuple[_Entry, ...] = Field(min_length=1, max_length=3)

    @model_validator(mode="after")
    def _names(self) -> _Menu:
        for one in self.entries:
            if len(one.name.encode()) > _TOP:
                raise ValueError(f"{one.name}: longer than {_TOP} bytes")
        return self


def read_menu(
    audience: Audience, dialogue: Dialogue, content: Content | None, path: Path | None = None
) -> list[dict[str, Any]]:
    """The menu for this audience, as WeChat takes it. Raises MedrepError(BAD_INPUT | REFUSED_TEXT)."""
    path = path or ROOT / FOLDER / f"{audience.value}.yaml"
    try:
        menu = _Menu(entries=yaml.safe_load(path.read_text(encoding="utf-8")) or ())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise MedrepError(Fault.BAD_INPUT, f"{path.name}: {first['msg']}") from None
    except (yaml.YAMLError, TypeError, UnicodeDecodeError) as error:
        raise MedrepError(Fault.BAD_INPUT, f"{path.name}: not such a menu: {str(error)[:200]}") from None
    except OSError as error:
        raise MedrepError(Fault.BAD_INPUT, f"{path}: {error.strerror}") from None
    for one in _all(menu):
        if findings := check_text(one.name, audience):
            raise MedrepError(Fault.REFUSED_TEXT, f"{one.name}: {findings[0].rule}")
        if one.key and not _heard(one.key, audience, dialogue, content):
            raise MedrepError(Fault.BAD_INPUT, f"{one.name}: nothing is known by the key {one.key}")
    return [_button(one) for one in menu.entries]


def _all(menu: _Menu) -> Iterator[_Entry]:
    for one in menu.entries:
        yield one
        yield from one.below


def _heard(key: str, audience: Audience, dialogue: Dialogue, content: Content | None) -> bool:
    """Whether a click with this key means something (`bot.inbound.turn_input`), and is answered: what speaks
    of products is for doctors."""
    what, _, name = key.partition(":")
    match what:
        case "intent":
            return name in dialogue.intents and name not in SET_BY_US
        case "text":
            return bool(name.strip())
        case "entry":
            return audience is Audience.DOCTOR and content is not None and name in content.entry
    return key == "human" or (key == "medical_information" and audience is Audience.DOCTOR)


def _button(one: _Entry) -> dict[str, Any]:
    if one.below:
        return {"name": one.name, "sub_button": [_button(below) for below in one.below]}
    if one.url:
        return {"type": "view", "name": one.name, "url": one.url}
    return {"type": "click", "name": one.name, "key": one.key}

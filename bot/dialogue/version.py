"""The dialogue: the client of the engine, and the fixed texts of the published version."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from bot.model import Audience, Basis, BasisKind, Choice, Fault, MedrepError, Purpose, Reply

# The seed's files: Rasa's project files and everything its training reads.
SEED = (
    "domain.yml",
    "config.yml",
    "endpoints.yml",
    "credentials.yml",
    "data/nlu",
    "data/rules",
    "data/stories",
)
LEXICON = "data/lexicon"
# What the app itself says, with the engine or without: a version that lacks one of these is not published.
FIXED = (
    "utter_introduce",
    "utter_emergency",
    "utter_adverse_event",
    "utter_stop",
    "utter_resume",
    "utter_media",
    "utter_failed",
    "utter_verify_done",
    "utter_verify_again",
)


@dataclass(frozen=True)
class Dialogue:
    """One version of the dialogue: its files (path -> text)."""

    files: Mapping[str, str]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over paths and texts, in hex; the trained model is keyed by it."""
        digest = hashlib.sha256()
        for path, text in sorted(self.files.items()):
            digest.update(f"{path}\0{len(text)}\0{text}".encode())
        return digest.hexdigest()

    @cached_property
    def _responses(self) -> dict[str, list[dict[str, Any]]]:
        domain = yaml.safe_load(self.files["domain.yml"])
        found: dict[str, list[dict[str, Any]]] = domain["responses"]
        return found

    def check(self) -> None:
        """Raise MedrepError(BAD_INPUT) unless this can be put in force: it parses and has the fixed texts."""
        try:
            domain = yaml.safe_load(self.files["domain.yml"])
            missing = [name for name in FIXED if not domain["responses"][name][0]["text"].strip()]
        except yaml.YAMLError as error:
            raise MedrepError(Fault.BAD_INPUT, f"domain.yml is not YAML: {str(error)[:200]}") from None
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise MedrepError(Fault.BAD_INPUT, f"domain.yml lacks a response: {error}") from None
        if missing:
            raise MedrepError(Fault.BAD_INPUT, f"domain.yml has no text for {', '.join(missing)}")

    def has(self, name: str) -> bool:
        """Whether there is a response of this name."""
        return name in self._responses

    def text(self, name: str, audience: Audience = Audience.DOCTOR, **values: str) -> str:
        """The text of a response for this audience, filled in. Raises MedrepError(NOT_FOUND)."""
        for variation in self._responses.get(name, ()):
            slots = {c["name"]: c["value"] for c in variation.get("condition", ())}
            if slots.get("audience", audience) == audience:
                text: str = variation["text"]
                # Plain replacement: a value may hold braces of its own.
                for key, value in values.items():
                    text = text.replace("{" + key + "}", value)
                return text.strip()
        raise MedrepError(Fault.NOT_FOUND, f"no response {name}")

    def says(self, name: str, text: str) -> bool:
        """Whether `text` is what response `name` says, whatever stands in its placeholders."""
        return any(pattern.fullmatch(text.strip()) for pattern in self._patterns.get(name, ()))

    @cached_property
    def _patterns(self) -> dict[str, list[re.Pattern[str]]]:
        return {
            name: [_pattern(v["text"].strip()) for v in variations if v.get("text")]
            for name, variations in self._responses.items()
        }

    def reply(self, name: str, audience: Audience, purpose: Purpose = Purpose.REPLY, **values: str) -> Reply:
        """A response as a reply that may leave: its basis is this version."""
        buttons = self._responses.get(name, [{}])[0].get("buttons", ())
        return Reply(
            text=self.text(name, audience, **values),
            choices=tuple(Choice(b["payload"], b["title"]) for b in buttons),
            basis=self.basis(name),
            purpose=purpose,
        )

    def basis(self, name: str) -> Basis:
        return Basis(BasisKind.RESPONSE, name, self.fingerprint[:12])


def _pattern(template: str) -> re.Pattern[str]:
    pieces = re.split(r"\{\w+\}", template)
    return re.compile(r"[\s\S]{0,400}".join(re.escape(piece) for piece in pieces))


def read_dialogue(root: Path) -> Dialogue:
    """The dialogue in the files under `root`. Raises MedrepError(BAD_INPUT)."""
    files: dict[str, str] = {}
    for name in (*SEED, LEXICON):
        path = root / name
        inside = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
        for file in inside:
            try:
                files[file.relative_to(root).as_posix()] = file.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                raise MedrepError(Fault.BAD_INPUT, f"{file.name} is not UTF-8") from None
    if "domain.yml" not in files:
        raise MedrepError(Fault.BAD_INPUT, "there is no domain.yml")
    return Dialogue(files)


def write_dialogue(dialogue: Dialogue, root: Path) -> None:
    """Materialise a version under `root`."""
    for name, text in dialogue.files.items():
        path = (root / name).resolve()
        if not path.is_relative_to(root.resolve()):
            raise MedrepError(Fault.BAD_INPUT, f"{name} leads outside")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

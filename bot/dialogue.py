"""The dialogue: the client of the engine, and the fixed texts of the published version."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import yaml

from bot import metrics
from bot.model import (
    Audience,
    Basis,
    BasisKind,
    Choice,
    Fault,
    MedrepError,
    Purpose,
    Reply,
    Turn,
    TurnInput,
)

TURN_SECONDS = 8.0
READY_SECONDS = 2.0
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


class Engine:
    """The engine over HTTP, behind a circuit: once it fails to answer, nothing is sent there until `probe`
    finds it well again, so we know at once that it is down."""

    def __init__(self, http: aiohttp.ClientSession, url: str, token: str) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"}
        self.available = True

    @property
    def available(self) -> bool:
        """Whether the circuit is closed."""
        return self._available

    @available.setter
    def available(self, closed: bool) -> None:
        self._available = closed
        metrics.ENGINE.set(closed)

    async def turn(
        self,
        turn_id: UUID,
        contact: str,
        conversation: bytes | None,
        said: TurnInput,
        slots: Mapping[str, Any],
    ) -> Turn:
        """One turn. `contact` is a pseudonym.

        Raises MedrepError: ENGINE_DOWN when it did not get there, ENGINE_LOST when no answer came back,
        ENGINE_FAILED or CONFLICT when that was the answer.
        """
        payload = {
            "turn_id": str(turn_id),
            "contact": contact,
            "conversation": json.loads(conversation) if conversation else None,
            "input": {
                "text": said.text,
                "intent": said.intent,
                "entities": said.entities,
                "trigger": said.trigger,
                "metadata": said.metadata,
            },
            "slots": dict(slots),
        }
        answer = await self._guarded("POST", "/turn", payload, TURN_SECONDS)
        version = str(answer["model"])[:12]
        return Turn(
            turn_id=turn_id,
            replies=tuple(_reply(reply, version) for reply in answer["replies"]),
            intent=answer["intent"]["name"] or "",
            confidence=float(answer["intent"]["confidence"] or 0.0),
            entities=tuple(answer["entities"]),
            actions=tuple(answer["actions"]),
            conversation=json.dumps(answer["conversation"], ensure_ascii=False).encode(),
        )

    async def understand(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """Intent, confidence and entities of each text."""
        answer = await self._guarded("POST", "/understand", {"texts": list(texts)}, 120.0)
        results: list[dict[str, Any]] = answer["results"]
        return results

    async def ready(self) -> str | None:
        """The fingerprint of the loaded model; None while there is none, or no engine."""
        try:
            return str((await self._call("GET", "/ready", None, READY_SECONDS))["model"])
        except MedrepError:
            return None

    async def load(self, model: Path) -> None:
        """Swap the model under load."""
        await self._call("PUT", "/model", {"path": str(model)}, 120.0)

    async def probe(self) -> bool:
        """Ask whether it is well; the circuit closes or opens accordingly."""
        self.available = await self.ready() is not None
        return self.available

    async def _guarded(self, method: str, path: str, payload: Any, seconds: float) -> Any:
        if not self.available:
            raise MedrepError(Fault.ENGINE_DOWN, "the circuit is open")
        try:
            return await self._call(method, path, payload, seconds)
        except MedrepError as error:
            if error.fault in (Fault.ENGINE_DOWN, Fault.ENGINE_LOST):
                self.available = False
            raise

    async def _call(self, method: str, path: str, payload: Any, seconds: float) -> Any:
        try:
            async with self._http.request(
                method,
                self._url + path,
                json=payload,
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(total=seconds, connect=2.0),
            ) as response:
                answer = await response.json()
                status = response.status
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise MedrepError(Fault.ENGINE_DOWN, type(error).__name__) from None
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:
            raise MedrepError(Fault.ENGINE_LOST, type(error).__name__) from None
        if status == 200:
            return answer
        code = str(answer.get("error", "")) if isinstance(answer, dict) else ""
        if status == 409:
            raise MedrepError(Fault.CONFLICT, code)
        fault = Fault.ENGINE_DOWN if status == 503 else Fault.ENGINE_FAILED
        raise MedrepError(fault, f"{status} {code}")


def _reply(said: Mapping[str, Any], version: str) -> Reply:
    custom = said.get("custom") or {}
    if said.get("response"):
        basis: Basis | None = Basis(BasisKind.RESPONSE, said["response"], version)
    elif custom.get("basis"):
        basis = Basis.parse(custom["basis"])
    else:
        basis = None
    return Reply(
        text=said.get("text") or "",
        choices=tuple(Choice(c["id"], c["label"]) for c in said.get("choices") or ()),
        basis=basis,
        purpose=Purpose(custom.get("purpose", Purpose.REPLY)),
    )

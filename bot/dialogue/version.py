"""The dialogue: the client of the engine, and the fixed texts of the published version."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from bot.model import Audience, Basis, BasisKind, Choice, Fault, MedrepError, Purpose, Reply
from bot.people.stop import KINDS
from bot.profiles import FIELDS, HELD, NOTED
from bot.safety import every_element
from bot.text.yaml_loader import Loader

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
    "utter_stop_kinds",
    "utter_resume_kinds",
    "utter_resume_elsewhere",
    "utter_no_benefit",
    "utter_location",
    "utter_own_line",
    "utter_media",
    "utter_fallback",
    "utter_failed",
    "utter_verify_done",
    "utter_verify_again",
    "utter_speaking",
    "utter_heard",
    "utter_unclaimed",
)
# What may stand in a placeholder of a response; `bot.outbound.release` also checks what it names.
PLACEHOLDERS = {
    "due": r"\d{1,2}月\d{1,2}日（周[一二三四五六日]）\d{2}:\d{2}",
    "or_due": r"\d{1,2}月\d{1,2}日（周[一二三四五六日]）\d{2}:\d{2}",
    "rep": r"[^\n。；！？]{1,40}",
    "product": r"[^\n。；！？、，]{1,60}",
    "products": r"[^\n。；！？]{1,300}",
    "kinds": "(?:{0})(?:、(?:{0})){{0,2}}".format("|".join(KINDS.values())),
    "known": r"[^\n。；！？]{1,200}",
    "parts": r"(?:姓名|医院|手机号|邀请码)(?:、(?:姓名|医院|手机号|邀请码)){0,3}",
    "material": r"[^\n。；！？]{1,60}",
    "link": r"https?://[A-Za-z0-9.:/\[\]-]{1,200}/m/[0-9]{1,18}-[a-p]{32}",
    "held": HELD,
    "noted": NOTED,
    "field": FIELDS,
    "source": r"《[\s\S]{1,400}",
    "closed": r"现在是下班时间|今天是休息日|今天是(?:元旦|春节|清明|劳动节|端午|中秋|国庆)假期",
    "opens": r"\d{1,2}月\d{1,2}日（周[一二三四五六日]）\d{2}:\d{2}"
    r"(?:（\d{4}年的放假和调休安排尚未公布，暂按法定节假日推算）)?",
    "when": r"\d{1,2}月\d{1,2}日（周[一二三四五六日]）\d{2}:\d{2}",
    "meeting": r"[^\n《》]{1,60}",
    "called_off": r"[^\n《》]{1,60}",
    "speaker": r"[^\n。；！？]{1,60}",
    "host": r"[^\n。；！？]{1,60}",
    "starts": r"\d{1,2}月\d{1,2}日（周[一二三四五六日]）\d{2}:\d{2}",
    "ends": r"(?:\d{1,2}月\d{1,2}日（周[一二三四五六日]）)?\d{2}:\d{2}",
    "venue": r"[^\n。；！]{1,200}",
    "credit": r"[^\n。；！？]{1,60}",
    "place": r"[\u4e00-\u9fffA-Za-z0-9]{1,20}",
    "heard": r"[\s\S]{1,600}",
    "missing": "(?:{0})(?:、(?:{0}))*".format("|".join(every_element())),
}
ON_DUTY = "值班同事"  # stands for {rep} where the person has none
# What the app tells the engine without asking the NLU (`bot/inbound`): a version must know it.
FED_SLOTS = frozenset({"audience", "verified", "verify_waiting", "introduced", "adverse_event", "brief"})
FED_INTENTS = frozenset(
    {"greet", "verify", "choose", "ask_human", "delete_data", "export_data", "stop_contact", "ask_product"}
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
    def intents(self) -> frozenset[str]:
        """What the engine can be told that somebody means."""
        return _intents(self._domain)

    @cached_property
    def _domain(self) -> dict[str, Any]:
        found: dict[str, Any] = yaml.load(self.files["domain.yml"], Loader=Loader)  # noqa: S506 - it is safe
        return found

    @cached_property
    def _responses(self) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = self._domain["responses"]
        return found

    def check(self) -> None:
        """Raise MedrepError(BAD_INPUT) unless this can be put in force: it parses, it has a fixed text for
        each audience, its placeholders are typed, and it knows the slots and intents that the app feeds."""
        try:
            faults = [*_missing_texts(self._responses), *_missing_names(self._domain)]
        except yaml.YAMLError as error:
            raise MedrepError(Fault.BAD_INPUT, f"domain.yml is not YAML: {str(error)[:200]}") from None
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise MedrepError(Fault.BAD_INPUT, f"domain.yml cannot be read: {error}") from None
        if faults:
            raise MedrepError(Fault.BAD_INPUT, f"domain.yml: {'; '.join(faults)}")

    def texts(self) -> Iterator[tuple[str, Audience, str]]:
        """Everything it can say: (response, audience, text of a variation or of a button)."""
        for name, variations in self._responses.items():
            for audience in Audience:
                for variation in _for(variations, audience):
                    yield name, audience, variation.get("text") or ""
                    for button in variation.get("buttons") or ():
                        yield name, audience, button["title"]

    def has(self, name: str) -> bool:
        """Whether there is a response of this name."""
        return name in self._responses

    def offers(self, name: str) -> frozenset[str]:
        """The choice ids that a response offers of itself."""
        buttons = (one for variation in self._responses.get(name, []) for one in variation.get("buttons", []))
        return frozenset(str(one["payload"]) for one in buttons)

    def text(self, name: str, audience: Audience = Audience.DOCTOR, **values: str) -> str:
        """The text of a response for this audience, filled in. Raises MedrepError(NOT_FOUND)."""
        for variation in _for(self._responses.get(name, ()), audience):
            text: str = variation["text"]
            # Plain replacement: a value may hold braces of its own.
            for key, value in values.items():
                text = text.replace("{" + key + "}", value)
            return text.strip()
        raise MedrepError(Fault.NOT_FOUND, f"no response {name}")

    def filled(self, name: str, text: str, audience: Audience) -> dict[str, str] | None:
        """What stands in the placeholders where `text` is what response `name` says to this audience.

        None when it is not. A placeholder takes only what its type in `PLACEHOLDERS` admits.
        """
        for pattern in self._patterns.get((name, audience), ()):
            if match := pattern.fullmatch(text.strip()):
                return match.groupdict()
        return None

    @cached_property
    def _patterns(self) -> dict[tuple[str, Audience], list[re.Pattern[str]]]:
        return {
            (name, audience): [
                _pattern(variation["text"].strip())
                for variation in _for(variations, audience)
                if variation.get("text")
            ]
            for name, variations in self._responses.items()
            for audience in Audience
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


def _for(variations: Sequence[Mapping[str, Any]], audience: Audience) -> list[Mapping[str, Any]]:
    """The variations that this audience is told, as Rasa chooses: those made for it, else those for all."""
    conditions = [{c["name"]: c["value"] for c in v.get("condition") or ()} for v in variations]
    pairs = list(zip(variations, conditions, strict=True))
    made_for = [variation for variation, condition in pairs if condition.get("audience") == audience]
    return made_for or [variation for variation, condition in pairs if "audience" not in condition]


def _missing_texts(responses: Mapping[str, Any]) -> Iterator[str]:
    for name in FIXED:
        for audience in Audience:
            applicable = _for(responses.get(name) or (), audience)
            if not applicable or not all((variation.get("text") or "").strip() for variation in applicable):
                yield f"no text for {name} ({audience})"
    for name, variations in responses.items():
        for variation in variations:
            for placeholder in re.findall(r"\{(\w+)\}", variation.get("text") or ""):
                if placeholder not in PLACEHOLDERS:
                    yield f"{name} has an unknown placeholder {{{placeholder}}}"


def _missing_names(domain: Mapping[str, Any]) -> Iterator[str]:
    for slot in sorted(FED_SLOTS - set(domain.get("slots") or ())):
        yield f"no slot {slot}"
    for intent in sorted(FED_INTENTS - _intents(domain)):
        yield f"no intent {intent}"


def _intents(domain: Mapping[str, Any]) -> frozenset[str]:
    named = domain.get("intents") or ()
    return frozenset(name if isinstance(name, str) else next(iter(name)) for name in named)


def _pattern(template: str) -> re.Pattern[str]:
    """What a text of this template looks like; a placeholder that stands twice is the same both times."""
    pieces, seen = re.split(r"\{(\w+)\}", template), set[str]()
    made = re.escape(pieces[0])
    for name, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        made += f"(?P={name})" if name in seen else f"(?P<{name}>{PLACEHOLDERS.get(name, '(?!)')})"
        made += re.escape(piece)
        seen.add(name)
    return re.compile(made)


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

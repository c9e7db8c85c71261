"""Approved material: products, documents, entries and the uses the label does not approve.

Read from the seed (`data/content/*.yaml`, format in docs/contracts.md) or from a published version's
JSON. Whatever is wrong with it is collected and raised at once, each fault with its file, id and reason.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import ConfigDict, Field, StringConstraints, ValidationError

from bot.knowledge.fields import Day, Id, Label, Line
from bot.knowledge.key_message import KeyMessage, Material
from bot.knowledge.meeting import Meeting
from bot.knowledge.misfits import presented_misfits
from bot.knowledge.text import plain
from bot.model import Audience, Fault, MedrepError
from bot.settings import Frozen
from bot.text.yaml_loader import Loader

LONGEST_ANSWER = 300  # characters
FEWEST_EXAMPLES = 5  # variants of an entry, examples of an off-label use


class Topic(StrEnum):
    INDICATION = "indication"
    DOSE = "dose"
    RENAL = "renal"
    HEPATIC = "hepatic"
    INTERACTION = "interaction"
    CONTRAINDICATION = "contraindication"
    ADVERSE_REACTION = "adverse_reaction"
    MISSED_DOSE = "missed_dose"
    ELDERLY = "elderly"
    PREGNANCY = "pregnancy"
    LACTATION = "lactation"
    CHILDREN = "children"
    MONITORING = "monitoring"
    OVERDOSE = "overdose"
    REIMBURSEMENT = "reimbursement"
    STORAGE = "storage"
    ADMINISTRATION = "administration"
    MECHANISM = "mechanism"
    OTHER = "other"


class DocumentKind(StrEnum):
    LABEL = "label"
    GUIDELINE = "guideline"


class Product(Frozen):
    """A product of ours. `indications` is what the label approves, in the words doctors use."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    id: Id
    name: Line
    generic: Line
    synonyms: tuple[Line, ...] = ()
    drug_class: Line = Field(alias="class")
    manufacturer: Line
    indications: tuple[Line, ...] = Field(min_length=1)


class Document(Frozen):
    """An approved document. `product` is absent for a guideline that serves several."""

    id: Id
    product: Id | None = None
    kind: DocumentKind
    title: Label
    version: Label
    valid_until: Day  # the last business day (Asia/Shanghai) on which it may be quoted
    audience: Audience
    manufacturer: Label
    source: Line


class Differs(Frozen):
    """Where a guideline says otherwise than the label."""

    document: Id
    note: Line


class Entry(Frozen):
    """One question doctors ask, its approved answer, and where that stands."""

    id: Id
    product: Id
    topic: Topic
    question: Line
    variants: tuple[Line, ...] = Field(min_length=FEWEST_EXAMPLES)
    answer: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_ANSWER)]
    document: Id
    section: Label
    differs: Differs | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """Every wording of the question."""
        return (self.question, *self.variants)


class OffLabelUse(Frozen):
    """A use the label does not approve; never answered. `examples` are for recognition."""

    id: Id
    product: Id
    use: Line
    examples: tuple[Line, ...] = Field(min_length=FEWEST_EXAMPLES)


class Content(Frozen):
    """One published version of all approved material."""

    products: tuple[Product, ...] = ()
    documents: tuple[Document, ...] = ()
    entries: tuple[Entry, ...] = ()
    off_label: tuple[OffLabelUse, ...] = ()
    key_messages: tuple[KeyMessage, ...] = ()
    materials: tuple[Material, ...] = ()
    meetings: tuple[Meeting, ...] = ()

    @cached_property
    def product(self) -> Mapping[str, Product]:
        return {item.id: item for item in self.products}

    @cached_property
    def document(self) -> Mapping[str, Document]:
        return {item.id: item for item in self.documents}

    @cached_property
    def entry(self) -> Mapping[str, Entry]:
        return {item.id: item for item in self.entries}

    @cached_property
    def key_message(self) -> Mapping[str, KeyMessage]:
        return {item.id: item for item in self.key_messages}

    @cached_property
    def material(self) -> Mapping[str, Material]:
        return {item.id: item for item in self.materials}

    @cached_property
    def questions(self) -> Content:
        """The part that questions are answered from, which an index is built of."""
        return Content(
            products=self.products,
            documents=self.documents,
            entries=self.entries,
            off_label=self.off_label,
        )

    @cached_property
    def fingerprint(self) -> str:
        """sha256 (hex) of the canonical JSON."""
        text = json.dumps(self.to_json(), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """What is stored of a published version; keys as in the seed files."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Content:
        """The reverse of `to_json`, validated. Raises MedrepError(BAD_INPUT)."""
        return parse({"content": value})


def load(folder: Path) -> Content:
    """Read every `*.yaml` of the folder. Raises MedrepError(BAD_INPUT) listing all that is wrong."""
    paths = sorted(folder.glob("*.yaml"))
    if not paths:
        raise MedrepError(Fault.BAD_INPUT, f"no *.yaml in {folder.name}")
    files: dict[str, Any] = {}
    faults: list[str] = []
    for path in paths:
        try:
            # A SafeLoader: it makes plain values only.
            files[path.name] = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)  # noqa: S506
        except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
            faults.append(f"{path.name}: not readable as YAML: {' '.join(str(error).split())[:300]}")
    return parse(files, faults)


_SECTIONS: tuple[tuple[str, type[Frozen]], ...] = (
    ("products", Product),
    ("documents", Document),
    ("entries", Entry),
    ("off_label", OffLabelUse),
    ("key_messages", KeyMessage),
    ("materials", Material),
    ("meetings", Meeting),
)


def parse(files: Mapping[str, Any], faults: list[str] | None = None) -> Content:
    """Content from parsed files (name -> value); `faults` are those already known.

    Raises MedrepError(BAD_INPUT), one line a fault: `FILE: SECTION ID: reason`.
    """
    found = list(faults or ())
    where: dict[tuple[str, str], str] = {}
    items: dict[str, list[Any]] = {section: [] for section, _ in _SECTIONS}
    for name, value in files.items():
        if not isinstance(value, Mapping):
            found.append(f"{name}: not a mapping of {', '.join(items)}")
            continue
        found += [f"{name}: unknown key {key!r}" for key in value if key not in items]
        for section, kind in _SECTIONS:
            for item in _read_section(name, section, kind, value.get(section), found):
                if (section, item.id) in where:
                    found.append(
                        f"{name}: {section} {item.id}: this id is already in {where[section, item.id]}"
                    )
                    continue
                where[section, item.id] = name
                items[section].append(item)
    content = Content(**{section: tuple(values) for section, values in items.items()})
    found += [f"{where[section, key]}: {section} {key}: {why}" for section, key, why in _misfits(content)]
    if found:
        raise MedrepError(Fault.BAD_INPUT, "\n".join(found))
    return content


def _read_section(name: str, section: str, kind: type[Frozen], value: Any, found: list[str]) -> Iterator[Any]:
    if value is None:
        return
    if not isinstance(value, (list, tuple)):
        found.append(f"{name}: {section}: not a list")
        return
    for number, item in enumerate(value, 1):
        key = item.get("id") if isinstance(item, Mapping) else None
        try:
            yield kind.model_validate(item)
        except ValidationError as error:
            for fault in error.errors(include_url=False, include_input=False):
                place = ".".join(str(part) for part in fault["loc"])
                found.append(f"{name}: {section} {key or f'number {number}'}: {place}: {fault['msg']}")


def _misfits(content: Content) -> Iterator[tuple[str, str, str]]:
    """(section, id, reason) of what does not fit together."""
    for document in content.documents:
        if document.product is not None and document.product not in content.product:
            yield "documents", document.id, f"unknown product {document.product!r}"
        if document.kind is DocumentKind.LABEL and document.product is None:
            yield "documents", document.id, "a label needs its product"
    for entry in content.entries:
        for why in _entry_misfits(content, entry):
            yield "entries", entry.id, why
    for use in content.off_label:
        if use.product not in content.product:
            yield "off_label", use.id, f"unknown product {use.product!r}"
        elif plain(use.use) in {plain(indication) for indication in content.product[use.product].indications}:
            yield "off_label", use.id, f"{use.use!r} is an indication of {use.product}"
    yield from _repeats(content)
    yield from presented_misfits(content)


def _entry_misfits(content: Content, entry: Entry) -> Iterator[str]:
    if entry.product not in content.product:
        yield f"unknown product {entry.product!r}"
    document = content.document.get(entry.document)
    if document is None:
        yield f"missing document {entry.document!r}"
    elif document.product not in {None, entry.product}:
        yield f"document {document.id!r} is of another product"
    if entry.differs is not None:
        other = content.document.get(entry.differs.document)
        if other is None:
            yield f"differs: missing document {entry.differs.document!r}"
        elif other.kind is not DocumentKind.GUIDELINE:
            yield f"differs: document {other.id!r} is not a guideline"


def _repeats(content: Content) -> Iterator[tuple[str, str, str]]:
    """Wordings given twice within a product: they would make two answers equally right."""
    wordings = [("entries", item.id, item.product, text) for item in content.entries for text in item.texts]
    wordings += [
        ("off_label", use.id, use.product, text) for use in content.off_label for text in use.examples
    ]
    for section, key, _, text in wordings:
        if not plain(text):
            yield section, key, f"a wording without words: {text!r}"
    count = Counter((product, plain(text)) for _, _, product, text in wordings)
    first: dict[tuple[str, str], str] = {}
    for section, key, product, text in wordings:
        form = (product, plain(text))
        if form in first:
            yield section, key, f"{text!r} is already a wording of {first[form]}"
        elif count[form] > 1:
            first[form] = key


class _UniqueKeys(Loader):
    """YAML as the safe loader reads it, but a key given twice is an error instead of the last winning."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key, count in Counter(map(repr, keys)).items():
            if count > 1:
                raise yaml.MarkedYAMLError(problem=f"key {key} is given twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep=deep)

"""An answer within the label may become knowledge: a draft of an entry, for the two approvals that every
entry needs. One outside of the label never does, whatever is asked of us."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.content import edition_in_force, import_content
from bot.knowledge import Content
from bot.medical_information.answering import ANSWERERS, hold, newest_answer, step, watch
from bot.medical_information.request import RequestState, refuse
from bot.model import Fault, MedrepError
from bot.store import medical_requests
from bot.store.database import Tx
from bot.store.vault import Vault

OFFERED = frozenset({RequestState.APPROVED, RequestState.ANSWERED})


@dataclass(frozen=True, slots=True)
class EntryDraft:
    """What a colleague makes of a question and its answer, in words that are nobody's."""

    product: str
    topic: str
    question: str
    variants: Sequence[str]
    answer: str


async def offer(
    tx: Tx, vault: Vault, task_id: int, seen: int, made: EntryDraft, login: str, now: datetime
) -> str:
    """A draft of an entry that nobody is answered with before it is approved twice and published; its id.

    Raises MedrepError: as `hold`, CONFLICT (off-label, or offered before), BAD_INPUT, REFUSED_TEXT.
    """
    held = await hold(tx, task_id, seen, login, ANSWERERS, OFFERED, done_too=True)
    if held.row.off_label:
        raise refuse("an off-label answer is for the one who asked alone")
    if await medical_requests.steps(tx, task_id, ["offered"]):
        raise refuse("it was offered before")
    for text in (made.question, made.answer, *made.variants):
        watch(text)
    edition = await edition_in_force(tx)
    if edition is None:
        raise MedrepError(Fault.NO_BASIS, "no content is in force")
    source = (await newest_answer(tx, vault, held.row)).references[0]
    entry = {
        "id": f"{made.product}-medical-{task_id}",
        "product": made.product,
        "topic": made.topic,
        "question": made.question,
        "variants": [one for one in made.variants if one.strip()],
        "answer": made.answer,
        "document": source.document,
        "section": source.section,
    }
    body = edition.content.to_json()
    content = Content.from_json({**body, "entries": [*body.get("entries", ()), entry]})
    drafts = (await import_content(tx, content, login, now)).drafts
    number = next((one.id for one in drafts if one.item == ("entries", entry["id"])), None)
    if number is None:
        raise refuse("an entry of this id is there already")
    await step(tx, vault, held, "offered", {"entry": entry["id"], "revision": number}, now)
    return str(entry["id"])

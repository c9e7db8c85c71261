"""What the exit asks of an answer: that it was approved, says just this, and is for just this person."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from bot.content import seed_content
from bot.model import Basis, BasisKind, OutboxState, Purpose
from bot.staff import Role
from bot.store.outbox import Draft, Part
from tests.medical import approved, asked, colleague
from tests.stage import Stage


@dataclass(frozen=True)
class Forged:
    name: str
    statement: str


FORGED = (
    Forged("it was returned", "UPDATE medical_request SET state = 'draft'"),
    Forged("another version is meant", "UPDATE medical_request SET answer = 9"),
    Forged("the digest is another's", "UPDATE medical_request SET answer_digest = sha256('x')"),
    Forged("off-label or not was changed since", "UPDATE medical_request SET off_label = false"),
    Forged("its author approved it", "UPDATE medical_step SET login = 'wen'"),
    Forged("nobody approved it", "DELETE FROM medical_step WHERE kind = 'approved'"),
    Forged(
        "its document was replaced",
        "UPDATE content_revision SET body = jsonb_set(body, '{version}', '\"9\"') "
        "WHERE section = 'documents'",
    ),
    Forged("the doctor is not verified", "UPDATE doctor SET verified_at = NULL"),
)


@pytest.fixture
async def answered(open_window: Stage) -> tuple[Stage, int]:
    """A verified doctor whose question was answered and approved; nothing was pushed yet."""
    stage = open_window
    services, contact = stage.services, await stage.contact()
    await seed_content(services.db, services.clock.now())
    await stage.write(
        "INSERT INTO doctor (person_id, external_id, name_enc, hospital, digest, verified_at, updated_at) "
        "VALUES (:person, 'T-1', '', '示例医院', '', now(), now())",
        person=contact.person_id,
    )
    for login in ("wen", "shu"):
        await colleague(services, login, Role.MEDICAL)
    return stage, await approved(services, await asked(services, contact), "wen", "shu")


async def test_what_was_approved_leaves_as_a_persons_words(answered: tuple[Stage, int]) -> None:
    stage, row = answered
    await stage.sender.push()
    assert (await stage.row(row)).state == OutboxState.SENT
    (item,) = await stage.phone.replies()
    assert not item["is_ai"], "medical information wrote it"


@pytest.mark.parametrize("forged", FORGED, ids=lambda one: one.name)
async def test_what_was_not_is_blocked_and_told_to_nobody_else(
    answered: tuple[Stage, int], forged: Forged
) -> None:
    stage, row = answered
    await stage.write(forged.statement.replace(":", "\\:"))
    await stage.sender.push()
    assert (await stage.row(row)).state == OutboxState.BLOCKED
    await stage.sender.push()
    assert await stage.reply_texts() == []
    assert await stage.tasks() == {"medical_information"}, "no task of a rep tells of it"


async def test_it_is_for_the_asker_alone(answered: tuple[Stage, int]) -> None:
    """The same words under the same basis, to another verified doctor; and other words to the asker."""
    stage, row = answered
    await stage.sender.push()
    (text,) = await stage.reply_texts()
    ((task,),) = await stage.rows("SELECT task_id FROM medical_request")
    basis = Basis(BasisKind.ANSWER, str(task), "1")
    other = Draft((Part(f"{text}\n另外，可以试试。", basis),), Purpose.REPLY)
    changed = await stage.queue(draft=other)
    again = await stage.queue(draft=Draft((Part(text, basis),), Purpose.REPLY))
    while await stage.sender.push():
        pass
    assert (await stage.row(changed)).state == OutboxState.BLOCKED
    assert (await stage.row(again)).state == OutboxState.SENT, "asked for again, it is said again"
    assert (await stage.row(row)).state == OutboxState.SENT

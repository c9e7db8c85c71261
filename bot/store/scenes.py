"""What one turn starts from besides its messages, read in one statement: every answer waits for it."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from bot.model import Choice
from bot.store.contacts import COLUMNS, SOURCE, Contact, contact_of
from bot.store.database import Tx, hot
from bot.store.vault import Vault


@dataclass(frozen=True, slots=True)
class Standing:
    """What the dialogue needs to know of the person behind a contact."""

    verified: bool
    waiting: bool  # a colleague has yet to confirm who this is
    rep: str | None
    visit: str = ""  # state of their automated visit, while there is one that has not ended


@dataclass(frozen=True, slots=True)
class Background:
    """Of a contact: who it is, what was offered last and how the conversation stands, each if that was in
    this session; whether a colleague speaks with them, and how they want to be spoken with."""

    contact: Contact
    standing: Standing
    offered: tuple[Choice, ...]
    conversation: bytes | None
    taken_over: bool
    brief: bool  # in few words
    hushed: bool  # not at all, until a colleague answers
    declined: bool  # a visit ended in this session because they did not want it then


_TAKEN_OVER = """EXISTS (
               SELECT FROM takeover
               WHERE takeover.contact_id = contact.id AND ended_at IS NULL AND last_at > %(silent)s)"""
# Silence was asked for in this session; it ends when a colleague takes over, or the last request is closed.
_HUSHED = """(contact.hushed_at > %(since)s
               AND EXISTS (
                   SELECT FROM task
                   WHERE task.contact_id = contact.id AND state <> 'done'
                     AND kind IN ('hand_over', 'medical_information'))
               AND NOT EXISTS (
                   SELECT FROM takeover
                   WHERE takeover.contact_id = contact.id AND started_at > contact.hushed_at)) IS TRUE"""
# Of this tag one stands: the newest wish ends the one before (`bot/profiles`).
_BRIEF = """EXISTS (
               SELECT FROM profile_tag
               WHERE profile_tag.person_id = contact.person_id AND name = 'format' AND value = 'brief'
                 AND ended_at IS NULL)"""
_DECLINED = """EXISTS (
               SELECT FROM visit
               WHERE visit.person_id = contact.person_id AND visit.ended_at > %(since)s
                 AND visit.ending IN ('refused', 'no_answer', 'busy', 'left'))"""
_STANDING = """doctor.verified_at IS NOT NULL AS verified, staff.name AS rep,
           (SELECT visit.state FROM visit
            WHERE visit.person_id = person.id AND visit.state <> 'ended') AS visit,
           EXISTS (
               SELECT FROM task
               WHERE task.person_id = person.id AND kind = 'identity' AND state <> 'done') AS waiting"""
_DOCTOR = """LEFT JOIN doctor ON doctor.person_id = person.id
    LEFT JOIN staff ON staff.id = doctor.rep_id"""
# A conversation that began with a stranger does not go on with a doctor: after the contact turned out to be
# somebody it is not found any more.
_BACKGROUND = f"""
    SELECT {COLUMNS},
           {_STANDING}, offer.person_id AS offered_to, offer.body_enc AS offer,
           conversation.body_enc AS conversation,
           {_TAKEN_OVER} AS taken_over, {_BRIEF} AS brief, {_HUSHED} AS hushed,
           {_DECLINED} AS declined
    FROM {SOURCE}
    {_DOCTOR}
    LEFT JOIN offer ON offer.contact_id = contact.id AND offer.offered_at > %(since)s
    LEFT JOIN conversation
         ON conversation.contact_id = contact.id AND conversation.person_id = contact.person_id
            AND conversation.updated_at > %(since)s
    WHERE contact.id = %(contact)s
    """  # noqa: S608 - the columns are constants of ours


async def background(tx: Tx, vault: Vault, contact_id: int, since: datetime, silent: datetime) -> Background:
    """`since` is when this session may have begun at the earliest; a takeover in which nothing was written
    after `silent` holds no more. Raises MedrepError(ERASED)."""
    values = {"contact": contact_id, "since": since, "silent": silent}
    (row,) = await hot(tx, _BACKGROUND, values)
    contact = contact_of(row)
    offered: tuple[Choice, ...] = ()
    conversation = None
    if row.offer is not None:
        pairs = json.loads(await vault.open_text(tx, row.offered_to, row.offer, "offer.body"))
        offered = tuple(Choice(*pair) for pair in pairs)
    if row.conversation is not None:
        packed = await vault.open(tx, contact.person_id, row.conversation, "conversation.body")
        conversation = zlib.decompress(packed)
    standing = _standing(row)
    manner = (row.taken_over, row.brief, row.hushed, row.declined)
    return Background(contact, standing, offered, conversation, *manner)


# Locked, so that an erasure, which locks the contact first, waits for the turn and not in the middle of it.
_AT_COMMIT = f"""
    SELECT {COLUMNS}, {_TAKEN_OVER} AS taken_over
    FROM {SOURCE}
    WHERE contact.id = %(contact)s
    FOR KEY SHARE OF contact
    """  # noqa: S608 - the columns are constants of ours


async def at_commit(tx: Tx, contact_id: int, silent: datetime) -> tuple[Contact, bool]:
    """The contact as it is now (an action may have verified it), and whether a colleague has taken over."""
    (row,) = await hot(tx, _AT_COMMIT, {"contact": contact_id, "silent": silent})
    return contact_of(row), row.taken_over


# The contact is locked first, as an erasure does, which closes the turn: rows that point to the contact are
# added later in the same transaction.
_RUNNING = f"""
    SELECT {COLUMNS}, {_STANDING}, set_config('synchronous_commit', 'off', true)
    FROM {SOURCE} JOIN turn ON turn.contact_id = contact.id
    {_DOCTOR}
    WHERE turn.id = %(turn)s AND turn.state = 'running'
    FOR KEY SHARE OF contact FOR NO KEY UPDATE OF turn
    """  # noqa: S608 - the columns are constants of ours


async def running(tx: Tx, turn_id: UUID) -> tuple[Contact, Standing] | None:
    """Whose turn this is, if it is under way; nobody else acts in it or ends it before this transaction ends.

    What the transaction writes becomes durable with the next commit of any other.
    """
    rows = await hot(tx, _RUNNING, {"turn": turn_id})
    return (contact_of(rows[0]), _standing(rows[0])) if rows else None


def _standing(row: Any) -> Standing:
    return Standing(row.verified, row.waiting, row.rep, row.visit or "")

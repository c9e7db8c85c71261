"""The tables.

`*_enc` columns hold ciphertext under the data key of the row's person; `*_hmac` columns hold keyed
digests for look-ups. Columns named in business terms (`received_at`, `due_at`, …) hold business time,
written by the caller; `lease_until`, `retry_at` and the like hold real time.
"""

from __future__ import annotations

from bot.store.tables.base import clock_offset, metadata
from bot.store.tables.cases import case_sign
from bot.store.tables.content import content_approval, content_revision, content_version
from bot.store.tables.crm import crm_delivery
from bot.store.tables.evidence import checkpoint, evidence, head, seal
from bot.store.tables.keys import data_key, key_check, key_holder, leaf_block
from bot.store.tables.materials import material_open, material_sent, platform_media
from bot.store.tables.medical_information import medical_request, medical_step
from bot.store.tables.meetings import meeting_invitation
from bot.store.tables.messages import (
    circuit,
    conversation,
    effect,
    inbox,
    offer,
    outbox,
    platform_token,
    send_window,
    served,
    turn,
)
from bot.store.tables.people import attempt, consent, contact, doctor, invitation_code, person, tombstone
from bot.store.tables.profiles import (
    affiliation,
    change_request,
    engagement,
    profile_event,
    profile_tag,
    suggestion,
)
from bot.store.tables.published import dialogue_version
from bot.store.tables.staff import chat_note, staff, staff_role, staff_session, takeover
from bot.store.tables.tasks import task
from bot.store.tables.timers import early_receipt, occurrence, timer
from bot.store.tables.visits import (
    appointment,
    own_visit,
    own_visit_version,
    visit,
    visit_fact,
    visit_plan,
    visit_summary,
    visit_summary_version,
)

__all__ = [
    "affiliation",
    "appointment",
    "attempt",
    "case_sign",
    "change_request",
    "chat_note",
    "checkpoint",
    "circuit",
    "clock_offset",
    "consent",
    "contact",
    "content_approval",
    "content_revision",
    "content_version",
    "conversation",
    "crm_delivery",
    "data_key",
    "dialogue_version",
    "doctor",
    "early_receipt",
    "effect",
    "engagement",
    "evidence",
    "head",
    "inbox",
    "invitation_code",
    "key_check",
    "key_holder",
    "leaf_block",
    "material_open",
    "material_sent",
    "medical_request",
    "medical_step",
    "meeting_invitation",
    "metadata",
    "occurrence",
    "offer",
    "outbox",
    "own_visit",
    "own_visit_version",
    "person",
    "platform_media",
    "platform_token",
    "profile_event",
    "profile_tag",
    "seal",
    "send_window",
    "served",
    "staff",
    "staff_role",
    "staff_session",
    "suggestion",
    "takeover",
    "task",
    "timer",
    "tombstone",
    "turn",
    "visit",
    "visit_fact",
    "visit_plan",
    "visit_summary",
    "visit_summary_version",
]

"""The names under which PostgreSQL notifies the processes (LISTEN / NOTIFY)."""

from __future__ import annotations

INBOX = "medrep_inbox"
PASSIVE = "medrep_passive"  # payload: id of a message whose connections may look for a reply
OUTBOX = "medrep_outbox"
PUBLISHED = "medrep_published"  # payload: the table
CLOCK = "medrep_clock"  # payload: seconds that business time is ahead
ERASED = "medrep_erased"  # payload: id of a data key that was destroyed
ROTATED = "medrep_rotated"
DESK = "medrep_desk"  # a task, a takeover or a session changed: what the console shows may have

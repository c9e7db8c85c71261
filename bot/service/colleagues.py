"""What colleagues do in the demo's history, through the rooms that the console calls."""

from __future__ import annotations

from typing import Any

from bot import profiles, tasks, visits
from bot.people import takeover
from bot.runtime.services import Services
from bot.service.scenes import Act
from bot.store import tasks as task_rows
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.visits import SentenceChange


async def do(tx: Tx, services: Services, contact: Contact, act: Act) -> None:
    """`claim`, `say WORDS`, `back`; `ack KIND`, `done KIND REMARK` of a task; `edit PART WORDS`,
    `approve`, `amend PART REASON WORDS` of the newest summary; `dismiss REASON` of a suggestion."""
    vault, now = services.vault, services.clock.now()
    login, verb, *more = act.words.split(maxsplit=2)
    words = more[0] if more else ""
    if verb == "claim":
        await takeover.start(tx, contact, login, now, services.limits)
    elif verb == "say":
        await takeover.say(tx, vault, contact, login, words, now, services.limits)
    elif verb == "back":
        await takeover.end(tx, contact, login, now)
    elif verb in ("ack", "done"):
        kind, _, remark = words.partition(" ")
        found = await task_rows.next_due(tx, vault, 20, [contact.id])
        number = next(one.id for one in found if one.kind == kind)
        if verb == "ack":
            await tasks.acknowledge(tx, vault, number, login, now)
        else:
            await tasks.close(tx, vault, number, login, now, remark=remark)
    elif verb == "dismiss":
        (newest, *_) = await profiles.read_suggestions(tx, vault, person_id=contact.person_id)
        await profiles.dismiss(tx, vault, newest.id, words, login, now)
    else:
        summary = (await visits.summaries_of(tx, vault, act.doctor))[-1]
        await _reviewed(tx, services, summary, login, verb, words)


async def _reviewed(
    tx: Tx, services: Services, summary: dict[str, Any], login: str, verb: str, words: str
) -> None:
    vault, now, number, seen = services.vault, services.clock.now(), summary["id"], summary["version"]
    part, _, text = words.partition(" ")
    if verb == "approve":
        await visits.approve(tx, number, seen, login, now)
    elif verb == "edit":
        await visits.edit(tx, vault, number, seen, SentenceChange(part, text), login, now)
    elif verb == "amend":
        reason, _, text = text.partition(" ")
        await visits.amend(tx, vault, number, seen, SentenceChange(part, text), reason, login, now)
    else:
        raise ValueError(f"nobody does this: {verb}")

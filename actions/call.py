"""The call an action is running in, and how it speaks: by an approved response or approved content."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any

from rasa_sdk.executor import CollectingDispatcher

from bot import schedule
from bot.content import key_message_text, picture
from bot.dialogue.action_calls import ActionCall
from bot.knowledge import Entry, Format, KeyMessage, answer_text
from bot.tasks import LONGEST, Kind, open_task

spoken_time = schedule.spoken_time  # how actions say a time
_call: ContextVar[ActionCall] = ContextVar("call")
_ROUTES = {Kind.MEDICAL_INFORMATION: "medical_information"}
PERSON = "human"  # choice id, and `pending` after a colleague was offered
_HEARD_FIRST = frozenset({"stop_contact", "report_adverse_event", "delete_data", "export_data"})
CHOICES = "choices"  # `pending` after asking back


@contextmanager
def calling(call: ActionCall) -> Iterator[None]:
    """Actions run inside see this call."""
    token = _call.set(call)
    try:
        yield
    finally:
        _call.reset(token)


def current() -> ActionCall:
    """The call this action runs in."""
    return _call.get()


def words_of(tracker: Any) -> str:
    """The person's words, whole."""
    return str(tracker.latest_message.get("text") or "")


def intent(tracker: Any) -> str:
    return str((tracker.latest_message.get("intent") or {}).get("name") or "")


def say(dispatcher: CollectingDispatcher, response: str, **values: Any) -> None:
    """An approved response; the engine fills it and names it, which is its basis."""
    dispatcher.utter_message(response=response, **values)


def offered(call: ActionCall, tracker: Any) -> str:
    """What a plain 「好的」 or 「都不是」 answers to: `pending`, if the turn before offered it."""
    pending = str(tracker.get_slot("pending") or "")
    just_said = tracker.get_slot("just_said") or ()
    if pending == CHOICES:
        return pending if "utter_clarify" in just_said else ""
    dialogue = call.services.published.dialogue
    return pending if any(pending in dialogue.offers(name) for name in just_said) else ""


def hears_first(call: ActionCall, tracker: Any) -> bool:
    """Whether this turn has told of something that a question of ours must not follow, or has asked them back
    itself: then one question stands, and not two. The next words pick the thread up."""
    asked_back = tracker.get_slot("pending") and not offered(call, tracker)
    return bool(asked_back or tracker.get_slot("adverse_event") or intent(tracker) in _HEARD_FIRST)


def entry_of(call: ActionCall, entry_id: str) -> Entry | None:
    return call.services.published.content.entry.get(entry_id)


def quote(dispatcher: CollectingDispatcher, call: ActionCall, entry: Entry) -> None:
    """An approved answer with its source; its basis is the entry in the revision it has now."""
    call.route = "answer"
    edition = call.services.published.edition
    dispatcher.utter_message(
        text=answer_text(entry, edition.content, call.now),
        json_message={"basis": str(edition.basis(entry.id))},
    )


async def present(
    dispatcher: CollectingDispatcher, call: ActionCall, message: KeyMessage, form: Format
) -> None:
    """A key message in this format; the chart as a picture, which its text says in words.

    Raises MedrepError(NO_BASIS): a document of it has expired.
    """
    edition = call.services.published.edition
    basis = edition.basis(message.id)
    custom: dict[str, Any] = {"basis": str(basis)}
    if form is Format.CHART:
        drawn = await asyncio.to_thread(picture, message, edition.content)
        custom["attachment"] = [basis.ref, basis.version, drawn.digest]
    dispatcher.utter_message(
        text=key_message_text(message, form, edition.content, call.now), json_message=custom
    )


async def ask(call: ActionCall, kind: Kind, words: str, *, mark: str = "") -> datetime:
    """A task for a colleague with the person's words, one of a kind a turn; when it is due."""
    call.route = _ROUTES.get(kind, call.route)
    _, due = await open_task(
        call.tx,
        call.services.vault,
        kind,
        now=call.now,
        contact=call.contact,
        key=f"{kind}:{call.turn_id}",
        detail=f"{mark}{words[:LONGEST]}",
    )
    return due

"""What one turn starts from, read in one transaction, and the record of what was made of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.dialogue.said import SESSION
from bot.inbound.heard import read_back
from bot.inbound.label import of_label
from bot.inbound.turn_input import TurnReading, read_turn
from bot.model import (
    Audience,
    Basis,
    BasisKind,
    Choice,
    Fault,
    InboundKind,
    MedrepError,
    Reply,
    Turn,
    TurnInput,
    read_pick,
)
from bot.people import quiet, takeover
from bot.profiles import hear, intent_of, obey
from bot.runtime.services import Services
from bot.store import contact_keys, inbox, outbox, scenes
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.inbox import StoredMessage
from bot.store.scenes import Standing
from bot.store.turns import Claim, Record
from bot.store.vault import Vault


@dataclass(frozen=True, slots=True)
class Scene:
    """All that one turn starts from."""

    contact: Contact
    standing: Standing
    messages: tuple[StoredMessage, ...]
    reading: TurnReading | None  # None: nothing to ask the engine
    conversation: bytes | None
    taken_over: bool  # a colleague speaks with them
    brief: bool  # they want short texts
    hushed: bool  # they want silence until a colleague answers, and have written on
    label: tuple[Reply, ...] = ()  # what is quoted to emergencies among the messages, before all else
    noted: tuple[Reply, ...] = ()  # that what they say of themselves was noted
    heard: tuple[Reply, ...] = ()  # what was understood of a voice

    @property
    def silent(self) -> bool:
        """Nothing is to be said."""
        return self.reading is None and not self.label and not self.noted

    def slots(self) -> dict[str, object]:
        """What rows know and the conversation needs."""
        return {
            "brief": self.brief,  # said either way: a conversation remembers the last
            "audience": self.contact.audience.value,
            "verified": self.standing.verified,
            "verify_waiting": self.standing.waiting,
            "introduced": self.contact.introduced_at is not None,
            "adverse_event": any(message.screening.get("adverse_event") for message in self.messages),
        }


async def read_scene(tx: Tx, services: Services, claim: Claim) -> Scene | None:
    """The scene of a claimed turn; None when the person was erased while it waited."""
    vault, now = services.vault, services.clock.now()
    silent = takeover.silence(now, services.limits)
    try:
        messages = await inbox.of_turn(tx, vault, claim.turn_id)
        known = await scenes.background(tx, vault, claim.contact_id, now - SESSION, silent)
        clicked = await _clicked(tx, vault, known.contact, messages)
    except MedrepError as error:
        if error.fault != Fault.ERASED:
            raise
        return None
    verified = known.contact.audience == Audience.PATIENT or known.standing.verified
    published = services.published
    doctor = known.contact.audience == Audience.DOCTOR
    # An emergency was answered when it was accepted; the engine hears of the other messages, and of what
    # stands beside a wish.
    flagged = [message for message in messages if message.screening.get("red_flag")]
    others = [message for message in messages if message not in flagged or message.screening.get("wish")]
    reading = read_turn(
        others,
        known.offered,
        clicked,
        verified=verified,
        intents=published.dialogue.intents,
        products=published.products,
        ours=published.ours,
        asks=published.puts_a_question if doctor else _nothing,
        put_off=doctor and (known.declined or known.standing.visit == "moved"),
    )
    label = of_label(flagged, published, now) if flagged and verified and doctor else ()
    noted: tuple[Reply, ...] = ()
    if reading is not None and verified and doctor:
        reading, noted = await _heard(tx, services, known.contact, others, reading)
    hushed = known.hushed and claim.purpose is None and not label
    if hushed:
        noted = ()  # it is kept, and no word said
    if hushed and any(quiet.asks_to_speak(str(message.body["text"])) for message in messages):
        await quiet.speak(tx, known.contact, now)
        hushed, reading = False, _spoken_again(reading)
    elif reading is not None and (reading.input.intent == "choose" or _touched(messages)):
        hushed = False
    return Scene(
        contact=known.contact,
        standing=known.standing,
        messages=messages,
        reading=reading,
        conversation=known.conversation,
        taken_over=known.taken_over,
        brief=known.brief,
        hushed=hushed,
        label=label,
        noted=noted,
        heard=read_back(messages, published.dialogue, known.contact.audience),
    )


async def _heard(
    tx: Tx, services: Services, contact: Contact, messages: Sequence[StoredMessage], reading: TurnReading
) -> tuple[TurnReading | None, tuple[Reply, ...]]:
    """What their words say of themselves is noted, and the turn is about the rest; None: there is none.

    What the screening found something in is left as it is, and so is whatever is no text of theirs.
    """
    given, published = reading.input, services.published
    if given.trigger or not given.text or given.intent not in ("", "ask_product"):
        return reading, ()
    if any(message.screening or message.kind != InboundKind.TEXT for message in messages):
        return reading, ()
    now = services.clock.now()
    rest, noted = await obey(tx, services, contact, given.text, now)
    if not noted:
        if intent := intent_of(given.text, published.dialogue.intents):
            return replace(reading, input=replace(given, intent=intent)), ()
        texts = [(message.id, str(message.body["text"])) for message in messages]
        rest, noted = await hear(tx, services, contact, given.text, texts, now)
    if not noted:
        return reading, ()
    if not rest:
        return None, noted
    asked = "ask_product" if given.intent and published.puts_a_question(rest) else ""
    return replace(reading, input=replace(given, text=rest, intent=asked)), noted


def _spoken_again(reading: TurnReading | None) -> TurnReading:
    """What they say besides the wish that we speak again; a fixed text where that is nothing."""
    rest = quiet.besides(reading.input.text) if reading else ""
    if reading is None or not (rest or reading.fixed or reading.input.intent):
        return TurnReading(TurnInput(), fixed="utter_speaking")
    return replace(reading, input=replace(reading.input, text=rest))


def _nothing(text: str) -> bool:
    return False


def _touched(messages: Sequence[StoredMessage]) -> bool:
    """They clicked something, and want what it says."""
    return any(message.kind in (InboundKind.CHOICE, InboundKind.EVENT) for message in messages)


async def _clicked(
    tx: Tx, vault: Vault, contact: Contact, messages: Sequence[StoredMessage]
) -> Choice | None:
    """What the last message picked, by its id, of whichever message of ours to this contact offered it."""
    last = messages[-1] if messages else None
    pick = read_pick(last.body["choice"]) if last and last.kind == InboundKind.CHOICE else None
    if pick is None:
        return None
    number, place = pick
    choices = await outbox.choices(tx, vault, contact.id, number)
    return choices[place - 1] if 1 <= place <= len(choices) else None


async def recorded(
    tx: Tx, vault: Vault, contact: Contact, scene: Scene, turn: Turn | None, basis: Sequence[Basis | None]
) -> Record:
    """What the turn was made of, its entities under the person's key. No `turn`: the engine was not asked."""
    entities = json.dumps(turn.entities if turn else [], ensure_ascii=False)
    return Record(
        intent=turn.intent if turn else "",
        confidence=turn.confidence if turn else 1.0,
        model=turn.model if turn else "",
        actions=turn.actions if turn else (),
        entries=tuple(one.ref for one in basis if one and one.kind == BasisKind.CONTENT),
        slots=scene.slots(),
        entities=await vault.seal(
            tx, await contact_keys.key_of(tx, vault, contact), entities, "turn.entities"
        ),
    )

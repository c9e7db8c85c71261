"""The one exit: nothing leaves that is not approved, passive replies included.

A text needs a basis, and the basis must really say it: a response of the published dialogue, an entry
of the published content whose document is valid, or a named colleague. Then its words are checked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from bot.clock import real_now
from bot.compliance import check_text
from bot.dialogue.version import ON_DUTY
from bot.knowledge import answer_text, is_source
from bot.model import PROACTIVE, Audience, Basis, BasisKind, Fault, MedrepError, Message, Purpose
from bot.outbound.policy import COURTESY, PAUSE, WEEK, Decision, Defer, Person, Refuse, decide
from bot.people import consent, takeover
from bot.runtime.services import Services
from bot.store import contacting, contacts, doctors, takeovers
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.outbox import Draft, Outgoing, Part


async def release(tx: Tx, services: Services, row: Outgoing) -> Message:
    """The message of an outbox row, if it may leave.

    Raises MedrepError(NO_BASIS | REFUSED_TEXT | STOPPED | NO_CONSENT | NOT_NOW | UNREACHABLE | ERASED).
    """
    contact = await contacts.by_id(tx, row.contact_id)
    await _permitted(tx, services, row, contact)
    draft = row.draft or _rendered(services, row, contact.audience)
    for part in draft.parts:
        await _entitled(tx, services, contact, part, row)
        if findings := check_text(part.text, contact.audience):
            raise MedrepError(Fault.REFUSED_TEXT, ", ".join(sorted({f.rule for f in findings})))
    for choice in draft.choices:
        if findings := check_text(choice.label, contact.audience):
            raise MedrepError(Fault.REFUSED_TEXT, findings[0].rule)
    return Message("\n\n".join(part.text for part in draft.parts), draft.choices, row.id)


async def _permitted(tx: Tx, services: Services, row: Outgoing, contact: Contact) -> None:
    """Raises MedrepError(UNREACHABLE | STOPPED | NO_CONSENT | NOT_NOW)."""
    decision = await may_begin(tx, services, contact, row.purpose, row.turn_id)
    if isinstance(decision, Refuse):
        raise MedrepError(decision.fault, decision.why)
    if isinstance(decision, Defer):
        raise MedrepError(Fault.NOT_NOW, decision.why, until=decision.until)


async def may_begin(
    tx: Tx, services: Services, contact: Contact, purpose: Purpose, turn_id: UUID | None
) -> Decision:
    """Whether a message of this purpose may leave now; `turn_id` is the turn that it is part of."""
    now = services.clock.now()
    person = Person(contact.stopped_at is not None, contact.unreachable_at is not None)
    consents: frozenset[Purpose] = frozenset()
    sent: tuple[datetime, ...] = ()
    live, window, taken = False, True, False
    if purpose in PROACTIVE:
        spoken = await consent.of_person(tx, contact.person_id)
        consents = frozenset(found.purpose for found in spoken if found.holds)
        counted = [purpose.value for purpose in COURTESY]
        sent = await contacting.sent(tx, contact.person_id, counted, now - WEEK, turn_id)
        live = await contacting.in_conversation(tx, contact.person_id, real_now() - PAUSE, turn_id)
        window = await contacting.window(tx, contact.id, now)
        taken = await takeover.current(tx, contact.id, now, services.limits) is not None
    return decide(purpose, person, consents, services.limits, sent, taken, live, window, now)


def template_values(
    message: Message, refs: Mapping[str, Any], fields: Collection[str]
) -> dict[str, str] | None:
    """What fills a platform's template in place of this released message; None when it cannot.

    Only words that the message says may leave so: they passed the exit with it.
    """
    values = {name: str(refs[name]) for name in fields if name in refs}
    whole = len(values) == len(fields) and all(value in message.text for value in values.values())
    return values if whole else None


def _rendered(services: Services, row: Outgoing, audience: Audience) -> Draft:
    """A template row's text, made from what its references say now."""
    if row.template is None:
        raise MedrepError(Fault.NO_BASIS, "neither a body nor a template")
    values = {name: str(value) for name, value in row.refs.items()}
    reply = services.published.dialogue.reply(row.template, audience, row.purpose, **values)
    return Draft((Part(reply.text, reply.basis),), row.purpose, reply.choices)


async def _entitled(tx: Tx, services: Services, contact: Contact, part: Part, row: Outgoing) -> None:
    """Whether the part's basis says just this. Raises MedrepError(NO_BASIS)."""
    basis = part.basis
    if basis is None:
        raise MedrepError(Fault.NO_BASIS, "no basis")
    if basis.kind == BasisKind.RESPONSE:
        spoken = await services.published.spoken(tx, basis.version)
        values = spoken.filled(basis.ref, part.text, contact.audience) if spoken else None
        if values is None or not await _true(tx, services, values):
            raise MedrepError(Fault.NO_BASIS, f"{basis} does not say this")
    elif basis.kind == BasisKind.PERSON:
        if not await takeovers.typed(tx, row.id, basis, takeover.ROLES):
            raise MedrepError(Fault.NO_BASIS, "no colleague is known to have typed this")
        await takeover.product_needs_verified(tx, services, contact, part.text)
    elif basis.kind == BasisKind.CONTENT:
        if (
            contact.audience == Audience.DOCTOR
            and not (await doctors.standing(tx, contact.person_id)).verified
        ):
            raise MedrepError(Fault.NO_BASIS, "product text needs a verified doctor")
        _content(services, contact.audience, basis, part.text)


async def _true(tx: Tx, services: Services, values: Mapping[str, str]) -> bool:
    """Whether what stands in the placeholders names something of ours: products, a source, a colleague."""
    now = services.clock.now()
    if "products" in values:
        generics = {product.generic for product in services.published.content.products}
        if not set(values["products"].split("、")) <= generics:
            return False
    if "source" in values and not is_source(values["source"], services.published.content, now):
        return False
    return "rep" not in values or values["rep"] == ON_DUTY or await doctors.is_rep(tx, values["rep"])


def _content(services: Services, audience: Audience, basis: Basis, text: str) -> None:
    content = services.published.content
    entry = content.entry.get(basis.ref)
    if entry is None:
        raise MedrepError(Fault.NO_BASIS, f"{basis} is not published")
    document = content.document[entry.document]
    if document.audience != audience or document.version != basis.version:
        raise MedrepError(Fault.NO_BASIS, f"{basis} is not for this reader, or not this version")
    # Raises NO_BASIS itself when the document has expired.
    if answer_text(entry, content, services.clock.now()) != text:
        raise MedrepError(Fault.NO_BASIS, f"{basis} does not say this")

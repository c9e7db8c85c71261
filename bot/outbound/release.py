"""The one exit: nothing leaves that is not approved, passive replies included.

A text needs a basis, and the basis must really say it: a response of the published dialogue, an entry
of the content in a revision that is in force, its document valid, a named colleague, or an answer of medical
information that a second colleague approved for this person. Then its words are checked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from bot import materials, medical_information, meetings
from bot.compliance import check_text
from bot.content import Edition, key_message_text, picture
from bot.dialogue.version import ON_DUTY
from bot.knowledge import Entry, Format, KeyMessage, answer_text, is_source, is_valid
from bot.model import Attachment, Audience, Basis, BasisKind, Fault, MedrepError, Message
from bot.outbound.circumstances import Circumstances, Intent
from bot.outbound.policy import Decision, Defer, Person, Refuse, decide
from bot.outbound.wording import worded
from bot.people import takeover
from bot.runtime.services import Services
from bot.store import contacting, doctors, inbox, outbox, takeovers
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.inbox import voice_words
from bot.store.outbox import Draft, Outgoing, Part

LONGEST_HEARD = 300  # characters of a voice that are read back
_WRITTEN = (BasisKind.PERSON, BasisKind.ANSWER)  # by a person: no platform may show it as made by an AI


class Exit:
    """The exit for some messages of one transaction: what all of them ask of the database is asked once."""

    def __init__(self, tx: Tx, services: Services, people: Collection[UUID]) -> None:
        """`people`: whom they are for."""
        self._tx = tx
        self._services = services
        self._people = people
        self._verified: frozenset[UUID] | None = None
        self._standing: tuple[Edition, ...] | None = None

    async def release(self, row: Outgoing, facts: Circumstances) -> Draft:
        """What an outbox row says, if it may leave in these circumstances.

        Raises MedrepError(NO_BASIS | REFUSED_TEXT | STOPPED | NO_CONSENT | NOT_NOW | UNREACHABLE | ERASED).
        """
        contact = facts.contact
        _permitted(self._services, row, facts)
        draft = await _draft(self._tx, self._services, row, contact)
        for part in draft.parts:
            await self._entitled(contact, part, row)
            if findings := check_text(part.text, contact.audience):
                raise MedrepError(Fault.REFUSED_TEXT, ", ".join(sorted({f.rule for f in findings})))
        if draft.attachment is not None:
            await self._pictures(draft.parts, draft.attachment)
        for choice in draft.choices:
            if findings := check_text(choice.label, contact.audience):
                raise MedrepError(Fault.REFUSED_TEXT, findings[0].rule)
        return draft

    async def _entitled(self, contact: Contact, part: Part, row: Outgoing) -> None:
        """Whether the part's basis says just this. Raises MedrepError(NO_BASIS)."""
        basis, tx = part.basis, self._tx
        if basis is None:
            raise MedrepError(Fault.NO_BASIS, "no basis")
        if basis.kind == BasisKind.RESPONSE:
            spoken = await self._services.published.spoken(tx, basis.version)
            values = spoken.filled(basis.ref, part.text, contact.audience) if spoken else None
            if values is None or not await self._true(contact, values, row):
                raise MedrepError(Fault.NO_BASIS, f"{basis} does not say this")
        elif basis.kind == BasisKind.PERSON:
            if not await takeovers.typed(tx, row.id, basis, takeover.ROLES):
                raise MedrepError(Fault.NO_BASIS, "no colleague is known to have typed this")
            standing = await self._editions()
            products = standing[0].content.products if standing else ()
            await takeover.product_needs_verified(tx, contact, part.text, products)
            if findings := await takeover.off_label(self._services, contact, part.text):
                raise MedrepError(Fault.REFUSED_TEXT, findings[0].rule)
        elif basis.kind == BasisKind.CONTENT:
            if contact.audience == Audience.DOCTOR and not await self._is_verified(contact.person_id):
                raise MedrepError(Fault.NO_BASIS, "product text needs a verified doctor")
            await self._quotes(contact.audience, basis, part.text)
        elif basis.kind == BasisKind.ANSWER:
            await self._answers(contact, basis, part.text)

    async def _answers(self, contact: Contact, basis: Basis, text: str) -> None:
        """Whether this answer was approved for this contact, who is verified and did not stop us since they
        wrote last. Raises MedrepError(NO_BASIS | STOPPED)."""
        if not await self._is_verified(contact.person_id):
            raise MedrepError(Fault.NO_BASIS, "an answer needs a verified doctor")
        if contact.stopped_at and not await contacting.wrote_since(self._tx, contact.id, contact.stopped_at):
            raise MedrepError(Fault.STOPPED, "they said stop and have not written since")
        services, standing = self._services, await self._editions()
        now = services.clock.now()
        if not standing or not await medical_information.says(
            self._tx, services.vault, contact, basis, text, standing[0], now
        ):
            raise MedrepError(Fault.NO_BASIS, f"{basis} does not say this to them")

    async def _true(self, contact: Contact, values: Mapping[str, str], row: Outgoing) -> bool:
        """Whether what stands in the placeholders names something of ours (product, source, link, meeting,
        rep), or was said by the person in this turn."""
        now = self._services.clock.now()
        if values.keys() & {"products", "product", "source"}:
            standing = await self._editions()
            generics = {product.generic for edition in standing for product in edition.content.products}
            if "products" in values and not set(values["products"].split("、")) <= generics:
                return False
            if "product" in values and values["product"] not in generics:
                return False
            source = values.get("source")
            if source is not None and not any(is_source(source, one.content, now) for one in standing):
                return False
        if values.keys() & meetings.FACTS and not await self._announces(contact, values):
            return False
        if "link" in values and not await self._links(contact, values.get("material", ""), values["link"]):
            return False
        if "heard" in values and not await self._heard(row, values["heard"]):
            return False
        rep = values.get("rep", ON_DUTY)
        return rep == ON_DUTY or await doctors.is_rep(self._tx, rep)

    async def _heard(self, row: Outgoing, words: str) -> bool:
        """Whether just this was understood of the voice that the turn answers."""
        if row.turn_id is None:
            return False
        messages = await inbox.of_turn(self._tx, self._services.vault, row.turn_id)
        spoken = "\n".join(text for message in messages if (text := voice_words(message.body)))
        cut = spoken[:LONGEST_HEARD] + "…"
        return words.strip() == (spoken if len(spoken) <= LONGEST_HEARD else cut).strip()

    async def _links(self, contact: Contact, title: str, url: str) -> bool:
        """Whether this is a link for just this contact, who is verified where it is a doctor."""
        if contact.audience == Audience.DOCTOR and not await self._is_verified(contact.person_id):
            return False
        return await materials.holds(self._tx, self._services, contact, title, url)

    async def _announces(self, contact: Contact, values: Mapping[str, str]) -> bool:
        """Whether this is said of one meeting as it is announced at this moment, to a verified doctor."""
        if contact.audience != Audience.DOCTOR or not await self._is_verified(contact.person_id):
            return False
        return await meetings.says(self._tx, values)

    async def _quotes(self, audience: Audience, basis: Basis, text: str) -> None:
        """Whether the revision that the basis names says this, and may be quoted (docs/architecture.md)."""
        standing = await self._editions()
        editions = [edition for edition in standing if edition.quoted(basis)]
        if not editions:
            raise MedrepError(Fault.NO_BASIS, f"{basis} is not in force")
        if not any(_says(self._services, one, standing[0], audience, basis, text) for one in editions):
            raise MedrepError(Fault.NO_BASIS, f"{basis} does not say this to this reader")

    async def _pictures(self, parts: Sequence[Part], attachment: Attachment) -> None:
        """Whether the picture is the chart that the one part is about. Raises MedrepError(NO_BASIS)."""
        basis = Basis(BasisKind.CONTENT, attachment.ref, attachment.version)
        for edition in await self._editions():
            message = edition.quoted(basis)
            if [part.basis for part in parts] == [basis] and isinstance(message, KeyMessage):
                drawn = await asyncio.to_thread(picture, message, edition.content)
                if drawn.digest == attachment.digest:
                    return
        raise MedrepError(Fault.NO_BASIS, f"{basis} has no such picture")

    async def _editions(self) -> tuple[Edition, ...]:
        if self._standing is None:
            services = self._services
            self._standing = await services.published.standing(self._tx, services.clock.now())
        return self._standing

    async def _is_verified(self, person_id: UUID) -> bool:
        if self._verified is None:
            self._verified = await doctors.verified(self._tx, self._people)
        return person_id in self._verified


async def release(tx: Tx, services: Services, row: Outgoing, facts: Circumstances) -> Draft:
    """As `Exit.release`, for one message."""
    return await Exit(tx, services, [facts.contact.person_id]).release(row, facts)


def message_of(row: Outgoing, draft: Draft) -> Message:
    """A released draft as the connectors take it."""
    typed = bool(draft.author) or any(
        part.basis is not None and part.basis.kind in _WRITTEN for part in draft.parts
    )
    text = "\n\n".join(part.text for part in draft.parts)
    return Message(text, draft.choices, row.id, typed, draft.attachment)


def _permitted(services: Services, row: Outgoing, facts: Circumstances) -> None:
    """Raises MedrepError(UNREACHABLE | STOPPED | NO_CONSENT | NOT_NOW)."""
    decision = may_leave(services, row, facts)
    if isinstance(decision, Refuse):
        raise MedrepError(decision.fault, decision.why)
    if isinstance(decision, Defer):
        raise MedrepError(Fault.NOT_NOW, decision.why, until=decision.until)


def may_leave(services: Services, row: Outgoing | Intent, facts: Circumstances) -> Decision:
    """What the policy says of this message, or of one that a turn is to begin with."""
    contact = facts.contact
    return decide(
        row.purpose,
        Person(contact.stopped_at is not None, contact.unreachable_at is not None),
        facts.consents,
        services.limits,
        () if row.subject in facts.agreed else facts.occasions(row.turn_id),  # they asked for it
        facts.taken_over and not (row.subject or "").startswith(takeover.OWN),
        bool(facts.turns - {row.turn_id}),
        facts.window,
        services.clock.now(),
        forced=row.subject in facts.forced,
        begins=isinstance(row, Intent) and row.begins,
        awaiting=facts.awaiting and (row.subject or "").startswith("visit:"),  # not what a colleague sends
    )


async def _draft(tx: Tx, services: Services, row: Outgoing, contact: Contact) -> Draft:
    """The text of a row; that of an occurrence is made now, unless a part of it has left."""
    if row.occurrence_id is None or row.pieces_sent:
        return await outbox.opened(tx, services.vault, row)
    return await worded(tx, services, row, contact)


def _says(
    services: Services, edition: Edition, newest: Edition, audience: Audience, basis: Basis, text: str
) -> bool:
    """Raises MedrepError(NO_BASIS) when the document has expired, as it is now or as it was then."""
    item, now = edition.quoted(basis), services.clock.now()
    if not isinstance(item, Entry | KeyMessage):
        return False
    if edition.content.document[item.document].audience != audience:
        return False
    for name in (item.document,) if isinstance(item, Entry) else item.documents:
        document = newest.content.document.get(name)
        if document is None or not is_valid(document, now):
            raise MedrepError(Fault.NO_BASIS, f"document {name} was withdrawn or has expired")
    if isinstance(item, Entry):
        return answer_text(item, edition.content, now) == text
    return any(key_message_text(item, form, edition.content, now) == text for form in Format)

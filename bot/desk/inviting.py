"""An invitation for one doctor: a code and a QR code that carries it, shown once, as a card to print."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from bot.desk.reading import Desk, ScanUrl
from bot.doctors import issue_codes, scene_of
from bot.evidence import Owner, note
from bot.model import Account, Fault, MedrepError
from bot.staff import Session
from bot.store import desk, doctors
from bot.store.database import Tx
from bot.store.desk import ContactCard, DoctorCard
from bot.store.doctors import Invitation


@dataclass(frozen=True, slots=True)
class InvitationOffer:
    """Whether the doctor may be invited, and why (not); `held`: their newest invitation."""

    can: bool
    why: str
    held: Invitation | None


@dataclass(frozen=True, slots=True)
class Scan:
    """A QR code of an account; `fault`: why there is none."""

    account: str
    url: str
    fault: str


@dataclass(frozen=True, slots=True)
class Card:
    """An invitation as it is handed over. The code is nowhere else in the clear."""

    doctor: DoctorCard
    code: str
    until: datetime
    scans: tuple[Scan, ...]


async def invitation_offer(
    tx: Tx, card: DoctorCard, contacts: list[ContactCard], now: datetime
) -> InvitationOffer:
    held = await doctors.invitation_of(tx, card.person_id)
    if card.verified_at is not None:
        return InvitationOffer(False, "医生已经认证，不需要邀请", held)
    if not card.phone:
        return InvitationOffer(False, "名单里没有手机号，凭邀请码也无法核对，请先补全名单", held)
    if contacts:
        return InvitationOffer(False, "医生已经关注了账号，请核对身份", held)
    if held is not None and held.used_at is None and held.expires_at > now:
        return InvitationOffer(True, "再发一张，之前那张立即作废", held)
    return InvitationOffer(True, "邀请码和二维码只显示一次，30天内有效，只能用一次", held)


async def invite(reading: Desk, who: Session, person_id: UUID) -> Card:
    """Issue a code, and the QR codes that carry it. An earlier one that was not used is void.

    Raises MedrepError(NOT_FOUND | CONFLICT: with the reason).
    """
    services, now = reading.services, reading.services.clock.now()
    async with reading.reading(who) as tx:
        card = await desk.doctor_card(tx, services.vault, person_id)
        offer = await invitation_offer(tx, card, await desk.contacts_of(tx, person_id, now), now)
    if not offer.can:
        raise MedrepError(Fault.CONFLICT, offer.why)
    issued = await issue_codes(
        services.db, services.vault.keyring, services.clock, [card.external_id], renew=True, by=who.login
    )
    if not issued:
        raise MedrepError(Fault.CONFLICT, "医生的情况刚刚有变化，请刷新后再看")
    ((_, code),) = issued
    async with services.db.begin() as tx:
        made = await doctors.invitation_of(tx, person_id)
        owner = Owner(person_id, None)
        await note(tx, "doctor.invited", now, f"person:{person_id}", owner, login=who.login)
    until = made.expires_at if made else now
    seconds = int((until - now).total_seconds())
    scans = [await _scan(one, reading.codes, code, seconds) for one in reading.codes]
    return Card(card, code, until, tuple(scans))


async def _scan(account: Account, codes: Mapping[Account, ScanUrl], code: str, seconds: int) -> Scan:
    try:
        return Scan(str(account), await codes[account](scene_of(code), seconds), "")
    except MedrepError as error:  # the code is as good without a picture
        return Scan(str(account), "", error.fault.value)

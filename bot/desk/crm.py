"""What the CRM was told, as a colleague sees it: how it stands, and nothing of what it says."""

from __future__ import annotations

from dataclasses import dataclass

from bot import crm
from bot.desk.reading import Desk
from bot.model import Fault, MedrepError
from bot.staff import Session
from bot.store import crm_deliveries
from bot.store.crm_deliveries import Delivery

LISTED = 200
STATES = {"open": (crm_deliveries.WAITING, crm_deliveries.FAILED), "all": ()}


@dataclass(frozen=True, slots=True)
class CrmPage:
    """`told`: whether a CRM is configured at all."""

    told: bool
    deliveries: tuple[Delivery, ...]


async def crm_page(reading: Desk, who: Session, which: str) -> CrmPage:
    """`which`: open (what waits or has failed), all, or a state."""
    async with reading.reading(who) as tx:
        found = await crm_deliveries.newest(tx, LISTED, STATES.get(which, (which,)))
    return CrmPage(reading.services.crm, tuple(found))


async def replay_delivery(reading: Desk, who: Session, delivery_id: int) -> None:
    """Raises MedrepError(NOT_FOUND | CONFLICT)."""
    async with reading.reading(who) as tx:
        if not await crm_deliveries.exists_for(tx, delivery_id):
            raise MedrepError(Fault.NOT_FOUND, "no such delivery")
    services = reading.services
    async with services.db.begin() as tx:
        await crm.replay(tx, delivery_id, who.login, services.clock.now())

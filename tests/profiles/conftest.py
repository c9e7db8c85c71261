"""Doctors of a list, some of whom have written."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, text

from bot import profiles
from bot.clock import CHINA, real_now
from bot.doctors import import_doctors
from bot.knowledge import Content, load
from bot.model import Account, Audience, Channel
from bot.runtime.services import Services
from bot.settings import ROOT, Accounts, WebChatAccount
from bot.staff import Role, add
from bot.store import arriving_contacts, doctors
from bot.store.contacts import Contact
from bot.store.tables import inbox, turn
from tests.doctors.sheets import HEADER, row

ACCOUNTS = Accounts(webchat={"demo": WebChatAccount(audience=Audience.DOCTOR)})
DEMO = Account(Channel.WEBCHAT, "demo")
NOW = datetime(2026, 11, 27, 10, 0, tzinfo=CHINA)


@dataclass
class Clinic:
    """Doctors with what they wrote, by external id."""

    services: Services
    path: Path
    people: dict[str, UUID] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        return self.services.clock.now()

    async def listed(self, number: int, **changes: Any) -> str:
        """A doctor of the list with an address, and so verified; the external id."""
        values = {"渠道": "webchat:demo", "渠道账号": f"w{number}", **changes}
        path = self.path / f"{uuid4().hex}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([HEADER, row(number, **values)])
        services = self.services
        report = await import_doctors(services.db, services.vault, services.clock, ACCOUNTS, path, by="test")
        assert not report.faults, report.faults
        async with services.db.begin() as tx:
            self.people[f"D{number}"] = await doctors.person_of(tx, f"D{number}")
        return f"D{number}"

    async def contact(self, number: int) -> Contact:
        async with self.services.db.begin() as tx:
            return await arriving_contacts.find_or_add(
                tx, self.services.vault, DEMO, Audience.DOCTOR, f"w{number}", self.now
            )

    async def wrote(
        self,
        number: int,
        at: datetime,
        *,
        route: str | None = None,
        entries: tuple[str, ...] = (),
        actions: tuple[str, ...] = ("action_answer",),
        screening: dict[str, Any] | None = None,
    ) -> int:
        """A message and its turn as the loops store them; the message's id."""
        contact, turn_id = await self.contact(number), uuid4()
        async with self.services.db.begin() as tx:
            await tx.execute(
                insert(turn).values(
                    id=turn_id,
                    contact_id=contact.id,
                    state="done",
                    fence=1,
                    lease_until=real_now(),
                    started_at=real_now(),
                    route=route,
                    entries=list(entries),
                    actions=list(actions),
                )
            )
            added = await tx.execute(
                insert(inbox)
                .values(
                    channel="webchat",
                    account="demo",
                    key=uuid4().hex,
                    contact_id=contact.id,
                    person_id=contact.person_id,
                    kind="text",
                    body_enc=b"-",
                    screening=screening or {},
                    received_at=at,
                    state="done",
                    ready_at=real_now(),
                    turn_id=turn_id,
                )
                .returning(inbox.c.id)
            )
            return int(added.scalar_one())

    async def profile(self, external_id: str) -> dict[str, Any]:
        async with self.services.db.begin() as tx:
            return await profiles.profile_of(
                tx, self.services.vault, external_id, self.people[external_id], self.now
            )

    async def held(self, external_id: str) -> dict[str, list[str]]:
        """The values that hold, by name."""
        found: dict[str, list[str]] = {}
        for tag in (await self.profile(external_id))["tags"]:
            if tag["holds"]:
                found.setdefault(tag["name"], []).append(tag["value"])
        return found

    async def derived(self) -> None:
        async with self.services.db.begin() as tx:
            await profiles.derive_of(tx, list(self.people.values()), content(), self.now)

    async def colleague(self, login: str, *roles: Role, name: str = "") -> None:
        async with self.services.db.begin() as tx:
            await add(tx, login, set(roles), self.now, name=name, by="test")

    async def rows(self, query: str, **values: Any) -> list[Any]:
        async with self.services.db.begin() as tx:
            return [tuple(found) for found in await tx.execute(text(query), values)]

    def later(self, **how_much: float) -> None:
        self.services.clock.move_to(self.now + timedelta(**how_much))


_content: list[Content] = []


def content() -> Content:
    """The seed's, read once."""
    if not _content:
        _content.append(load(ROOT / "data" / "content"))
    return _content[0]


@pytest.fixture
async def clinic(services: Services, tmp_path: Path) -> Clinic:
    services.clock.move_to(NOW)
    return Clinic(services, tmp_path)

"""A patient, at eight in the morning: no dialogue is needed until something is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.clock import Clock
from bot.dialogue.published import Published
from bot.model import Account, Audience, Channel
from bot.runtime.services import Services
from bot.store import arriving_contacts
from bot.store.contacts import Contact
from bot.store.database import Database
from bot.store.vault import Vault
from tests.schedule.setting import EIGHT


@pytest.fixture
def services(database: Database, vault: Vault, clock: Clock, home: Path) -> Services:
    clock.move_to(EIGHT)
    return Services(database, vault, clock, Published(database, None), home)


@pytest.fixture
async def patient(services: Services) -> Contact:
    account, now = Account(Channel.WECHAT, "p"), services.clock.now()
    async with services.db.begin() as tx:
        return await arriving_contacts.find_or_add(tx, services.vault, account, Audience.PATIENT, "o1", now)

"""The platforms of the configured accounts, as whoever owns an account sees them: menus, QR codes.

Beside `bot.app` this alone knows connectors: a command needs these, and not the whole product.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp

from bot.content import edition_in_force
from bot.dialogue.menu import read_menu
from bot.dialogue.publishing import in_force
from bot.evidence import note
from bot.model import Account, Audience, Channel, Fault, MedrepError
from bot.outbound.platform_tokens import PlatformTokens
from bot.settings import Settings
from bot.store.database import Database
from bot.store.keyring import Keyring
from connectors.wechat import OfficialAccount

OwnersAccount = OfficialAccount
Menu = list[dict[str, Any]]  # as WeChat takes it


def owned(
    settings: Settings, tokens: PlatformTokens, http: aiohttp.ClientSession
) -> dict[Account, OwnersAccount]:
    """Every account that has a menu and QR codes."""
    return {
        Account(Channel.WECHAT, name): OfficialAccount(Account(Channel.WECHAT, name), wechat, tokens, http)
        for name, wechat in settings.accounts.wechat.items()
    }


@asynccontextmanager
async def official_accounts(
    settings: Settings, db: Database, keyring: Keyring
) -> AsyncIterator[dict[Account, OwnersAccount]]:
    """As `owned`, for a command."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        yield owned(settings, PlatformTokens(db, keyring), http)


async def menus_for(db: Database, audiences: list[Audience], file: Path | None = None) -> list[Menu]:
    """The menu for each of these audiences, or `file`'s. Raises MedrepError."""
    async with db.begin() as tx:
        dialogue, edition = await in_force(tx), await edition_in_force(tx)
    if dialogue is None:
        raise MedrepError(Fault.NOT_FOUND, "no dialogue is in force")
    content = edition.content if edition else None
    return [read_menu(audience, dialogue, content, file) for audience in audiences]


async def publish_menu(db: Database, platform: OwnersAccount, menu: Menu, now: datetime, by: str) -> None:
    """Set an account's menu, and put it on the record. Raises MedrepError."""
    await platform.publish_menu(menu)
    async with db.begin() as tx:
        await note(tx, "menu.published", now, f"account:{platform.account}", None, menu=menu, by=by)

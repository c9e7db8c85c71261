"""The platforms of the configured accounts, as whoever owns an account sees them: menus, QR codes.

Beside `bot.app` this alone knows connectors: a command needs these, and not the whole product.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from bot.model import Account, Channel
from bot.outbound.platform_tokens import PlatformTokens
from bot.settings import Settings
from bot.store.database import Database
from bot.store.keyring import Keyring
from connectors.wechat import OfficialAccount

OwnersAccount = OfficialAccount


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

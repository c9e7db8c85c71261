"""What the rooms take of a running process, for a command: without an index, as nothing is asked."""

from __future__ import annotations

from bot.commands.context import Context
from bot.dialogue.published import Published
from bot.runtime.services import Services


async def services_of(home: Context) -> Services:
    published, settings = Published(home.db, None), home.settings
    await published.load()
    return Services(
        home.db, home.vault, home.clock, published, settings.home, settings.limits, settings.base_url
    )

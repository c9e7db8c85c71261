"""Pictures that a platform has: its id of each, and until when that is good (real time)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from bot.model import Account
from bot.store.database import Tx
from bot.store.tables import platform_media


async def known(tx: Tx, account: Account, digest: str, real_now: datetime) -> str | None:
    """The platform's id of the picture with this sha256."""
    query = select(platform_media.c.media_id).where(
        platform_media.c.account == str(account),
        platform_media.c.digest == digest,
        platform_media.c.good_until > real_now,
    )
    return (await tx.execute(query)).scalar_one_or_none()


async def keep(
    tx: Tx, account: Account, digest: str, media_id: str, good_until: datetime, real_now: datetime
) -> None:
    """The newest id counts; what is over goes."""
    await tx.execute(
        delete(platform_media).where(
            platform_media.c.account == str(account), platform_media.c.good_until < real_now
        )
    )
    values = {"media_id": media_id, "good_until": good_until}
    added = insert(platform_media).values(account=str(account), digest=digest, **values)
    await tx.execute(added.on_conflict_do_update(index_elements=["account", "digest"], set_=values))


async def forget(tx: Tx, account: Account, digest: str, media_id: str) -> None:
    await tx.execute(
        delete(platform_media).where(
            platform_media.c.account == str(account),
            platform_media.c.digest == digest,
            platform_media.c.media_id == media_id,
        )
    )

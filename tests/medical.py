"""Requests to medical information, for tests that need no chat to get there."""

from __future__ import annotations

from uuid import uuid4

from bot import medical_information
from bot.runtime.services import Services
from bot.staff import Role
from bot.store import staff as staff_rows
from bot.store.contacts import Contact

QUESTION = "多囊卵巢的姑娘能不能用二甲双胍减重"
TEXT = "减重不在本品说明书批准的适应症内，公司没有可以提供的推荐用法。已批准的适应症见说明书。"
CITED = ("metformin-label", "【适应症】")


async def asked(
    services: Services,
    contact: Contact,
    question: str = QUESTION,
    *,
    off_label: bool = True,
    product: str = "metformin",
) -> int:
    """The id of a request of this contact, as a turn of theirs opens it."""
    async with services.db.begin() as tx:
        opened = await medical_information.open_request(
            tx,
            services.vault,
            contact,
            services.clock.now(),
            uuid4(),
            question,
            product=product,
            off_label=off_label,
        )
    return opened.task_id


async def colleague(services: Services, login: str, role: Role) -> None:
    """Somebody with this role, without a password."""
    async with services.db.begin() as tx:
        added = await staff_rows.add(tx, login, login, "nobody logs in", "")
        assert added is not None
        await staff_rows.add_roles(tx, added, [role])


async def approved(services: Services, task_id: int, author: str, reviewer: str, text: str = TEXT) -> int:
    """The outbox row of the answer that the one wrote and the other approved."""
    now, vault = services.clock.now(), services.vault
    async with services.db.begin() as tx:
        number = await medical_information.save(tx, vault, task_id, 0, text, [CITED], author, now)
        await medical_information.submit(tx, vault, task_id, number, author, now)
    async with services.db.begin() as tx:
        return await medical_information.approve(tx, vault, task_id, number + 1, reviewer, now)

"""F28: what had left since the backup is not sent again: sending starts paused, with a list."""

from __future__ import annotations

from bot.model import OutboxState
from bot.store import restored
from tests.stage import Stage


async def test_nothing_leaves_until_somebody_has_looked(open_window: Stage) -> None:
    stage = open_window
    left_before, still_to_send = await stage.queue("utter_thanks"), await stage.queue("utter_media")
    async with stage.services.db.begin() as tx:
        await restored.pause(tx)
        listed = await restored.queued(tx)
    assert [row.id for row in listed] == [left_before, still_to_send]
    assert listed[0].basis is not None and listed[0].basis.startswith("response:utter_thanks@")
    assert await stage.sender.push() == 0
    async with stage.services.db.begin() as tx:
        assert await restored.cancel(tx, [left_before]) == 1
        assert await restored.resume(tx) == 1
    assert await stage.sender.push() == 1
    assert (await stage.row(left_before)).state == OutboxState.CANCELLED
    assert (await stage.row(still_to_send)).state == OutboxState.SENT
    assert await stage.reply_texts() == [stage.services.published.dialogue.text("utter_media")]

"""The judgement: what was promised, checked against the database and against what the phones show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from tests.phone import Phone
from tests.proofs.scene import Scene, Spoken


async def judge(home: Scene, phones: Sequence[Phone], reminder: str = "") -> dict[str, int]:
    """Nothing acknowledged is lost or acted on twice, and every chat shows its replies once and in order.

    `reminder` is the text of messages that belong to no turn. Returns the uncertain sends to these phones by
    way: other proofs, on the same service, leave some of their own.
    """
    stored = await home.rows(
        "SELECT key, inbox.state, turn.state FROM inbox LEFT JOIN turn ON turn.id = turn_id"
    )
    turns = {key: (state, turn) for key, state, turn in stored}
    for key in await acknowledged(home):
        assert key in turns, "acknowledged and lost"
        # A red flag or a stop is answered at accept; a turn is made only of a red flag that names a product.
        assert turns[key] in (("done", "done"), ("done", None)), (key, turns[key])
    assert not await home.rows("SELECT state, attempts, fault FROM turn WHERE state <> 'done'")
    assert not await home.rows(
        "SELECT 1 FROM evidence WHERE kind = 'turn.done' GROUP BY subject HAVING count(*) > 1"
    )
    await in_order(home)
    for phone in phones:
        await chat_matches(home, phone, reminder)
    await tasks_match_turns(home)
    rows = [row for phone in phones for row in await home.spoken(phone.openid)]
    return dict(Counter(str(row.via) for row in rows if row.state == "unknown"))


async def acknowledged(home: Scene) -> set[str]:
    """The stored keys of messages whose delivery the gateway acknowledged."""
    entries = (await home.control("log?kind=delivery", method="GET"))["entries"]
    good = {
        (entry["openid"], entry["msg_id"])
        for entry in entries
        if entry.get("outcome") in ("replied", "acknowledged")
    }
    digest = home.vault.keyring.digest
    return {digest("inbox.key", f"{openid}\0m:{msg_id}").hex() for openid, msg_id in good if msg_id}


async def in_order(home: Scene) -> None:
    """Each contact's turns took its messages in the order of their arrival, one turn after the other."""
    rows = await home.rows(
        "SELECT turn.contact_id, min(inbox.id), max(inbox.id), min(outbox.id) "
        "FROM turn JOIN inbox ON inbox.turn_id = turn.id "
        "LEFT JOIN outbox ON outbox.turn_id = turn.id AND NOT unordered "
        "GROUP BY turn.id ORDER BY turn.contact_id, min(inbox.id)"
    )
    for before, after in pairwise(rows):
        if before[0] == after[0]:
            assert before[2] < after[1], "no turn takes a message from between another's"
            assert before[3] is None or after[3] is None or before[3] < after[3], "replies in turn"


async def chat_matches(home: Scene, phone: Phone, reminder: str) -> None:
    """The chat shows each reply once and in order; one whose fate is recorded as uncertain at most once."""
    rows = [row for row in await home.spoken(phone.openid) if row.turn is not None or row.unordered]
    assert {row.state for row in rows} <= {"sent", "unknown"}, [(r.state, r.fault) for r in rows]
    sent = [row for row in rows if row.state == "sent"]
    uncertain = [row for row in rows if row.state == "unknown"]
    # Choices stand below a text, so an item only begins with its row's text: one of an uncertain row whose
    # text goes on where a sent one's ends (a request with its question, and without) is not the sent one's.
    texts = {row.text for row in sent}
    longer = [row for row in uncertain if row.text not in texts and row.text.startswith(tuple(texts))]
    chat = await phone.chat()
    left = [item["text"] for item in chat if item["from"] == "account"]
    try:
        left = minus(left, longer, optional=True)
        left = aligned(left, [row for row in sent if not row.unordered])
        left = minus(left, [row for row in sent if row.unordered])
        left = minus(left, [row for row in uncertain if row not in longer], optional=True)
        assert set(left) <= {reminder}, f"shown more often than said: {left}"
    except AssertionError as error:
        raise AssertionError("\n".join([str(error), *told(rows, chat)])) from None


def told(rows: list[Spoken], chat: list[dict[str, Any]]) -> list[str]:
    """What was to be said, and what the chat shows, a line each."""
    said = [f"{row.id} {row.state} {row.via} {row.text[:20]!r}" for row in rows]
    return said + [
        f"{item['time']} {item['id']} {item['via']} {item['answers'] or ''} {item['text'][:20]!r}"
        for item in chat
    ]


def aligned(shown: list[str], rows: list[Spoken]) -> list[str]:
    """What is shown beside `rows`, which must all be there, in order."""
    left, waiting = [], list(rows)
    for item in shown:
        if waiting and item.startswith(waiting[0].text):
            del waiting[0]
        else:
            left.append(item)
    assert not waiting, f"never shown, or out of order: {waiting}\n{shown}"
    return left


def minus(shown: list[str], rows: list[Spoken], *, optional: bool = False) -> list[str]:
    left = list(shown)
    for row in rows:
        found = next((item for item in left if item.startswith(row.text)), None)
        assert found is not None or optional, f"never shown: {row}"
        if found is not None:
            left.remove(found)
    return left


async def tasks_match_turns(home: Scene) -> None:
    """Every red flag has its task, and no turn opened the same task twice."""
    flags = await home.rows("SELECT count(*) FROM inbox WHERE screening ? 'red_flag'")
    assert await home.rows("SELECT count(*) FROM task WHERE kind = 'emergency'") == flags
    asked = await home.rows("SELECT count(*) FROM effect WHERE action = 'action_hand_over'")
    # Who asks again while a colleague is asked for already has it added to that task.
    counts = dict(
        await home.rows(
            "SELECT kind, count(*) FROM evidence WHERE kind IN ('task.opened', 'task.repeated') "
            "AND facts ->> 'kind' = 'hand_over' GROUP BY kind"
        )
    )
    assert [(sum(counts.values()),)] == asked, counts
    tasks = await home.rows("SELECT count(*) FROM task WHERE kind = 'hand_over'")
    assert tasks == [(counts.get("task.opened", 0),)], counts

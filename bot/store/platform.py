"""What a platform lets us do: the send window of each contact, circuits, and access tokens."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert

from bot.model import Account, Fault, MedrepError
from bot.store.advisory import wait_for_names
from bot.store.database import Tx, hot
from bot.store.keyring import Keyring
from bot.store.tables import circuit, platform_token

NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Grant:
    """What an act of the person allows us: `count` pushed messages within `span`, anew with each act."""

    act: str
    span: timedelta
    count: int


MESSAGE = Grant("message", timedelta(hours=48), 5)
CLICK = Grant("click", timedelta(minutes=1), 3)


async def openings(tx: Tx, contact_ids: Collection[int]) -> dict[int, int]:
    """By contact, a number that grows with every act of the person that opens a window."""
    rows = await tx.execute(_OPENINGS, {"contacts": list(contact_ids)})
    return {row.contact_id: int(row.opening) for row in rows}


_OPENINGS = text(
    """
    SELECT wanted.id AS contact_id, coalesce(sum(send_window.opening), 0) AS opening
    FROM unnest(CAST(:contacts AS bigint[])) AS wanted(id)
    LEFT JOIN send_window ON send_window.contact_id = wanted.id
    GROUP BY wanted.id
    """
)


@dataclass(slots=True)
class _Window:
    contact_id: int
    act: str
    closes_at: datetime
    left: int
    opening: int
    taken: int = 0


@dataclass(frozen=True, slots=True)
class Taken:
    """So many pushes that a message took from a window. A later act of the person makes another `opening`
    of it, to which they are never given back."""

    act: str
    opening: int
    count: int


class Ledger:
    """The windows of some contacts, locked until the transaction ends; `save` writes what was taken."""

    def __init__(self, windows: list[_Window], now: datetime) -> None:
        self._now = now
        self._windows: dict[int, list[_Window]] = defaultdict(list)
        for window in windows:
            self._windows[window.contact_id].append(window)

    @classmethod
    async def read(cls, tx: Tx, contact_ids: Collection[int], now: datetime) -> Ledger:
        rows = await hot(tx, _LOCK, {"contacts": list(contact_ids)})
        windows = [
            _Window(row.contact_id, row.act, row.closes_at, row.allowance - row.used, row.opening)
            for row in rows
        ]
        return cls(windows, now)

    def opening(self, contact_id: int) -> int:
        """As `openings`."""
        return sum(window.opening for window in self._windows[contact_id])

    def spend(self, contact_id: int, *, count: int, keep: int) -> tuple[Taken, ...]:
        """Take `count` pushes, leaving `keep`. Raises MedrepError(WINDOW_CLOSED | COUNT_USED_UP).

        The windows of messages and of clicks stand side by side; the one that closes sooner is used first.
        """
        windows = [window for window in self._windows[contact_id] if window.closes_at > self._now]
        if not windows:
            raise MedrepError(Fault.WINDOW_CLOSED)
        if sum(window.left for window in windows) - keep < count:
            raise MedrepError(Fault.COUNT_USED_UP)
        spent = []
        for window in sorted(windows, key=lambda window: window.closes_at):
            taken = min(count, window.left)
            if taken > 0:
                window.left -= taken
                window.taken += taken
                count -= taken
                spent.append(Taken(window.act, window.opening, taken))
        return tuple(spent)

    async def save(self, tx: Tx) -> None:
        taken = [window for windows in self._windows.values() for window in windows if window.taken]
        if taken:
            await hot(
                tx,
                _SAVE,
                {
                    "contacts": [window.contact_id for window in taken],
                    "acts": [window.act for window in taken],
                    "counts": [window.taken for window in taken],
                },
            )


# Everybody who locks several windows does it in this order; `closes_at` would not be one, since it changes.
_LOCK = """
    SELECT contact_id, act, closes_at, allowance, used, opening FROM send_window
    WHERE contact_id = ANY(CAST(%(contacts)s AS bigint[])) ORDER BY contact_id, act FOR UPDATE
    """

_SAVE = """
    UPDATE send_window SET used = used + taken.count
    FROM unnest(CAST(%(contacts)s AS bigint[]), CAST(%(acts)s AS text[]), CAST(%(counts)s AS int[]))
         AS taken(contact_id, act, count)
    WHERE send_window.contact_id = taken.contact_id AND send_window.act = taken.act
    RETURNING send_window.act
    """


async def refund(tx: Tx, contact_id: int, taken: Sequence[Taken], count: int) -> None:
    """The last `count` of these pushes certainly did not leave."""
    back: dict[tuple[str, int], int] = {}
    for one in reversed(taken):
        given = min(count, one.count)
        if given > 0:
            back[one.act, one.opening] = given
            count -= given
    if back:
        await hot(tx, _LOCK, {"contacts": [contact_id]})
        values = {
            "contact": contact_id,
            "acts": [act for act, _ in back],
            "openings": [opening for _, opening in back],
            "counts": list(back.values()),
        }
        await tx.execute(_REFUND, values)


_REFUND = text(
    """
    UPDATE send_window SET used = greatest(used - back.count, 0)
    FROM unnest(CAST(:acts AS text[]), CAST(:openings AS bigint[]), CAST(:counts AS int[]))
         AS back(act, opening, count)
    WHERE contact_id = :contact AND send_window.act = back.act AND send_window.opening = back.opening
    """
)


async def exhaust(tx: Tx, contact_id: int) -> None:
    """The platform says the count is used up, whatever our ledger says."""
    await hot(tx, _LOCK, {"contacts": [contact_id]})
    await tx.execute(_EXHAUST, {"contact": contact_id})


_EXHAUST = text("UPDATE send_window SET used = allowance WHERE contact_id = :contact")


async def close_window(tx: Tx, contact_id: int, now: datetime) -> None:
    """The platform says that nothing may be pushed, whatever our ledger says."""
    await hot(tx, _LOCK, {"contacts": [contact_id]})
    await tx.execute(_CLOSE, {"contact": contact_id, "now": now})


_CLOSE = text("UPDATE send_window SET closes_at = :now WHERE contact_id = :contact AND closes_at > :now")


async def open_circuit(tx: Tx, account: Account, until: datetime, fault: str) -> None:
    """Push nothing on this account until then (real time)."""
    statement = insert(circuit).values(account=str(account), open_until=until, fault=fault)
    await tx.execute(
        statement.on_conflict_do_update(
            index_elements=["account"],
            set_={
                "open_until": func.greatest(circuit.c.open_until, statement.excluded.open_until),
                "fault": fault,
            },
        )
    )


@dataclass(frozen=True, slots=True)
class StoredToken:
    """An account's access token, and how asking for one last failed. Times are real time."""

    value: str | None = None
    good_until: datetime = NEVER
    failures: int = 0  # in a row
    ask_after: datetime = NEVER
    fault: str | None = None  # of the last of them


async def read_token(tx: Tx, keyring: Keyring, account: Account) -> StoredToken:
    """What is stored of this account's token; nothing, the first time."""
    query = select(platform_token).where(platform_token.c.account == str(account))
    row = (await tx.execute(query)).first()
    if row is None:
        return StoredToken()
    sealed = row.token_enc
    return StoredToken(
        value=None if sealed is None else keyring.open_for_us(bytes(sealed), f"token:{account}"),
        good_until=row.expires_at or NEVER,
        failures=row.failures,
        ask_after=row.ask_after or NEVER,
        fault=row.fault,
    )


async def lock_token(tx: Tx, account: Account) -> None:
    """Wait until this process alone may renew the token; released with the transaction."""
    await wait_for_names(tx, [f"token:{account}"])


async def keep_token(tx: Tx, keyring: Keyring, account: Account, value: str, good_until: datetime) -> None:
    """Store a new token; the failures before it are over."""
    sealed = keyring.seal_for_us(value, f"token:{account}")
    fresh = {"token_enc": sealed, "expires_at": good_until, "failures": 0, "ask_after": None, "fault": None}
    statement = insert(platform_token).values(account=str(account), **fresh)
    await tx.execute(statement.on_conflict_do_update(index_elements=["account"], set_=fresh))


async def note_token_failure(
    tx: Tx, account: Account, failures: int, ask_after: datetime, fault: str
) -> None:
    """Nobody asks for a token before `ask_after`. A token that is there stays, for whoever still holds it."""
    values = {"failures": failures, "ask_after": ask_after, "fault": fault}
    statement = insert(platform_token).values(account=str(account), **values)
    await tx.execute(statement.on_conflict_do_update(index_elements=["account"], set_=values))

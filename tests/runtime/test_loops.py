"""What is done again and again: a bug or a bad row ends no loop, and a cancelled loop ends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from bot.model import Fault, MedrepError
from bot.runtime.loops import repeat, together_or_alone


async def nothing() -> None:
    pass


@pytest.mark.parametrize("steps", range(5))
async def test_a_cancellation_is_not_lost_while_it_is_woken(steps: int) -> None:
    """asyncio.wait_for of Python 3.11 loses one that comes between the event and its waiter."""
    wake = asyncio.Event()
    loop = asyncio.create_task(repeat("test", nothing, 60.0, wake))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    wake.set()
    for _ in range(steps):
        await asyncio.sleep(0)
    loop.cancel()
    done, _ = await asyncio.wait({loop}, timeout=1.0)
    loop.cancel()
    assert done


async def test_a_bug_is_told_and_the_work_goes_on_and_only_a_wrong_configuration_ends_it() -> None:
    raises = iter([KeyError("x"), MedrepError(Fault.TAMPERED), OSError(), MedrepError(Fault.CONFIGURATION)])

    async def work() -> None:
        raise next(raises)

    with pytest.raises(MedrepError) as ended:
        async with asyncio.timeout(10):
            await repeat("test", work, 0.0)
    assert ended.value.fault == Fault.CONFIGURATION


async def test_a_bad_row_costs_no_other() -> None:
    done: list[int] = []

    async def work(rows: Sequence[int]) -> None:
        if 2 in rows:
            raise KeyError(2)
        done.extend(rows)

    await together_or_alone("test", [1, 2, 3], work)
    assert done == [1, 3]
    await together_or_alone("test", [4, 5], work)
    assert done == [1, 3, 4, 5]

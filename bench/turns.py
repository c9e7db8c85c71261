"""The ten doctor turns that everything is measured with, and what came of measuring them."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

ACTION = "action_answer"  # what the product questions call: half of the turns
# What a doctor writes, and what the dialogue does with it.
TURNS = (
    ("您好", "utter_greet"),
    ("二甲双胍肾功能不全能用吗", ACTION),
    ("谢谢", "utter_thanks"),
    ("氨氯地平漏服了怎么办", ACTION),
    ("你是真人吗", "utter_bot"),
    ("缬沙坦孕妇能用吗", ACTION),
    ("你能做什么", "utter_help"),
    ("阿托伐他汀和克拉霉素能一起吃吗", ACTION),
    ("二甲双胍的起始剂量是多少", ACTION),
    ("再见", "utter_goodbye"),
)
ACTIONS_PER_TALK = sum(action == ACTION for _, action in TURNS)

# One turn of one conversation: (conversation number, text, expected action); raises when it went wrong.
Say = Callable[[int, str, str], Awaitable[None]]


@dataclass
class Timing:
    """Latencies (seconds) of the turns of one cell of the table, and the time they took together."""

    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0
    rates: list[float] = field(default_factory=list)  # turns a second of each block, for the spread

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def quantile(self, share: float) -> float:
        """In seconds; `share` 0.95 is the p95."""
        return quantile(self.latencies, share)

    def __str__(self) -> str:
        milliseconds = "  ".join(f"p{q * 100:.0f} {self.quantile(q) * 1000:.0f} ms" for q in (0.5, 0.95))
        spread = f"{min(self.rates):.0f} to {max(self.rates):.0f}"
        return f"{self.rate:.1f} turns/s ({spread})  {milliseconds}  n={len(self.latencies)}"


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of the values do not exceed."""
    if len(values) < 2:
        return values[0]
    return statistics.quantiles(values, n=1000, method="inclusive")[round(share * 1000) - 1]


async def block(say: Say, clients: int, talks: Sequence[int], timing: Timing) -> None:
    """Hold these conversations, `clients` at a time, each turn after the answer to the one before."""
    left = list(reversed(talks))

    async def client() -> None:
        while left:
            talk = left.pop()
            for text, action in TURNS:
                began = time.perf_counter()
                await say(talk, text, action)
                timing.latencies.append(time.perf_counter() - began)

    before, began = len(timing.latencies), time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    seconds = time.perf_counter() - began
    timing.seconds += seconds
    timing.rates.append((len(timing.latencies) - before) / seconds)

"""An open-loop sender in a process of its own: `python -m bench.sender`, its orders as JSON on stdin.

Messages leave on schedule whatever became of those before, and each one's latency counts from when it was
due, so a service that stalls cannot hide it. It hangs up after 5 s, as WeChat does, but tries nothing again.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp

from bench.wechat import Platform

ANSWER_SECONDS = 5.0


async def send(orders: dict[str, Any]) -> dict[str, Any]:
    """What became of each message: {"latency": [s or null], "status": [HTTP status, 0 for none],
    "acknowledged": [MsgId], "late": s by which the sender itself was late at worst, "cpu": s it used}."""
    platform = Platform.of(Path(orders["home"]))
    rate, messages = float(orders["rate"]), orders["messages"]
    latency: list[float | None] = [None] * len(messages)
    status = [0] * len(messages)
    acknowledged: list[int] = []
    late = 0.0
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    async with aiohttp.ClientSession(orders["url"], connector=connector, timeout=timeout) as http:

        async def one(place: int, due: float, path: str, body: bytes, number: int) -> None:
            try:
                async with http.post(path, data=body, headers={"Content-Type": "text/xml"}) as answer:
                    text = await answer.read()
            except (aiohttp.ClientError, TimeoutError, OSError):
                return
            latency[place], status[place] = time.perf_counter() - due, answer.status
            if answer.status == 200 and (text == b"success" or text.startswith(b"<xml>")):
                acknowledged.append(number)

        letters = [(*platform.letter(openid, text, number), number) for openid, text, number in messages]
        cpu, began = time.process_time(), time.perf_counter() + 0.2
        async with asyncio.TaskGroup() as group:
            for place, (path, body, number) in enumerate(letters):
                due = began + place / rate
                if (wait := due - time.perf_counter()) > 0:
                    await asyncio.sleep(wait)
                late = max(late, time.perf_counter() - due)
                group.create_task(one(place, due, path, body, number))
    return {
        "latency": latency,
        "status": status,
        "acknowledged": acknowledged,
        "late": late,
        "cpu": time.process_time() - cpu,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(send(json.load(sys.stdin)))))

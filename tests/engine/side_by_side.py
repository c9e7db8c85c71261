"""Run by the engine's Python: the same conversations by Rasa's own policies and by those that serve.

`python tests/engine/side_by_side.py MODEL` prints how many turns were alike, or the first that was not.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from json import dumps
from pathlib import Path
from typing import Any

from engine import actions, quiet

quiet.prepare()
actions.install()

from rasa.core.policies import memoization  # noqa: E402
from rasa.utils.endpoints import ClientResponseError  # noqa: E402

import engine.model  # noqa: E402
from engine import wire  # noqa: E402
from engine.actions import ActionServer  # noqa: E402
from engine.errors import EngineError  # noqa: E402
from engine.processor import TurnProcessor  # noqa: E402

TALKS, TURNS = 60, 7
TEXTS = (
    "您好",
    "二甲双胍肾功能不全能用吗",
    "谢谢",
    "好的",
    "不是",
    "转人工",
    "都不是",
    "13800138000",
    "邀请码ABC",
)
SLOTS = {
    "verify_name": "甲",
    "verify_hospital": "示例医院",
    "verify_phone": "13800138000",
    "verify_code": "x",
}


class Scripted(ActionServer):
    """Answers by a script of its own: sets slots, says something, now and then refuses to run."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:9/", "")
        self.dice = random.Random(0)

    async def request(self, *_: object, json: Any = None, **__: object) -> Any:
        name, dice = json["next_action"], self.dice.random()
        if name.startswith("validate_"):
            slots = dict(self.dice.sample(sorted(SLOTS.items()), 2))
            return {"events": [{"event": "slot", "name": n, "value": v} for n, v in slots.items()]}
        if dice < 0.1:
            raise ClientResponseError(400, "rejected", dumps({"action_name": name, "error": "no"}))
        pending = self.dice.choice([None, "choices", "medical_information"])
        return {
            "events": [{"event": "slot", "name": "pending", "value": pending}],
            "responses": [{"text": name}],
        }


async def played(processor: TurnProcessor, script: Scripted, talk: int) -> list[Any]:
    """What was decided in one conversation, turn by turn."""
    dice = random.Random(talk)
    script.dice = random.Random(talk)
    slots = {"audience": "doctor", "verified": dice.random() < 0.7, "verify_waiting": False}
    intents = sorted(processor.domain.intents)
    held, found = None, []
    for turn in range(TURNS):
        user_input: dict[str, Any] = {"text": dice.choice(TEXTS)}
        if dice.random() < 0.5:
            user_input["intent"] = dice.choice(intents)
        body = {
            "turn_id": f"{talk}-{turn}",
            "contact": "c",
            "conversation": held,
            "input": user_input,
            "slots": slots,
        }
        try:
            answer = json.loads(await processor.turn(wire.read_turn(json.dumps(body).encode())))
        except EngineError as error:
            found.append(str(error))
            continue
        held = answer["conversation"]
        events = [{k: v for k, v in event.items() if k != "timestamp"} for event in held["events"]]
        found.append((answer["actions"], answer["replies"], events))
    return found


async def main(model: Path) -> int:
    script, served = Scripted(), engine.model.SERVE
    sides = []
    for engine.model.SERVE in ({}, served):
        sides.append(TurnProcessor(model, script))
    recalled = 0
    recall = memoization.MemoizationPolicy.recall

    def counted(*given: Any, **more: Any) -> Any:
        nonlocal recalled
        recalled += 1
        return recall(*given, **more)

    memoization.MemoizationPolicy.recall = counted
    alike, asked = 0, [0, 0]
    for talk in range(TALKS):
        talks = []
        for side, processor in enumerate(sides):
            before = recalled
            talks.append(await played(processor, script, talk))
            asked[side] += recalled - before
        for turn, (stock, product) in enumerate(zip(*talks, strict=True)):
            if stock != product:
                difference = {"talk": talk, "turn": turn, "stock": stock, "ours": product}
                print(json.dumps(difference, ensure_ascii=False))  # noqa: T201
                return 1
            alike += 1
    print(json.dumps({"alike": alike, "asked": asked}))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(Path(sys.argv[1]))))

"""The client of the engine: one HTTP call a turn, behind a circuit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp

from bot.model import (
    Attachment,
    Basis,
    BasisKind,
    Choice,
    Fault,
    MedrepError,
    Purpose,
    Reply,
    Turn,
    TurnInput,
)
from bot.runtime import metrics

TURN_SECONDS = 8.0
READY_SECONDS = 2.0


class EngineClient:
    """The engine over HTTP, behind a circuit: once it fails to answer, nothing is sent there until `probe`
    finds it well again, so we know at once that it is down."""

    def __init__(self, http: aiohttp.ClientSession, url: str, token: str, actions_url: str = "") -> None:
        """`actions_url`: where the actions of our turns run; empty: where the engine was told."""
        self._http = http
        self._url = url.rstrip("/")
        self._actions_url = actions_url
        self._headers = {"Authorization": f"Bearer {token}"}
        self.available = True

    @property
    def available(self) -> bool:
        """Whether the circuit is closed."""
        return self._available

    @available.setter
    def available(self, closed: bool) -> None:
        self._available = closed
        metrics.ENGINE.set(closed)

    async def turn(
        self,
        turn_id: UUID,
        contact: str,
        conversation: bytes | None,
        turn_input: TurnInput,
        slots: Mapping[str, Any],
        attempt: int = 1,
    ) -> Turn:
        """One turn. `contact` is a pseudonym; a repeated `attempt` is answered without running it again.

        Raises MedrepError: ENGINE_DOWN when it did not get there, ENGINE_LOST when no answer came back,
        ENGINE_FAILED or CONFLICT when that was the answer.
        """
        payload = {
            "turn_id": str(turn_id),
            "attempt": attempt,
            "actions": self._actions_url,
            "contact": contact,
            "conversation": json.loads(conversation) if conversation else None,
            "input": {
                "text": turn_input.text,
                "intent": turn_input.intent,
                "entities": turn_input.entities,
                "trigger": turn_input.trigger,
                "metadata": turn_input.metadata,
            },
            "slots": dict(slots),
        }
        answer = await self._guarded("POST", "/turn", payload, TURN_SECONDS)
        version = str(answer["model"])[:12]
        return Turn(
            turn_id=turn_id,
            replies=tuple(_reply(reply, version) for reply in answer["replies"]),
            intent=answer["intent"]["name"] or "",
            confidence=float(answer["intent"]["confidence"] or 0.0),
            entities=tuple(answer["entities"]),
            actions=tuple(answer["actions"]),
            conversation=json.dumps(answer["conversation"], ensure_ascii=False).encode(),
            model=version,
        )

    async def understand(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """Intent, confidence and entities of each text."""
        answer = await self._guarded("POST", "/understand", {"texts": list(texts)}, 120.0)
        results: list[dict[str, Any]] = answer["results"]
        return results

    async def ready(self) -> str | None:
        """The fingerprint of the loaded model; None while there is none, or no engine."""
        try:
            return str((await self._call("GET", "/ready", None, READY_SECONDS))["model"])
        except MedrepError:
            return None

    async def load(self, model: Path) -> None:
        """Swap the model under load."""
        await self._call("PUT", "/model", {"path": str(model)}, 120.0)

    async def probe(self) -> bool:
        """Ask whether it is well; the circuit closes or opens accordingly."""
        self.available = await self.ready() is not None
        return self.available

    async def _guarded(self, method: str, path: str, payload: Any, seconds: float) -> Any:
        if not self.available:
            raise MedrepError(Fault.ENGINE_DOWN, "the circuit is open")
        try:
            return await self._call(method, path, payload, seconds)
        except MedrepError as error:
            if error.fault in (Fault.ENGINE_DOWN, Fault.ENGINE_LOST):
                self.available = False
            raise

    async def _call(self, method: str, path: str, payload: Any, seconds: float) -> Any:
        try:
            async with self._http.request(
                method,
                self._url + path,
                json=payload,
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(total=seconds, connect=2.0),
            ) as response:
                answer = await response.json()
                status = response.status
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise MedrepError(Fault.ENGINE_DOWN, type(error).__name__) from None
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:
            raise MedrepError(Fault.ENGINE_LOST, type(error).__name__) from None
        if status == 200:
            return answer
        code = str(answer.get("error", "")) if isinstance(answer, dict) else ""
        if status == 409:
            raise MedrepError(Fault.CONFLICT, code)
        fault = Fault.ENGINE_DOWN if status == 503 else Fault.ENGINE_FAILED
        raise MedrepError(fault, f"{status} {code}")


def _reply(answer: Mapping[str, Any], version: str) -> Reply:
    custom = answer.get("custom") or {}
    if answer.get("response"):
        basis: Basis | None = Basis(BasisKind.RESPONSE, answer["response"], version)
    elif custom.get("basis"):
        basis = Basis.parse(custom["basis"])
    else:
        basis = None
    return Reply(
        text=answer.get("text") or "",
        choices=tuple(Choice(c["id"], c["label"]) for c in answer.get("choices") or ()),
        basis=basis,
        purpose=Purpose(custom.get("purpose", Purpose.REPLY)),
        attachment=Attachment(*custom["attachment"]) if custom.get("attachment") else None,
    )

"""Custom actions: one kept HTTP session, one prepared validator, and failures that stay failures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count
from typing import Any

import aiohttp
import rasa
import rasa.core.actions.action
import rasa.core.actions.forms
from jsonschema import Draft202012Validator
from rasa.core.actions.action import RemoteAction
from rasa.shared.core.domain import Domain
from rasa.shared.core.trackers import DialogueStateTracker, EventVerbosity
from rasa.utils.endpoints import ClientResponseError, EndpointConfig

from engine.errors import Code, EngineError

TIMEOUT = 6.0  # seconds for one action, less than the app waits for the turn; it answers in milliseconds
REJECTED = 400  # Rasa's protocol: the action refused to run and another may be predicted

# The turn whose actions are being called: its id, where they run, and the running number of its calls.
_turn: ContextVar[tuple[str, str, Iterator[int]]] = ContextVar("turn")


@contextmanager
def actions_of(turn_id: str, url: str) -> Iterator[None]:
    """All actions called inside belong to this turn, run at `url` (empty: at the engine's own address) and
    are numbered from 0."""
    token = _turn.set((turn_id, url, count()))
    try:
        yield
    finally:
        _turn.reset(token)


class ActionServer(EndpointConfig):  # type: ignore[misc]
    """The app's action listener.

    Raises EngineError: ACTIONS_UNREACHABLE when nobody listens there, ACTION_FAILED for all else that is no
    result.
    """

    def __init__(self, url: str, token: str) -> None:
        super().__init__(url)
        self._token = token
        self._session: aiohttp.ClientSession | None = None

    async def request(self, *_: object, json: Any = None, **__: object) -> Any:
        """Run one action: the whole request as Rasa made it, the result as the app gave it."""
        turn_id, url, numbers = _turn.get()
        name = json["next_action"]
        headers = {
            "Authorization": f"Bearer {self._token}",
            "X-Turn-Id": turn_id,
            "X-Action-Ordinal": str(next(numbers)),
        }
        try:
            async with self._open().post(url or self.url, json=json, headers=headers) as response:
                status, body = response.status, await response.read()
        except aiohttp.ClientConnectorError as error:
            raise EngineError(Code.ACTIONS_UNREACHABLE, f"{name}: {type(error).__name__}") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise EngineError(Code.ACTION_FAILED, f"{name}: {type(error).__name__}") from None
        return self._result(name, status, body)

    @staticmethod
    def _result(name: str, status: int, body: bytes) -> Any:
        try:
            result = json.loads(body)
        except ValueError:
            raise EngineError(Code.ACTION_FAILED, f"{name}: status {status}, no JSON") from None
        if status == REJECTED and isinstance(result, dict) and result.get("action_name"):
            raise ClientResponseError(status, "rejected", body.decode())
        if status != 200:
            raise EngineError(Code.ACTION_FAILED, f"{name}: status {status}")
        return result

    def _open(self) -> aiohttp.ClientSession:
        # Not in the constructor: a session belongs to the running loop.
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT))
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


class PreparedAction(RemoteAction):  # type: ignore[misc]
    """Rasa's remote action without checking its own constant schema again for every result, and without
    sending along what nobody reads."""

    _validator = Draft202012Validator(RemoteAction.action_response_format_spec())

    def _action_call_format(self, tracker: DialogueStateTracker, domain: Domain) -> dict[str, Any]:
        """The call in Rasa's protocol: where the conversation stands, not how it came there.

        The domain travels only with actions that ask for it in domain.yml.
        """
        call = {
            "next_action": self.name(),
            "sender_id": tracker.sender_id,
            "tracker": {**tracker.current_state(EventVerbosity.NONE), "events": []},
            "version": rasa.__version__,
        }
        if domain.does_custom_action_explicitly_need_domain(self.name()):
            call["domain"] = domain.as_dict()
        return call

    def _validate_action_result(self, result: dict[str, Any]) -> bool:
        if not self._validator.is_valid(result):
            raise EngineError(Code.ACTION_FAILED, f"{self.name()}: not an action result")
        return True


def install() -> None:
    """Let Rasa build our action wherever it builds its own: it names the class in these two modules."""
    rasa.core.actions.action.RemoteAction = PreparedAction
    rasa.core.actions.forms.RemoteAction = PreparedAction

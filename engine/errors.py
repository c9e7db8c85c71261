"""Everything that can go wrong with a request to the engine, once, with its HTTP status."""

from __future__ import annotations

from enum import Enum


class Code(Enum):
    BAD_REQUEST = ("bad_request", 400)
    UNAUTHORIZED = ("unauthorized", 401)
    NOT_FOUND = ("not_found", 404)
    FORM_ACTIVE = ("form_active", 409)  # a trigger while the person is in the middle of a form
    TOO_LARGE = ("too_large", 413)
    ACTION_FAILED = ("action_failed", 500)  # an action or a response could not be carried out
    PREDICTION_LIMIT = ("prediction_limit", 500)  # the dialogue runs in circles
    ENGINE_FAILED = ("engine_failed", 500)
    ACTIONS_UNREACHABLE = ("actions_unreachable", 503)  # nobody listens where the turn's actions run
    NOT_READY = ("not_ready", 503)

    @property
    def word(self) -> str:
        return self.value[0]

    @property
    def status(self) -> int:
        return self.value[1]


class EngineError(Exception):
    """The one error. `detail` helps a developer and holds nothing a person wrote.

    It is no `RasaException` on purpose: those are swallowed in several places of Rasa.
    """

    def __init__(self, code: Code, detail: str = "") -> None:
        super().__init__(f"{code.word}: {detail}")
        self.code = code
        self.detail = detail

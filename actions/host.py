"""The action server, hosted in the app on a loopback listener of its own.

Rasa's own action server has no authentication, echoes the request on errors and repeats effects when a
turn is repeated; the executor of `rasa_sdk` runs just as well here.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from aiohttp import web
from rasa_sdk import Action
from rasa_sdk.executor import ActionExecutor
from rasa_sdk.interfaces import ActionExecutionRejection, ActionNotFoundException

from actions.answer import Answer, Choose, Fallback
from actions.around_answers import More, Products, Source
from actions.call import calling
from actions.care import AdverseEvent, Feedback, HandOver, MedicalInformation, OwnReport
from actions.data import Benefit, Resume, Stop
from actions.meetings import AskMeeting, CloseMeeting, JoinMeeting, LeaveMeeting, Meetings, ValidateMeeting
from actions.mention import spoken_of
from actions.profile import AllowProfiling, Privacy, RefuseProfiling
from actions.proposals import AskAppointment, CloseAppointment, ValidateAppointment
from actions.status import Status
from actions.talk import Brief, Irritated, Material, Quiet, Repeat, Said
from actions.verification import AskForParts, ValidateVerifyForm, Verify
from actions.visit_answers import ValidateStep
from actions.visits import AskStep, Busy, CloseVisit, ResumeVisit, VisitMessage, VisitOff
from bot.dialogue.action_calls import ActionCall, once
from bot.doctors import PARTS
from bot.model import MedrepError
from bot.runtime.services import Services
from bot.visits import Step

log = structlog.get_logger()
ACTIONS: tuple[Callable[[], Action], ...] = (
    Answer,
    Choose,
    Fallback,
    Source,
    Repeat,
    More,
    Products,
    Status,
    Irritated,
    Quiet,
    Brief,
    Material,
    Said,
    MedicalInformation,
    OwnReport,
    HandOver,
    AdverseEvent,
    Feedback,
    Privacy,
    RefuseProfiling,
    AllowProfiling,
    Benefit,
    Stop,
    Resume,
    Verify,
    ValidateVerifyForm,
    *(partial(AskForParts, part) for part in PARTS),
    VisitMessage,
    CloseVisit,
    VisitOff,
    ResumeVisit,
    Busy,
    ValidateAppointment,
    AskAppointment,
    CloseAppointment,
    ValidateMeeting,
    AskMeeting,
    CloseMeeting,
    Meetings,
    JoinMeeting,
    LeaveMeeting,
    *(partial(made, step) for made in (ValidateStep, AskStep) for step in Step),
)
LARGEST = 4 * 1024 * 1024  # bytes of one request: a tracker with 100,000 characters of text in it


def routes(services: Services, token: str) -> web.Application:
    """The listener's application: `POST /actions`, as Rasa calls it."""
    host = Host(services, token)
    app = web.Application(client_max_size=LARGEST)
    app.router.add_post("/actions", host.run)
    return app


class Host:
    def __init__(self, services: Services, token: str) -> None:
        self._services = services
        self._expected = f"Bearer {token}".encode()
        self._executor = ActionExecutor()
        for action in ACTIONS:
            self._executor.register_action(action())

    async def run(self, request: web.Request) -> web.Response:
        """Run one action, once. Errors name the action and the fault, never what was said."""
        given = request.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, self._expected):
            return web.json_response({"error": "unauthorized"}, status=401)
        try:
            payload = json.loads(await request.read())
            # None of our actions reads the domain; given one, the executor never asks for it again.
            payload["domain"] = {}
            name, turn_id = str(payload["next_action"]), UUID(request.headers["X-Turn-Id"])
            ordinal = int(request.headers["X-Action-Ordinal"])
        except (ValueError, KeyError, TypeError, RecursionError):  # the last: nested too deep
            return web.json_response({"error": "bad request"}, status=400)

        async def execute(call: ActionCall) -> dict[str, Any]:
            with calling(call):
                result = await self._executor.run(payload)
                done = {"events": [], "responses": []} if result is None else result.model_dump()
                return spoken_of(call, payload, done)

        try:
            return web.json_response(await once(self._services, turn_id, name, ordinal, execute))
        except ActionNotFoundException:
            return web.json_response({"error": "unknown action", "action_name": name}, status=404)
        except ActionExecutionRejection as rejected:
            refusal = {"error": str(rejected), "action_name": rejected.action_name}
            return web.json_response(refusal, status=400)
        except MedrepError as error:
            log.warning("action.failed", action=name, turn=str(turn_id), fault=str(error.fault))
            return web.json_response({"error": str(error.fault), "action_name": name}, status=500)
        except Exception:
            # Whatever it is, the engine must see a failure, and the log where it was (not what was said).
            log.exception("action.bug", action=name, turn=str(turn_id))
            return web.json_response({"error": "internal", "action_name": name}, status=500)

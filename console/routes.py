"""Every route of the console, and who may ask for it. The security walk of the tests reads this table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from bot.staff import Role, SignInStep

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
EVERYBODY: frozenset[Role] = frozenset(Role)
# Whoever works with people. An administrator and the law department have no business with their words.
WORKERS = EVERYBODY - {Role.ADMIN, Role.REVIEWER}
DOCTOR_READERS = WORKERS - {Role.CARE}  # the care team looks after patients
MEETING_READERS = DOCTOR_READERS - {Role.PV}
SPEAKERS = frozenset({Role.REP, Role.MANAGER, Role.MEDICAL, Role.PV})
VISITORS = frozenset({Role.REP, Role.MANAGER})
REVIEWERS = frozenset({Role.REP, Role.MANAGER})  # of the summaries of visits
CRM_KEEPERS = frozenset({Role.MANAGER, Role.ADMIN})  # of what a CRM is told
# Of questions to medical information: who reads them, answers them, and reviews an answer of somebody else.
REQUEST_READERS = frozenset({Role.MEDICAL, Role.REVIEWER, Role.PV, Role.COMPLIANCE, Role.AUDITOR})
ANSWERERS = frozenset({Role.MEDICAL})
ANSWER_REVIEWERS = frozenset({Role.MEDICAL, Role.REVIEWER})
HANDLERS = EVERYBODY - {Role.AUDITOR}


@dataclass(frozen=True, slots=True)
class Route:
    """`roles` empty: nobody needs to be signed in. `steps`: what a session may still lack."""

    method: str
    path: str
    handler: Handler
    roles: frozenset[Role] = frozenset()
    steps: frozenset[SignInStep] = frozenset({SignInStep.IN})
    live: bool = False  # a stream, or what a page fetches by itself: no use of the session


ROUTE: web.AppKey[dict[Any, Route]] = web.AppKey("routes", dict)


def add(app: web.Application, routes: list[Route]) -> None:
    table = {}
    for route in routes:
        table[app.router.add_route(route.method, route.path, route.handler)] = route
    app[ROUTE] = table


def route_of(request: web.Request, table: dict[Any, Route]) -> Route | None:
    """None: there is no such page, or not with this method."""
    return table.get(request.match_info.route)

"""The console as an application of aiohttp: who asks is found out here, and errors become pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING

import aiohttp_jinja2
import jinja2
import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from bot.desk import AWAY, Desk, ScanUrl
from bot.model import Account, Channel, Fault, MedrepError, Purpose
from bot.runtime.services import Services
from bot.settings import Settings
from bot.staff import Session, SignInStep, session_of
from console import (
    account,
    company,
    conversations,
    crm,
    day,
    doctors,
    files,
    meetings,
    own_visits,
    requests,
    sign_in,
    summaries,
    verifying,
    words,
)
from console.asking import ASKS, COMPANY, DESK, LIVE, SETTINGS, Asks, take_token
from console.guard import check_source, dress, origin_of
from console.live import Live
from console.routes import ROUTE, Route, add, route_of

if TYPE_CHECKING:
    from bot.single_sign_on import CompanyAccounts

log = structlog.get_logger()
LARGEST_BODY = 64 * 1024  # bytes; nothing is uploaded here
_WHERE = {
    SignInStep.CODE: "/console/code",
    SignInStep.PASSWORD: "/console/password",
    SignInStep.ENROL: "/console/enrol",
    SignInStep.IN: "/console/",
}


def routes() -> list[Route]:
    """Every route there is."""
    return [
        *sign_in.ROUTES,
        *company.ROUTES,
        *account.ROUTES,
        *day.ROUTES,
        *doctors.ROUTES,
        *verifying.ROUTES,
        *conversations.ROUTES,
        *summaries.ROUTES,
        *own_visits.ROUTES,
        *meetings.ROUTES,
        *crm.ROUTES,
        *requests.ROUTES,
        *files.ROUTES,
    ]


def build(
    settings: Settings, services: Services, live: Live, codes: Mapping[Account, ScanUrl] | None = None
) -> web.Application:
    """The console, to be mounted at `/console/`. `live` is told what changes; `codes`: see `Desk`."""
    app = web.Application(middlewares=[_guarded, _answered, _asked], client_max_size=LARGEST_BODY)
    app[DESK], app[LIVE], app[SETTINGS] = Desk(services, codes, _templates(settings)), live, settings
    app[COMPANY] = _company_accounts(settings)
    aiohttp_jinja2.setup(
        app,
        loader=jinja2.PackageLoader("console"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        filters=words.FILTERS,
    )
    add(app, routes())

    async def closed(_: web.Application) -> AsyncIterator[None]:
        yield
        await app[DESK].close()

    async def ending(_: web.Application) -> None:
        live.end()

    app.cleanup_ctx.append(closed)
    app.on_shutdown.append(ending)
    app.on_response_prepare.append(_dressed)
    return app


def _company_accounts(settings: Settings) -> CompanyAccounts | None:
    oidc = settings.accounts.oidc
    if oidc is None:
        return None
    from bot.single_sign_on import CompanyAccounts  # noqa: PLC0415 - slow to import, and few settings name it

    return CompanyAccounts(oidc, settings.base_url + company.BACK)


def _templates(settings: Settings) -> dict[str, frozenset[str]]:
    """What each account's template for service messages takes."""
    return {
        f"{Channel.WECHAT}:{name}": frozenset(account.templates[Purpose.SERVICE.value].fields)
        for name, account in settings.accounts.wechat.items()
        if Purpose.SERVICE.value in account.templates
    }


@web.middleware
async def _guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Where it comes from."""
    origin = origin_of(request, request.app[SETTINGS].public_url)
    request[ASKS] = Asks(origin)
    check_source(request, origin)
    return await handler(request)


async def _dressed(request: web.Request, response: web.StreamResponse) -> None:
    asks = request.get(ASKS)
    dress(response, https=asks is not None and asks.origin.scheme == "https")


@web.middleware
async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What goes wrong as a page, or as a line within one."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        status = error.status
    except MedrepError as error:
        status = _STATUS.get(error.fault, HTTPStatus.BAD_REQUEST)
    except AWAY:
        status = HTTPStatus.SERVICE_UNAVAILABLE
    except (ConnectionResetError, TimeoutError):
        raise
    except Exception:
        log.exception("console.failed", route=str(request.match_info.route.resource))
        status = HTTPStatus.INTERNAL_SERVER_ERROR
    asks = request[ASKS]
    context = {"status": int(status), "asks": asks, "words": words.of_status(int(status))}
    template = "error_line.html" if request.headers.get("HX-Request") else "error.html"
    return aiohttp_jinja2.render_template(template, request, context, status=int(status))


_STATUS = {
    Fault.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Fault.CONFLICT: HTTPStatus.CONFLICT,
    Fault.BUSY: HTTPStatus.TOO_MANY_REQUESTS,
    Fault.FORGED: HTTPStatus.FORBIDDEN,
}


@web.middleware
async def _asked(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Who asks, and whether they may."""
    route = route_of(request, request.app[ROUTE])
    if route is None or not route.roles:
        return await handler(request)
    asks = request[ASKS]
    session = await _session(request, live=route.live)
    if session is None:
        return _away(request, "/console/sign-in")
    asks.session = session
    if session.step not in route.steps:
        return _away(request, _WHERE[session.step])
    if not session.roles & route.roles:
        raise web.HTTPForbidden
    return await handler(request)


async def _session(request: web.Request, *, live: bool) -> Session | None:
    token = take_token(request)
    if token is None:
        return None
    session = await session_of(request.app[DESK].services.db, token, use=not live)
    if session is None or (session.demo and not demo_allowed(request)):
        return None
    return session


def demo_allowed(request: web.Request) -> bool:
    """Accounts of the demo are for this machine, and while the demo runs."""
    return bool(request[ASKS].origin.here and request.app[SETTINGS].sandbox)


def _away(request: web.Request, where: str) -> web.Response:
    """To another page, also for what asks from within one."""
    if request.headers.get("HX-Request") or request.headers.get("Accept") == "text/event-stream":
        return web.Response(status=HTTPStatus.UNAUTHORIZED, headers={"HX-Redirect": where})
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={hdrs.LOCATION: where})

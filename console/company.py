"""Signing in with the company's own account: there, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from bot.model import Fault, MedrepError
from bot.staff import let_in
from console.asking import COMPANY, DESK, drop_leaving, keep_leaving, take_leaving, to
from console.routes import Route
from console.sign_in import sign_in_page, signed_in

if TYPE_CHECKING:
    from bot.single_sign_on import CompanyAccounts

log = structlog.get_logger()
AWAY = "公司账号的登录服务暂时连不上，请稍后再试，或用密码登录。"
FAILED = "公司账号登录没有完成，请再试一次。"
NO_ACCOUNT = "您的公司账号还没有开通工作台，请联系管理员。"
BACK = "/console/sign-in/company/back"


async def leave(request: web.Request) -> web.StreamResponse:
    """To the provider. What must come back is sealed in a cookie of this browser."""
    company = _company(request)
    try:
        address, leaving = await company.leave()
    except MedrepError as error:
        return _failed(request, error)
    response = to(address)
    keep_leaving(response, leaving.seal(request.app[DESK].services.vault.keyring), company.lasts)
    return response


async def arrive(request: web.Request) -> web.StreamResponse:
    """Back from the provider. What was sealed is good once."""
    company, services = _company(request), request.app[DESK].services
    keyring, now = services.vault.keyring, services.clock.now()
    response: web.Response
    try:
        known = await company.arrive(keyring, take_leaving(request), request.query)
        try:
            token = await let_in(services.db, keyring, known, now)
        except MedrepError:
            response = sign_in_page(request, NO_ACCOUNT, 403)
        else:
            response = await signed_in(request, token)
    except MedrepError as error:
        response = _failed(request, error)
    drop_leaving(response)
    return response


def _company(request: web.Request) -> CompanyAccounts:
    company = request.app[COMPANY]
    if company is None:
        raise web.HTTPNotFound
    return company


def _failed(request: web.Request, error: MedrepError) -> web.Response:
    log.warning("console.company", fault=error.fault, why=error.detail)
    if error.fault == Fault.FORGED:
        return sign_in_page(request, FAILED, 401)
    return sign_in_page(request, AWAY, 503)


ROUTES = [Route("GET", "/sign-in/company", leave), Route("GET", "/sign-in/company/back", arrive)]

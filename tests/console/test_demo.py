"""The logins that `make run` prints, on the running service."""

from __future__ import annotations

import re

import aiohttp

from bot.staff import Role
from tests.console.conftest import Visitor
from tests.running import Service


def printed(service: Service) -> dict[str, tuple[str, str]]:
    """Login -> role and password, as the terminal shows them."""
    lines = re.findall(r"login +(\w+) +(\w+) +(\S+)$", service.terminal(), re.M)
    return {login: (role, password) for role, login, password in lines}


async def test_each_role_has_a_login_that_opens_the_console(
    service: Service, http: aiohttp.ClientSession
) -> None:
    logins = printed(service)
    assert f"{service.url}/console/" in service.terminal()
    assert {role for role, _ in logins.values()} == set(Role)
    rep = Visitor(http, service.url)
    await rep.sign_in("zhou", logins["zhou"][1])
    assert "陈甲" in await rep.get("/console/"), "a rep of the list, with their doctors"
    doctors = await rep.get("/console/doctors")
    assert "陈甲" in doctors and "赵丁" not in doctors
    medical = Visitor(http, service.url)
    await medical.sign_in("medical", logins["medical"][1])
    doctors = await medical.get("/console/doctors")
    assert "陈甲" in doctors and "赵丁" in doctors
    home = service.home / "demo-logins.csv"
    assert home.stat().st_mode & 0o077 == 0

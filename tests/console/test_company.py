"""Signing in with the company's accounts, against a provider that speaks OpenID Connect."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import pyotp
import pytest
from aiohttp import web
from joserfc.jwk import RSAKey

import console
from bot import staff
from bot.app import listen
from bot.endpoints import SingleSignOn
from bot.settings import Accounts, read_accounts, read_environment
from bot.staff import Role
from console.company import AWAY, BACK, FAILED, NO_ACCOUNT
from tests.console.conftest import Office, Visitor
from tests.console.provider import CLIENT, SECRET, Provider
from tests.console.test_sign_in import secret_of, where
from tests.running import free_ports

LEAVING = "__Host-medrep-leaving"


class Company:
    """The console with a provider beside it, and one colleague 'li', a rep."""

    def __init__(self, office: Office, provider: Provider, url: str) -> None:
        self.office, self.provider, self.url = office, provider, url

    async def leave(self) -> tuple[str, str]:
        """Where the browser is sent, and what it keeps."""
        async with self.office.http.get(
            f"{self.url}/console/sign-in/company", allow_redirects=False
        ) as answer:
            assert answer.status == 303, await answer.text()
            return answer.headers["Location"], answer.cookies[LEAVING].value

    async def back_from(self, address: str) -> str:
        """What the provider sends the browser back with."""
        async with self.office.http.get(address, allow_redirects=False) as answer:
            assert answer.status == 302, await answer.text()
            return urlsplit(answer.headers["Location"]).query

    async def arrive(self, query: str, kept: str, token: str = "") -> tuple[int, str, str]:
        """(status, token of the session, body)."""
        cookie = f"{LEAVING}={kept}" + (f"; __Host-medrep={token}" if token else "")
        async with self.office.http.get(
            f"{self.url}{BACK}?{query}",
            headers={
                "Cookie": cookie,
                "Sec-Fetch-Site": "cross-site",
                "Sec-Fetch-Mode": "navigate",
                "Sec-Fetch-Dest": "document",
            },
            allow_redirects=False,
        ) as answer:
            assert answer.cookies[LEAVING].value == "", "what was sealed is good once"
            session = answer.cookies.get("__Host-medrep")
            return answer.status, session.value if session else "", await answer.text()

    async def sign_in(self, token: str = "") -> tuple[int, str, str]:
        address, kept = await self.leave()
        return await self.arrive(await self.back_from(address), kept, token)

    def visitor(self, token: str) -> Visitor:
        return Visitor(self.office.http, self.url, token)


@pytest.fixture
async def company(office: Office) -> AsyncIterator[Company]:
    async with AsyncExitStack() as stack:
        provider_port, port = free_ports(2)
        provider = Provider(url=f"http://127.0.0.1:{provider_port}")
        await listen(stack, provider.app(), "127.0.0.1", provider_port)
        services = office.stage.services
        oidc = SingleSignOn(issuer=provider.url, client_id=CLIENT, client_secret=SECRET)
        settings = read_environment(
            {"MEDREP_HOME": str(services.home), "MEDREP_SANDBOX": "1", "MEDREP_PORT": str(port)}
        ).model_copy(update={"accounts": Accounts(oidc=oidc)})
        app = web.Application()
        app.add_subapp("/console/", console.build(settings, services, office.stage.live))
        await listen(stack, app, "127.0.0.1", port)
        async with services.db.begin() as tx:
            await staff.add(tx, "li", [Role.REP], services.clock.now(), by="test")
        yield Company(office, provider, f"http://127.0.0.1:{port}")


async def test_a_colleague_signs_in_with_the_companys_account(company: Company) -> None:
    assert "用公司账号登录" in await company.visitor("").get("/console/sign-in")
    status, token, _ = await company.sign_in()
    assert status == 303
    assert await where(company.visitor(token)) == "", "no password of ours is asked for, not even chosen"
    facts = await company.office.stage.rows(
        "SELECT facts ->> 'login', facts ->> 'company' FROM evidence WHERE kind = 'staff.signed_in'"
    )
    assert facts == [("li", "true")]
    bound = await company.office.stage.rows("SELECT company_subject FROM staff WHERE login = 'li'")
    assert b"u-1" not in bytes(bound[0][0])
    again, newer, _ = await company.sign_in(token)
    assert (again, await where(company.visitor(newer))) == (303, "")
    assert await where(company.visitor(token)) == "/console/sign-in", "the session before is over"
    assert company.provider.calls.count("about") == 1, "the provider's addresses are known for an hour"


async def test_a_name_at_the_provider_that_changes_hands_opens_nothing(company: Company) -> None:
    assert (await company.sign_in())[0] == 303
    company.provider.person = {"sub": "u-2", "preferred_username": "li"}
    status, token, body = await company.sign_in()
    assert (status, token) == (403, "") and NO_ACCOUNT in body
    company.provider.person = {"sub": "u-1", "preferred_username": "li.new"}
    assert (await company.sign_in())[0] == 303, "who is married is still the same"
    services = company.office.stage.services
    async with services.db.begin() as tx:
        await staff.disable(tx, "li", services.clock.now(), by="test")
    assert (await company.sign_in())[0] == 403
    async with services.db.begin() as tx:
        await staff.add(tx, "li", [Role.REP], services.clock.now(), by="test")
    company.provider.person = {"sub": "u-2", "preferred_username": "li"}
    assert (await company.sign_in())[0] == 303, "whoever is added anew is bound anew"


async def test_whoever_is_disabled_opens_no_other_account_by_another_name(company: Company) -> None:
    """Theirs is bound to them until an administrator brings it back."""
    assert (await company.sign_in())[0] == 303
    services = company.office.stage.services
    async with services.db.begin() as tx:
        await staff.disable(tx, "li", services.clock.now(), by="test")
        await staff.add(tx, "wang", [Role.REP], services.clock.now(), by="test")
    company.provider.person = {"sub": "u-1", "preferred_username": "wang"}
    status, token, body = await company.sign_in()
    assert (status, token) == (403, "") and NO_ACCOUNT in body
    company.provider.person = {"sub": "u-2", "preferred_username": "wang"}
    assert (await company.sign_in())[0] == 303, "it is still free for who has that name"


@pytest.mark.parametrize("login", ["nobody", "zhou", "", None, 7, ["li"], "li\0"])
async def test_who_has_no_account_here_is_told_so(company: Company, login: Any) -> None:
    """zhou is an account of the demo, whose password is printed."""
    company.provider.person = {"sub": "u-9", "preferred_username": login}
    status, token, body = await company.sign_in()
    assert token == "" and (status, NO_ACCOUNT in body) in ((403, True), (401, False))
    assert not await company.office.stage.rows("SELECT 1 FROM staff WHERE company_subject IS NOT NULL")


@pytest.mark.parametrize(("amr", "then"), [(["pwd"], "/console/enrol"), (["pwd", "mfa"], "")])
async def test_a_second_factor_given_at_the_provider_is_one(
    company: Company, amr: list[str], then: str
) -> None:
    services = company.office.stage.services
    async with services.db.begin() as tx:
        await staff.add(tx, "chief", [Role.MEDICAL], services.clock.now(), by="test")
    company.provider.person = {"sub": "u-3", "preferred_username": "chief", "amr": amr}
    _, token, _ = await company.sign_in()
    visitor = company.visitor(token)
    assert await where(visitor) == then
    if then:
        await visitor.post("/console/enrol", code=pyotp.TOTP(await secret_of(visitor)).now())
        assert await where(visitor) == "", "still without a password of ours"
        _, token, _ = await company.sign_in()
        assert await where(company.visitor(token)) == "/console/code"


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another"},
        {"aud": ["medrep", "another"]},
        {"iss": "http://127.0.0.1:1"},
        {"nonce": "another"},
        {"nonce": None},
        {"exp": 1},
        {"exp": None},
        {"iat": 4102444800},
        {"sub": None},
        {"amr": "mfa"},
        {"azp": "another"},
    ],
)
async def test_a_token_that_is_not_for_us_opens_nothing(company: Company, claims: dict[str, Any]) -> None:
    company.provider.claims = claims
    status, token, body = await company.sign_in()
    assert (status, token) == (401, "") and FAILED in body


async def test_only_the_providers_key_signs_and_a_new_one_is_asked_for(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = company.provider
    assert (await company.sign_in())[0] == 303
    provider.shown, provider.key = provider.key, RSAKey.generate_key(2048, parameters={"kid": "1"})
    assert (await company.sign_in())[0] == 401
    assert provider.calls.count("keys") == 1, "not for each token that somebody makes up"
    provider.shown = None
    monkeypatch.setattr("bot.single_sign_on.provider._ANEW_AFTER", 0)
    assert (await company.sign_in())[0] == 303, "the provider has a new key"


async def test_what_comes_back_is_what_left_this_browser(company: Company) -> None:
    address, kept = await company.leave()
    query = await company.back_from(address)
    _, others = await company.leave()
    for cookie in ("", "00", "zz", kept[:-2] + "00", others):
        assert (await company.arrive(query, cookie))[:2] == (401, ""), cookie
    asked = {name: one for name, (one,) in parse_qs(query).items()}
    for wrong in (
        {"state": "x"},
        {"iss": "http://127.0.0.1:1"},
        {"code": "made-up"},
        {"code": ""},
        {"error": "access_denied"},
    ):
        assert (await company.arrive(urlencode({**asked, **wrong}), kept))[:2] == (401, ""), wrong
    assert (await company.arrive(query, kept))[0] == 303
    assert (await company.arrive(query, kept))[:2] == (401, ""), "a code is good once"


async def test_who_takes_too_long_begins_again(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.single_sign_on.provider._LASTS", -1)
    assert (await company.sign_in())[:2] == (401, "")


async def test_a_provider_that_is_away_leaves_the_password(company: Company) -> None:
    company.provider.away = True
    async with company.office.http.get(
        f"{company.url}/console/sign-in/company", allow_redirects=False
    ) as answer:
        assert answer.status == 503 and AWAY in await answer.text()
    company.provider.away = False
    assert (await company.sign_in())[0] == 303, "nothing wrong is remembered"


async def test_without_a_provider_there_is_no_such_page(office: Office, http: aiohttp.ClientSession) -> None:
    for path in ("/console/sign-in/company", BACK):
        assert (await office.visitor().ask("GET", path))[0] == 404
    assert "公司账号" not in await office.visitor().get("/console/sign-in")


def test_a_provider_without_https_is_refused(tmp_path: Any) -> None:
    file = tmp_path / "medrep.toml"
    table = '[oidc]\nissuer = "{}"\nclient_id = "a"\nclient_secret = "b"\n'
    file.write_text(table.format("http://login.example.com"))
    with pytest.raises(Exception, match=r"oidc\.issuer: must begin with https"):
        read_accounts(file)
    file.write_text(table.format("https://login.example.com"))
    accounts = read_accounts(file)
    assert accounts.oidc is not None and "'b'" not in repr(accounts)

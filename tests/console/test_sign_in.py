"""Who gets in, how far, and for how long."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pyotp
import pytest

from bot import staff
from bot.clock import real_now
from bot.staff import Role
from bot.store import staff as staff_rows
from tests.console.conftest import NAMES, PASSWORD, Office, Visitor

OWN = "correct horse battery"


async def add(office: Office, login: str, role: Role) -> str:
    async with office.stage.services.db.begin() as tx:
        return await staff.add(tx, login, [role], office.stage.services.clock.now(), by="test")


async def where(visitor: Visitor, path: str = "/console/") -> str:
    """Where the page leads instead; empty when it is shown."""
    status, _, headers = await visitor.ask("GET", path)
    assert status in (200, 303)
    return headers.get("Location", "")


async def secret_of(visitor: Visitor) -> str:
    shown = re.search(r"<code>([A-Z2-7 ]+)</code>", await visitor.get("/console/enrol"))
    assert shown is not None
    return shown[1].replace(" ", "")


async def test_a_rep_chooses_a_password_and_is_in(office: Office) -> None:
    one_time = await add(office, "li", Role.REP)
    visitor = office.visitor()
    assert await where(visitor) == "/console/sign-in"
    await visitor.sign_in("li", one_time)
    first = visitor.token
    assert await where(visitor) == "/console/password", "nothing else is open before"
    assert await where(visitor, "/console/doctors") == "/console/password"
    await visitor.post("/console/password", 422, password="short", again="short")
    await visitor.post("/console/password", 422, password=one_time, again=one_time)
    await visitor.post("/console/password", 422, password="li-li-li-li-li-li", again="li-li-li-li-li-li")
    await visitor.post("/console/password", 422, password=OWN, again=OWN + "!")
    await visitor.post("/console/password", password=OWN, again=OWN)
    assert await where(visitor) == ""
    assert visitor.token != first, "a new token"
    stale = Visitor(office.http, office.url, first)
    assert await where(stale) == "/console/sign-in", "the old one is void"
    await office.visitor().sign_in("li", one_time, 401)
    await office.visitor().sign_in("li", OWN)


async def test_who_reads_others_words_has_a_second_factor(office: Office) -> None:
    visitor = office.visitor()
    await visitor.sign_in("chief", await add(office, "chief", Role.MEDICAL))
    await visitor.post("/console/password", password=OWN, again=OWN)
    assert await where(visitor) == "/console/enrol"
    assert await where(visitor, "/console/conversations") == "/console/enrol"
    secret = await secret_of(visitor)
    assert await secret_of(visitor) == secret, "the same, looked at again"
    await visitor.post("/console/enrol", 401, code="000000")
    code = pyotp.TOTP(secret).now()
    await visitor.post("/console/enrol", code=code)
    assert await where(visitor) == ""

    again = office.visitor()
    await again.sign_in("chief", OWN)
    assert await where(again) == "/console/code", "the password alone opens nothing"
    await again.post("/console/code", 401, code=code)
    assert await where(again) == "/console/code", "no code is good twice"
    await office.stage.write("UPDATE staff SET totp_step = totp_step - 5 WHERE login = 'chief'")
    await again.post("/console/code", code=pyotp.TOTP(secret).now())
    assert await where(again) == ""
    stored = await office.stage.rows("SELECT totp_enc FROM staff WHERE login = 'chief'")
    assert secret.encode() not in bytes(stored[0][0])


async def test_guessing_ends_after_five_tries_whatever_is_guessed(office: Office) -> None:
    for _ in range(5):
        assert "登录名或密码不对" in await office.visitor().sign_in("zhou", "wrong", 401)
    assert "次数过多" in await office.visitor().sign_in("zhou", PASSWORD, 429)
    assert "次数过多" in await office.visitor().sign_in("ZHOU", "wrong", 429), "in capitals, too"
    for _ in range(5):
        assert "登录名或密码不对" in await office.visitor().sign_in("nobody", "wrong", 401)
    assert "次数过多" in await office.visitor().sign_in("nobody", "wrong", 429), "as if there were one"
    assert await office.stage.rows("SELECT facts ->> 'login' FROM evidence WHERE kind = 'staff.locked'") == [
        ("zhou",)
    ]
    await office.stage.write("UPDATE attempt SET at = at - interval '16 min'")
    await office.visitor().sign_in("zhou", PASSWORD)


async def test_many_logins_are_not_guessed_from_one_address(office: Office) -> None:
    for login in (*NAMES, "alien"):
        for _ in range(4):
            status, _, _ = await office.visitor().ask(
                "POST", "/console/sign-in", data={"login": login, "password": "x"}
            )
    assert status == 429
    await office.visitor().sign_in("wu", PASSWORD, 429)


@pytest.mark.parametrize("way", ["reset", "disable", "out", "everywhere", "role"])
async def test_a_session_ends_at_once(office: Office, way: str) -> None:
    visitor, other = await office.as_("zhou"), await office.as_("zhou")
    now, db = office.stage.services.clock.now(), office.stage.services.db
    if way in ("out", "everywhere"):
        await visitor.post("/console/sign-out" if way == "out" else "/console/sign-out-everywhere")
        visitor.token = visitor.token or "gone"
        assert await where(other) == ("" if way == "out" else "/console/sign-in")
        return
    async with db.begin() as tx:
        if way == "reset":
            await staff.reset(tx, "zhou", now, by="test")
        elif way == "disable":
            await staff.disable(tx, "zhou", now, by="test")
        else:
            (row,) = await staff_rows.read(tx, "zhou")
    if way == "role":
        await office.stage.write("UPDATE staff_role SET role = 'admin' WHERE staff_id = :id", id=row.id)
        assert (await visitor.ask("GET", "/console/doctors"))[0] == 403, "what they may is read each time"
        return
    assert await where(visitor) == "/console/sign-in"
    assert await where(other) == "/console/sign-in"


@pytest.mark.parametrize(
    ("column", "moved", "alive"),
    [
        ("seen_at", timedelta(minutes=31), False),
        ("seen_at", timedelta(minutes=29), True),
        ("expires_at", timedelta(hours=12), False),
        ("expires_at", timedelta(hours=11), True),
    ],
)
async def test_idle_or_old_sessions_are_over(
    office: Office, column: str, moved: timedelta, alive: bool
) -> None:
    visitor = await office.as_("zhou")
    await office.stage.write(f"UPDATE staff_session SET {column} = {column} - :moved", moved=moved)  # noqa: S608
    assert (await where(visitor) == "") is alive


async def test_what_a_page_fetches_by_itself_keeps_no_session_alive(office: Office) -> None:
    visitor = await office.as_("zhou")

    async def seen() -> datetime:
        found: datetime = (await office.stage.rows("SELECT seen_at FROM staff_session"))[0][0]
        return found

    await office.stage.write("UPDATE staff_session SET seen_at = seen_at - interval '10 min'")
    before = await seen()
    await visitor.get("/console/day/part")
    assert await seen() == before
    await visitor.get("/console/")
    assert real_now() - await seen() < timedelta(minutes=1)


async def test_the_cookie_is_for_this_host_and_no_script(office: Office) -> None:
    status, _, headers = await office.visitor().ask(
        "POST", "/console/sign-in", data={"login": "zhou", "password": PASSWORD}
    )
    assert status == 303
    cookie = headers["Set-Cookie"]
    assert cookie.startswith("__Host-medrep=")
    assert {part.strip().split("=")[0] for part in cookie.split(";")[1:]} == {
        "HttpOnly", "Path", "SameSite", "Secure",
    }  # fmt: skip
    assert "Path=/;" in cookie + ";" and "Domain" not in cookie
    stored = await office.stage.rows("SELECT token_hash FROM staff_session")
    token = cookie.partition("=")[2].partition(";")[0]
    assert token.encode() not in b"".join(bytes(one[0]) for one in stored)


async def test_accounts_of_the_demo_are_for_this_machine_alone(office: Office) -> None:
    visitor = await office.as_("zhou")
    elsewhere = Visitor(office.http, office.url, visitor.token)
    elsewhere.headers |= {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    assert (await elsewhere.ask("GET", "/console/"))[0] == 403, "nor under a name that is not configured"

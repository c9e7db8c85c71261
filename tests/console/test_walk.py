"""Every route, asked by nobody, by every role, for one's own and for another rep's; and from other sites."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from bot.clock import CHINA, real_now
from bot.staff import SignInStep
from bot.tasks import Kind, open_task
from bot.visits import OwnVisitEntry, log_own_visit
from console.app import routes
from console.guard import HEADERS
from console.routes import Route
from console.words import word
from tests.console.conftest import NAMES, Office, Visitor
from tests.medical import asked
from tests.meetings.hall import LECTURE, announce, meeting
from tests.summaries import summarised

ROUTES = routes()
# Whose doctor each role may open, of the two reps' doctors, of somebody on no list, of a patient.
SEEN = {
    "zhou": {"zhou"},
    "wu": {"wu"},
    "zheng": {"zhou", "wu", "newcomer"},
    "feng": {"patient"},
    "wei": {"zhou", "wu", "newcomer"},
    "jiang": {"zhou", "wu", "newcomer", "patient"},
    "shen": {"zhou", "wu", "newcomer", "patient"},
    "han": set(),
    "yang": set(),
    "zhu": {"zhou", "wu", "newcomer", "patient"},
}
ENDS = {"/sign-out", "/sign-out-everywhere", "/sign-in"}  # they change who asks


def path_of(route: Route, **values: Any) -> str:
    given = {
        "contact": 1,
        "task": 1,
        "suggestion": 1,
        "visit": 1,
        "request": 1,
        "kind": "docx",
        "delivery": 1,
        "own": 1,
        "person": "0" * 32,
        "name": "console.css",
        "item": "nothing-of-ours",
        "message": 1,
        "invited": 9,
        **values,
    }
    return "/console" + re.sub(r"\{(\w+)\}", lambda match: str(given[match[1]]), route.path)


async def logged_visit(office: Office, whose: str) -> int:
    """A visit that a rep made to their doctor."""
    services, now = office.stage.services, office.stage.services.clock.now()
    async with services.db.begin() as tx:
        entry = OwnVisitEntry(now, "门诊", "二甲双胍", "谈了肾功能不全患者的用法。", "")
        return await log_own_visit(tx, services.vault, office.doctors[whose], entry, whose, now)


def answer_to(route: Route) -> tuple[int, ...]:
    """To who may, and sees the row: a mark of nothing fits a contact that nothing was said to; no content is
    in force here but a meeting, so no visit begins and nothing is sent; who is verified is not invited; there
    is no suggestion, no message and no invitation of a colleague's, and no field of a visit is filled."""
    if "{person}" not in route.path:
        return 200, 303, 409, 422
    posts = {
        "visit": 409,
        "send": 409,
        "invitation": 409,
        "appointment": 303,
        "meeting": 303,
        "own-visits": 422,
        "watch": 200,
    }
    return (200 if route.method == "GET" else posts.get(route.path.rpartition("/")[2], 404),)


async def status(visitor: Visitor, route: Route, **values: Any) -> int:
    """Of asking with a form that every route can read."""
    form = {"mark": "0-0-0", "text": "您好", "code": "1", "password": "x", "version": "1", "part": "0"}
    form |= {"step": "0", "to": "wei"}
    at = (real_now() + timedelta(days=3)).astimezone(CHINA).replace(hour=12)
    dealt = {
        "item": "x",
        "kind": "call",
        "at": at.isoformat(),
        "seen": "x",
        "doctor": "T-1",
        "meeting": LECTURE,
    }
    data = {**form, **dealt, "reason": "笔误"} if route.method == "POST" else None
    return (await visitor.ask(route.method, path_of(route, **values), data=data))[0]


def test_no_route_is_open_but_signing_in_and_what_browsers_fetch() -> None:
    assert {(route.method, route.path) for route in ROUTES if not route.roles} == {
        ("GET", "/sign-in"),
        ("POST", "/sign-in"),
        ("GET", "/sign-in/company"),
        ("GET", "/sign-in/company/back"),
        ("GET", "/static/{name}"),
    }
    assert max(Counter((route.method, route.path) for route in ROUTES).values()) == 1


async def test_nobody_gets_to_any_page(office: Office) -> None:
    for token in ("", "forged", "x" * 5000):
        visitor = office.visitor()
        visitor.token = token
        for route in ROUTES:
            if route.roles:
                found, body, headers = await visitor.ask(route.method, path_of(route))
                assert (found, headers.get("Location"), body) == (303, "/console/sign-in", ""), route.path


@pytest.mark.parametrize("login", NAMES)
async def test_every_role_gets_to_its_routes_and_its_people_alone(office: Office, login: str) -> None:
    role, _ = NAMES[login]
    services = office.stage.services
    await announce(office.stage, meeting(at=services.clock.now() + timedelta(days=7)))
    rows: dict[str, dict[str, Any]] = {
        "contact": {whose: one.id for whose, one in office.contacts.items()},
        "visit": {whose: await summarised(services, one) for whose, one in office.contacts.items()},
        "own": {whose: await logged_visit(office, whose) for whose in office.doctors},
        "person": dict(office.doctors),
    }
    visitor = await office.as_(login)
    answers = {}
    for route in (one for one in ROUTES if "{request}" not in one.path):
        if route.path in ENDS or "live" in route.path or SignInStep.IN not in route.steps:
            continue
        allowed = not route.roles or role in route.roles
        named = next((name for name in rows if f"{{{name}}}" in route.path), None)
        if named is not None:
            for whose, row in rows[named].items():
                found = await status(visitor, route, **{named: row})
                wanted = (403,) if not allowed else answer_to(route) if whose in SEEN[login] else (404,)
                assert found in wanted, (route.path, whose, found)
        else:
            found = await status(visitor, route)
            answers[route.method, route.path] = found
            assert (found == 403) is not allowed, (route.method, route.path, found)
            assert found < 500
    assert answers["GET", "/"] == 200
    first = await visitor.get("/console/")
    assert word(role, "work") in first, "it says what is done here"
    assert ("等人工回复" in first) is (role in {"rep", "manager", "care", "auditor"}), (
        "to no other anybody waits"
    )


@pytest.mark.parametrize("login", NAMES)
async def test_a_question_to_medical_information_is_for_its_readers(office: Office, login: str) -> None:
    question = await asked(office.stage.services, office.contacts["wu"])
    visitor, (role, _) = await office.as_(login), NAMES[login]
    for route in (one for one in ROUTES if "{request}" in one.path):
        found = await status(visitor, route, request=question)
        assert found in ((200, 303, 409, 422) if role in route.roles else (403,)), (route.path, found)


@pytest.mark.parametrize("login", NAMES)
async def test_a_task_is_done_by_whom_it_is_for(office: Office, login: str) -> None:
    services, now = office.stage.services, office.stage.services.clock.now()
    made = {}
    async with services.db.begin() as tx:
        for kind in (
            Kind.HAND_OVER,
            Kind.MEDICAL_INFORMATION,
            Kind.ADVERSE_EVENT,
            Kind.COMPLIANCE,
            Kind.PLATFORM,
        ):
            contact = office.contacts["wu"]
            made[kind], _ = await open_task(tx, services.vault, kind, now=now, contact=contact)
    theirs = {
        "wu": {Kind.HAND_OVER},
        "zheng": {Kind.HAND_OVER},
        "wei": {Kind.MEDICAL_INFORMATION},
        "jiang": {Kind.ADVERSE_EVENT},
        "shen": {Kind.COMPLIANCE},
        "yang": {Kind.PLATFORM},
    }.get(login, set())
    visitor = await office.as_(login)
    done = {
        kind
        for kind, number in made.items()
        if (await visitor.ask("POST", f"/console/tasks/{number}/acknowledge"))[0] == 303
    }
    assert done == theirs
    states = await office.stage.rows("SELECT kind FROM task WHERE state = 'acknowledged'")
    assert {kind for (kind,) in states} == theirs


UNSAFE = [
    ({"Sec-Fetch-Site": "same-origin"}, True),
    ({"Sec-Fetch-Site": "cross-site"}, False),
    ({"Sec-Fetch-Site": "same-site"}, False),
    ({"Sec-Fetch-Site": "none"}, False),
    ({"Sec-Fetch-Site": "cross-site", "Origin": "HERE"}, False),
    ({"Origin": "HERE"}, True),
    ({"Origin": "http://evil.example"}, False),
    ({"Origin": "null"}, False),
    ({}, False),
]


@pytest.mark.parametrize(("headers", "allowed"), UNSAFE)
async def test_what_changes_something_comes_from_a_page_of_ours(
    office: Office, headers: dict[str, str], allowed: bool
) -> None:
    # each asked by somebody whose it is; an administrator replays what a CRM was told
    visitors = [await office.as_(login) for login in ("zhou", "wei", "yang")]
    for visitor in visitors:
        given = {name: office.url if value == "HERE" else value for name, value in headers.items()}
        visitor.headers = given
    changing = [one for one in ROUTES if one.method != "GET" and one.path not in ENDS]
    refused = 0
    for route in changing:
        roles = [role for role in ("rep", "medical", "admin") if not route.roles or role in route.roles]
        visitor = visitors[("rep", "medical", "admin").index(roles[0])]
        refused += await status(visitor, route, contact=office.contacts["zhou"].id) == 403
    assert refused == (0 if allowed else len(changing))


@pytest.mark.parametrize(
    ("mode", "dest", "allowed"),
    [
        ("navigate", "document", True),
        ("navigate", "iframe", False),
        ("no-cors", "image", False),
        ("cors", "empty", False),
    ],
)
async def test_another_site_may_link_to_a_page_and_nothing_else(
    office: Office, mode: str, dest: str, allowed: bool
) -> None:
    visitor = await office.as_("zhou")
    visitor.headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}
    assert (await visitor.ask("GET", "/console/"))[0] == (200 if allowed else 403)


@pytest.mark.parametrize(
    "path",
    ["/", "/sign-in", "/nothing", "/doctors/x", "/static/console.css", "/static/../app.py", "/day/live"],
)
async def test_every_answer_carries_its_headers(office: Office, path: str) -> None:
    _, body, headers = await (await office.as_("zhou")).ask("GET", "/console" + path)
    assert {name: headers.get(name) for name in HEADERS} == HEADERS
    assert headers["Cache-Control"] in ("no-store", "no-cache")
    policy = headers["Content-Security-Policy"]
    assert "unsafe" not in policy and "default-src 'none'" in policy
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|<style", body), "nothing inline"


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"Host": "evil.example"}, 403),
        ({"X-Forwarded-For": "203.0.113.9"}, 403),
        ({"X-Forwarded-Proto": "https"}, 403),
        ({"Forwarded": "for=203.0.113.9"}, 403),
    ],
)
async def test_plain_http_and_other_names_are_for_nobody(
    office: Office, headers: dict[str, str], found: int
) -> None:
    visitor = office.visitor()
    visitor.headers |= headers
    assert (await visitor.ask("GET", "/console/sign-in"))[0] == found


async def test_a_doctor_named_as_an_attacker_would_be_is_a_name(office: Office) -> None:
    visitor = await office.as_("zhou")
    contact = office.contacts["zhou"].id
    for path in (
        "/",
        "/doctors",
        "/conversations",
        f"/conversations/{contact}",
        f"/doctors/{office.doctors['zhou']}",
        "/doctors?q=%3Cscript%3E",
    ):
        body = await visitor.get("/console" + path)
        assert "&lt;script&gt;" in body, path
        assert "<script>alert" not in body, path


async def test_what_is_too_large_or_broken_is_refused(office: Office) -> None:
    visitor = await office.as_("zhou")
    contact = office.contacts["zhou"].id
    await visitor.post(f"/console/conversations/{contact}/watch", 413, text="好" * 5000)
    await visitor.post(f"/console/conversations/{contact}/watch", 413, text="x" * 70_000)
    await visitor.post(f"/console/conversations/{contact}/claim", 400, mark="x")
    await visitor.get("/console/conversations/abc", 404)
    await visitor.get("/console/conversations/99999999999999999999", 404)
    await visitor.get("/console/conversations?filter=nothing&q=%00%25_", 200)
    await visitor.get(f"/console/conversations/{contact}?before=yesterday")

"""A search in conversations: what a page opens, and where the next one goes on."""

from __future__ import annotations

import html
import json
import re
from datetime import datetime, timedelta
from urllib.parse import quote

import pytest

from bot.model import Basis, BasisKind, Purpose
from bot.privacy import erase_person
from bot.store.contact_keys import key_of
from bot.store.outbox import Draft, Part
from console.words import excerpt
from tests.console.conftest import Office, Visitor

WORD = "肌酐清除率"
BASIS = Basis(BasisKind.PERSON, "zhou")


async def hear(office: Office, whose: str, text: str, at: datetime, *, ascii_only: bool = True) -> str:
    """They said it then."""
    services, contact = office.stage.services, office.contacts[whose]
    async with services.db.begin() as tx:
        key = await key_of(tx, services.vault, contact)
        plain = json.dumps({"text": text, "choice": "", "detail": {}}, ensure_ascii=ascii_only)
        sealed = await services.vault.seal(tx, key, plain, "inbox.body")
    await office.stage.write(
        "INSERT INTO inbox (channel, account, key, contact_id, person_id, kind, body_enc, received_at, "
        "state, ready_at) VALUES ('wechat', 'sandbox', gen_random_uuid()::text, :contact, :person, 'text', "
        ":body, :at, 'done', :at)",
        contact=contact.id, person=contact.person_id, body=sealed, at=at,
    )  # fmt: skip
    ((number,),) = await office.stage.rows("SELECT max(id) FROM inbox")
    return f"in-{number}"


async def say(office: Office, whose: str, text: str, at: datetime) -> str:
    """They were told it then."""
    async with office.stage.services.db.begin() as tx:
        draft = Draft((Part(text, BASIS),), Purpose.REPLY)
        number = await office.stage.queue_in(tx, office.contacts[whose], draft)
    await office.stage.write("UPDATE outbox SET created_at = :at WHERE id = :id", at=at, id=number)
    return f"out-{number}"


def hits(body: str) -> list[str]:
    return re.findall(r"#((?:in|out)-\d+)\"", body)


def further(body: str) -> str:
    """Where the search goes on; empty: it does not."""
    found = re.search(r'hx-get="([^"]+)"', body.partition('id="further"')[2])
    return html.unescape(found[1]) if found else ""


def opened(body: str) -> int:
    """How many messages the page says that it has opened."""
    return sum(map(int, re.findall(r"(?:已查最近|又往前查了) (\d+) 条消息", body)))


async def whole(visitor: Visitor, body: str) -> tuple[list[str], int]:
    """What is found on this page and all that follow, and how many messages were opened for it."""
    found, count = hits(body), opened(body)
    while where := further(body):
        status, body, _ = await visitor.ask("GET", where, HX_Request="true")
        assert status == 200 and "<html" not in body
        found, count = found + hits(body), count + opened(body)
    return found, count


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of three messages."""
    monkeypatch.setattr("bot.desk.searching.MESSAGES", 3)


async def first(visitor: Visitor, words: str = WORD, more: str = "") -> str:
    return await visitor.get(f"/console/conversations?q={quote(words)}{more}")


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("step", [timedelta(0), timedelta(minutes=1), timedelta(minutes=-1)])
async def test_pages_of_a_search_neither_skip_nor_double(office: Office, step: timedelta) -> None:
    """Messages of the same time, of rising times, and numbered against their times."""
    now, made = office.stage.services.clock.now(), []
    for number in range(11):
        one = hear if number % 3 else say
        made.append(await one(office, "zhou", f"{WORD}第{number}句", now + number * step))
    await hear(office, "wu", f"{WORD}是别人的", now)
    visitor = await office.as_("zhou")
    found, count = await whole(visitor, await first(visitor))
    assert sorted(found) == sorted(made)
    assert count == 12, "each once, with what the doctor wrote at first"
    if step > timedelta(0):
        assert found == made[::-1], "the newest first"


@pytest.mark.usefixtures("small")
async def test_what_comes_between_two_pages_is_for_the_next_search(office: Office) -> None:
    now = office.stage.services.clock.now()
    made = [await hear(office, "zhou", f"{WORD}第{number}句", now) for number in range(5)]
    visitor = await office.as_("zhou")
    begun = await first(visitor)
    new = [await hear(office, "zhou", f"{WORD}新来的", now), await say(office, "zhou", WORD, now)]
    found, _ = await whole(visitor, begun)
    assert found == made[::-1]
    assert set((await whole(visitor, await first(visitor)))[0]) == {*made, *new}


@pytest.mark.usefixtures("small")
async def test_who_is_erased_between_two_pages_is_not_found_and_nobody_else_is_missed(
    office: Office,
) -> None:
    now, made = office.stage.services.clock.now(), []
    for number in range(8):
        made.append(await hear(office, ("zhou", "wu")[number % 2], f"{WORD}第{number}句", now))
    visitor = await office.as_("zheng")
    begun = await first(visitor)
    assert hits(begun) == made[:4:-1]
    await erase_person(office.stage.services, person_id=office.doctors["wu"], by="test")
    found, _ = await whole(visitor, begun)
    assert found[3:] == [one for at, one in enumerate(made[:5]) if at % 2 == 0][::-1]


async def test_a_page_ends_with_as_many_hits_as_it_shows(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.desk.searching.HITS", 2)
    now = office.stage.services.clock.now()
    made = [await hear(office, "zhou", f"{WORD}第{number}句", now) for number in range(5)]
    visitor = await office.as_("zhou")
    begun = await first(visitor)
    assert hits(begun) == made[:2:-1] and opened(begun) == 2
    assert (await whole(visitor, begun))[0] == made[::-1]


@pytest.mark.usefixtures("small")
async def test_what_is_withheld_does_not_show_in_where_a_page_ends(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else who may not read of money would learn that somebody speaks of it."""
    monkeypatch.setattr("bot.desk.searching.HITS", 1)
    now = office.stage.services.clock.now()
    for number in range(6):
        await hear(office, "zhou", f"{WORD}第{number}句", now)
    await office.stage.write('UPDATE inbox SET screening = \'{"money": "x"}\'')
    for login, found in (("zhou", 0), ("shen", 6)):
        visitor = await office.as_(login)
        begun = await first(visitor)
        assert opened(begun) == (1 if found else 3), login
        assert len((await whole(visitor, begun))[0]) == found, login


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("率", 1),
        ("肌" * 500, 0),
        ("   ", None),
        ('说"好"', 1),
        ("\\n", 0),
        ("二十\n30", 1),
        ("%", 0),
        ("u808c", 0),
    ],
)
@pytest.mark.parametrize("ascii_only", [True, False])
async def test_any_words_may_be_searched_for(
    office: Office, words: str, found: int | None, ascii_only: bool
) -> None:
    now = office.stage.services.clock.now()
    text = f'{WORD}说"好"，<b>二十\n30'
    await hear(office, "zhou", text, now, ascii_only=ascii_only)
    body = await first(await office.as_("zhou"), words)
    if found is None:
        assert "已查" not in body and "<b>" not in body.partition("<main")[2], "no search, the list"
    else:
        assert len(hits(body)) == found
        assert "<b>二" not in body


async def test_another_reps_messages_are_never_found(office: Office) -> None:
    now = office.stage.services.clock.now()
    theirs = await hear(office, "wu", f"{WORD}是别人的", now)
    for more in ("", "&below=999999999999999999-999999999999999999", "&filter=unanswered"):
        assert hits(await first(await office.as_("zhou"), more=more)) == [], more
        assert hits(await first(await office.as_("wu"), more=more)) == [theirs], more


async def test_who_sees_more_than_a_page_asks_for_finds_all_of_it(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.desk.searching.NAMES", 1)
    now = office.stage.services.clock.now()
    made = [await hear(office, whose, WORD, now) for whose in ("zhou", "wu", "newcomer", "patient")]
    for login, found in (("zheng", made[:3]), ("feng", made[3:]), ("zhou", made[:1]), ("zhu", made)):
        visitor = await office.as_(login)
        assert set((await whole(visitor, await first(visitor)))[0]) == set(found), login
    assert "已查最近来信的 1 个对话" in await first(await office.as_("zheng"))


async def test_a_place_that_is_none_is_the_beginning(office: Office) -> None:
    now = office.stage.services.clock.now()
    made = await hear(office, "zhou", WORD, now)
    visitor = await office.as_("zhou")
    for below in ("x", "1", "1-", "-1-1", "9" * 19 + "-1", "1-1-1", "１-１"):
        assert hits(await first(visitor, more=f"&below={below}")) == [made], below
    assert hits(await first(visitor, more="&below=0-0")) == []


def test_an_excerpt_shows_the_words_and_escapes_the_rest() -> None:
    assert excerpt("短<b>的", "的") == "短&lt;b&gt;<mark>的</mark>"
    long = "前" * 100 + "<词>" + "后" * 100
    assert excerpt(long, "<词>") == "…" + "前" * 24 + "<mark>&lt;词&gt;</mark>" + "后" * 60 + "…"
    assert excerpt("一\n二", "一\n二") == "一 二", "not marked, and shown"

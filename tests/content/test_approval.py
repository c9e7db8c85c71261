"""Two reviewers, one medical and one legal, neither of them the author."""

from __future__ import annotations

import pytest

from bot import staff
from bot.content import approve, import_content
from bot.model import Fault, MedrepError
from bot.store.content import Revision
from tests.content.conftest import NOW, Shelf, changed


async def draft(shelf: Shelf, answer: str = "每日一次。", author: str = "author") -> Revision:
    async with shelf.db.begin() as tx:
        new = changed(shelf.content, "entries", shelf.entries[0], answer=answer)
        (made,) = (await import_content(tx, new, author, NOW)).drafts
    return made


async def approved(shelf: Shelf, revision: int, login: str) -> tuple[str, str]:
    """(state, what it lacks) after this colleague approved."""
    async with shelf.db.begin() as tx:
        ((one, missing),) = await approve(tx, [revision], login, NOW)
    return one.state, missing


async def test_both_reviews_are_needed(shelf: Shelf) -> None:
    made = await draft(shelf)
    assert await approved(shelf, made.id, "yi-xue") == ("draft", "legal approval")
    assert await approved(shelf, made.id, "yi-xue") == ("draft", "legal approval"), "twice is once"
    assert await approved(shelf, made.id, "fa-wu") == ("approved", "")
    facts = (await shelf.facts("content.approved"))[-1]
    assert (facts["login"], facts["roles"]) == ("fa-wu", ["legal"])
    assert facts["revisions"][0].startswith(f"entries {shelf.entries[0]}@2 ")


async def test_one_person_with_both_roles_is_one_person(shelf: Shelf) -> None:
    made = await draft(shelf)
    assert await approved(shelf, made.id, "both") == ("draft", "a second reviewer")
    assert await approved(shelf, made.id, "yi-xue") == ("approved", "")


@pytest.mark.parametrize(
    ("login", "fault"),
    [
        ("wu-rep", Fault.CONFLICT),
        ("pv-1", Fault.CONFLICT),
        ("nobody", Fault.NOT_FOUND),
        ("li-author", Fault.CONFLICT),
        ("gone", Fault.CONFLICT),
    ],
)
async def test_who_may_not(shelf: Shelf, login: str, fault: Fault) -> None:
    """A rep, pharmacovigilance, nobody, the author, somebody disabled."""
    made = await draft(shelf, author="li-author")
    async with shelf.db.begin() as tx:
        await staff.add(tx, "gone", [staff.Role.MEDICAL], NOW, by="test")
        await staff.disable(tx, "gone", NOW, by="test")
    with pytest.raises(MedrepError) as refused:
        await approved(shelf, made.id, login)
    assert refused.value.fault == fault
    assert (await shelf.revision(shelf.entries[0])).state == "draft"


async def test_a_draft_that_gave_way_is_not_approved(shelf: Shelf) -> None:
    made = await draft(shelf)
    await approved(shelf, made.id, "yi-xue")
    newer = await draft(shelf, "每日两次。")
    with pytest.raises(MedrepError, match="newer draft"):
        await approved(shelf, made.id, "fa-wu")
    assert await approved(shelf, newer.id, "fa-wu") == ("draft", "medical approval"), "nothing is handed on"

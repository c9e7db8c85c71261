"""Approval: a medical and a legal reviewer, two people, neither of them the author."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from bot import staff
from bot.content.editions import digest
from bot.evidence import note
from bot.model import Fault, MedrepError
from bot.staff import Role
from bot.store import content as store
from bot.store.content import Approval, Revision
from bot.store.database import Tx

MEDICAL, LEGAL = "medical", "legal"
REVIEWS = {Role.MEDICAL: MEDICAL, Role.REVIEWER: LEGAL}  # the colleague's role -> the review


def lacking(approvals: Collection[Approval]) -> str:
    """Which review is missing: "" when there are both, by two people."""
    medical = {one.login for one in approvals if one.role == MEDICAL}
    legal = {one.login for one in approvals if one.role == LEGAL}
    if any(one != other for one in medical for other in legal):
        return ""
    if medical and legal:
        return "a second reviewer"  # one person with both roles
    missing = [name for name, logins in ((MEDICAL, medical), (LEGAL, legal)) if not logins]
    return " and ".join(missing) + " approval"


async def approve(tx: Tx, revisions: Sequence[int], login: str, now: datetime) -> list[tuple[Revision, str]]:
    """Approve as this colleague, in each role of a reviewer they have; the revisions with what they lack.

    Raises MedrepError: NOT_FOUND, CONFLICT (no reviewer, the author, a revision that cannot be).
    """
    await store.lock(tx)
    colleague = await staff.colleague(tx, login, REVIEWS)
    roles = [review for role, review in REVIEWS.items() if role in colleague.roles]
    found = await named(tx, revisions)
    if wrong := [why for one in found if (why := _refusal(one, login))]:
        raise MedrepError(Fault.CONFLICT, "\n".join(wrong))
    await give(tx, found, sorted(roles), login, colleague.name, now)
    approvals = await store.approvals(tx, revisions)
    left = {one.id: lacking(approvals[one.id]) for one in found}
    await store.mark_approved(tx, [one for one, missing in left.items() if not missing])
    return [(one, left[one.id]) for one in await named(tx, revisions)]


async def give(
    tx: Tx, revisions: Sequence[Revision], roles: Sequence[str], login: str, name: str, now: datetime
) -> None:
    """Record approvals, whoever may give them."""
    given = [Approval(one.id, role, login, name, now) for one in revisions for role in roles]
    await store.approve(tx, given)
    texts = [digest(one) for one in revisions]
    subject, kind = "content", "content.approved"
    await note(tx, kind, now, subject, login=login, name=name, roles=list(roles), revisions=texts)


async def named(tx: Tx, revisions: Iterable[int]) -> list[Revision]:
    """These revisions. Raises MedrepError(NOT_FOUND)."""
    wanted = set(revisions)
    found = await store.by_ids(tx, wanted)
    if missing := wanted - {one.id for one in found}:
        raise MedrepError(Fault.NOT_FOUND, f"no revision {', '.join(map(str, sorted(missing)))}")
    return found


def _refusal(revision: Revision, login: str) -> str:
    if revision.author == login:
        return f"{revision}: {login} wrote it; somebody else approves"
    if revision.withdrawn_at is not None:
        return f"{revision}: it was withdrawn"
    if revision.state == store.RETIRED and revision.published_at is None:
        return f"{revision}: a newer draft took its place"
    return ""

"""An off-label question and its answer leave no trace in what we know of a doctor."""

from __future__ import annotations

from datetime import timedelta

from bot import medical_information, profiles
from bot.content import seed_content
from bot.staff import Role
from tests.medical import approved, asked, colleague
from tests.profiles.conftest import Clinic


async def test_neither_question_nor_answer_becomes_a_tag_a_score_or_a_suggestion(clinic: Clinic) -> None:
    """Six of them, answered in the chat, beside an ordinary doctor's two answered questions, which do."""
    services, doctor = clinic.services, await clinic.listed(1)
    contact = await clinic.contact(1)
    await seed_content(services.db, clinic.now)
    for login in ("wen", "shu"):
        await colleague(services, login, Role.MEDICAL)
    for days in range(6):
        at = clinic.now - timedelta(days=days)
        await clinic.wrote(1, at, route="medical_information")
        await clinic.wrote(1, at, actions=("action_choose",))  # 「电话」, how they want the answer
        row = await approved(services, await asked(services, contact), "wen", "shu")
        await clinic.rows(
            "UPDATE outbox SET state = 'sent', sent_at = now() WHERE id = :id RETURNING id", id=row
        )
    await medical_information.settle(services)
    assert await clinic.rows("SELECT DISTINCT state FROM medical_request") == [("answered",)]
    await clinic.derived()
    profile = await clinic.profile(doctor)
    assert [tag for tag in profile["tags"] if tag["source"] != "import"] == []
    assert profile["score"]["points"] == 0 and profile["score"]["tier"] == ""
    async with services.db.begin() as tx:
        assert await profiles.make_suggestions(tx, clinic.now) == 0
    for table in ("profile_event", "suggestion"):
        assert await clinic.rows(f"SELECT count(*) FROM {table}") == [(0,)]  # noqa: S608

"""Automated visits of doctors: plans, their course, and what is told of them."""

from bot.store.contacting import OpenWindow
from bot.store.visits import VisitRow
from bot.visits.answers import asks, is_somebody_else, objection_of, objection_question, value_of
from bot.visits.choosing import (
    form_for,
    message_for,
    plan_for,
    product_id_of,
    product_of,
    spoke_before,
)
from bot.visits.course import (
    Ending,
    Step,
    ask_step,
    begin_now,
    end,
    ended_in,
    move,
    notice,
    open_visit,
    plan_visit,
    request_visit,
    told,
    unclear,
)
from bot.visits.differences import SentenceDifference, changed_sentences
from bot.visits.doctor_now import read_doctor
from bot.visits.document import SummaryDocument, as_docx, as_json, request_numbers
from bot.visits.pacing import Begin, DoctorNow, Never, VisitTerms, Wait, pace
from bot.visits.plans import import_plans, read_plans, seed_plans, set_automatic, stop_plan
from bot.visits.review import (
    LINES,
    LONGEST_REASON,
    LONGEST_SENTENCE,
    OPEN_STATES,
    REVIEWERS,
    ReviewState,
    SentenceChange,
    amend,
    approve,
    edit,
)
from bot.visits.summary import Summary, summaries_of, write_summaries
from bot.visits.tidying import EVERY, look_after, tidy_visits
from bot.visits.when import meant, time_for

__all__ = [
    "EVERY",
    "LINES",
    "LONGEST_REASON",
    "LONGEST_SENTENCE",
    "OPEN_STATES",
    "REVIEWERS",
    "Begin",
    "DoctorNow",
    "Ending",
    "Never",
    "OpenWindow",
    "ReviewState",
    "SentenceChange",
    "SentenceDifference",
    "Step",
    "Summary",
    "SummaryDocument",
    "VisitRow",
    "VisitTerms",
    "Wait",
    "amend",
    "approve",
    "as_docx",
    "as_json",
    "ask_step",
    "asks",
    "begin_now",
    "changed_sentences",
    "edit",
    "end",
    "ended_in",
    "form_for",
    "import_plans",
    "is_somebody_else",
    "look_after",
    "meant",
    "message_for",
    "move",
    "notice",
    "objection_of",
    "objection_question",
    "open_visit",
    "pace",
    "plan_for",
    "plan_visit",
    "product_id_of",
    "product_of",
    "read_doctor",
    "read_plans",
    "request_numbers",
    "request_visit",
    "seed_plans",
    "set_automatic",
    "spoke_before",
    "stop_plan",
    "summaries_of",
    "tidy_visits",
    "time_for",
    "told",
    "unclear",
    "value_of",
    "write_summaries",
]

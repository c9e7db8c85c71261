"""Automated visits of doctors: plans, their course, and what is told of them."""

from bot.store.contacting import OpenWindow
from bot.store.visits import VisitRow
from bot.visits.answers import asks, value_of
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
from bot.visits.differences import SentenceDifference, changed_fields, changed_sentences
from bot.visits.doctor_now import read_doctor
from bot.visits.document import SummaryDocument, as_docx, as_json, request_numbers
from bot.visits.handing_on import document_of, hand_on_own_visit, hand_on_summary, own_visit_told
from bot.visits.own_visits import (
    LONGEST_FIELD,
    OwnVisitEntry,
    amend_own_visit,
    approve_own_visit,
    edit_own_visit,
    log_own_visit,
)
from bot.visits.pacing import Begin, DoctorNow, Never, VisitTerms, Wait, pace
from bot.visits.phrasing import PHRASING, phrase_drafts
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
    "LONGEST_FIELD",
    "LONGEST_REASON",
    "LONGEST_SENTENCE",
    "OPEN_STATES",
    "PHRASING",
    "REVIEWERS",
    "Begin",
    "DoctorNow",
    "Ending",
    "Never",
    "OpenWindow",
    "OwnVisitEntry",
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
    "amend_own_visit",
    "approve",
    "approve_own_visit",
    "as_docx",
    "as_json",
    "ask_step",
    "asks",
    "begin_now",
    "changed_fields",
    "changed_sentences",
    "document_of",
    "edit",
    "edit_own_visit",
    "end",
    "ended_in",
    "form_for",
    "hand_on_own_visit",
    "hand_on_summary",
    "import_plans",
    "log_own_visit",
    "look_after",
    "meant",
    "message_for",
    "move",
    "notice",
    "open_visit",
    "own_visit_told",
    "pace",
    "phrase_drafts",
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

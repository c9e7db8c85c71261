"""What a colleague sees and does at the console, whatever shows it.

All is read as the console's role with the colleague's id (`Desk.reading`), so the database leaves in what
they may see; all is written through the rooms, after that right was asked (`acting`).
"""

from bot.desk.acting import acknowledge, claim, close, hand_back, reply
from bot.desk.chats import Chat, ChatRow, chat, chats
from bot.desk.day import Day, TaskLine, day
from bot.desk.doctors import DoctorPage, doctor, doctor_list
from bot.desk.reading import AWAY, CHANGED, Desk, Mark, standing, work_standing
from bot.desk.requests import (
    REQUEST_READERS,
    RequestPage,
    answer_told,
    approve_answer,
    assign_request,
    correct_request,
    offer_answer,
    quote_entry,
    request,
    requests,
    return_answer,
    save_answer,
    send_answer_again,
    watch_answer,
)
from bot.desk.summaries import (
    SummaryPage,
    amend_summary,
    approve_summary,
    edit_summary,
    summaries,
    summary,
    summary_file,
    watch_summary,
)
from bot.desk.visiting import Knowledge, VisitLine, VisitOffer, begin_visit, decide_suggestion
from bot.desk.watching import Flag, watch

__all__ = [
    "AWAY",
    "CHANGED",
    "REQUEST_READERS",
    "Chat",
    "ChatRow",
    "Day",
    "Desk",
    "DoctorPage",
    "Flag",
    "Knowledge",
    "Mark",
    "RequestPage",
    "SummaryPage",
    "TaskLine",
    "VisitLine",
    "VisitOffer",
    "acknowledge",
    "amend_summary",
    "answer_told",
    "approve_answer",
    "approve_summary",
    "assign_request",
    "begin_visit",
    "chat",
    "chats",
    "claim",
    "close",
    "correct_request",
    "day",
    "decide_suggestion",
    "doctor",
    "doctor_list",
    "edit_summary",
    "hand_back",
    "offer_answer",
    "quote_entry",
    "reply",
    "request",
    "requests",
    "return_answer",
    "save_answer",
    "send_answer_again",
    "standing",
    "summaries",
    "summary",
    "summary_file",
    "watch",
    "watch_answer",
    "watch_summary",
    "work_standing",
]

"""What a colleague sees and does at the console, whatever shows it.

All is read as the console's role with the colleague's id (`Desk.reading`), so the database leaves in what
they may see; all is written through the rooms, after that right was asked (`acting`).
"""

from bot.desk.acting import acknowledge, call, claim, close, hand_back, reply, transfer, write_note
from bot.desk.approved import BLANKS, Item, Phrase, approved, phrases, send_approved, send_phrase
from bot.desk.chats import Chat, ChatRow, chat, chats
from bot.desk.day import Day, TaskLine, day
from bot.desk.doctors import DoctorPage, doctor, doctor_list
from bot.desk.reading import AWAY, CHANGED, Desk, Mark, standing, work_standing
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
    "BLANKS",
    "CHANGED",
    "Chat",
    "ChatRow",
    "Day",
    "Desk",
    "DoctorPage",
    "Flag",
    "Item",
    "Knowledge",
    "Mark",
    "Phrase",
    "SummaryPage",
    "TaskLine",
    "VisitLine",
    "VisitOffer",
    "acknowledge",
    "amend_summary",
    "approve_summary",
    "approved",
    "begin_visit",
    "call",
    "chat",
    "chats",
    "claim",
    "close",
    "day",
    "decide_suggestion",
    "doctor",
    "doctor_list",
    "edit_summary",
    "hand_back",
    "phrases",
    "reply",
    "send_approved",
    "send_phrase",
    "standing",
    "summaries",
    "summary",
    "summary_file",
    "transfer",
    "watch",
    "watch_summary",
    "work_standing",
    "write_note",
]

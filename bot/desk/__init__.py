"""What a colleague sees and does at the console, whatever shows it.

All is read as the console's role with the colleague's id (`Desk.reading`), so the database leaves in what
they may see; all is written through the rooms, after that right was asked (`acting`).
"""

from bot.desk.acting import acknowledge, claim, close, hand_back, reply
from bot.desk.chats import Chat, ChatRow, chat, chats
from bot.desk.crm import CrmPage, crm_page, replay_delivery
from bot.desk.day import Day, TaskLine, day
from bot.desk.doctors import DoctorPage, doctor, doctor_list
from bot.desk.own_visits import (
    OwnVisitForm,
    OwnVisitPage,
    approve_own_visit,
    change_own_visit,
    log_own_visit,
    new_own_visit,
    own_visit,
    own_visit_file,
    own_visits,
    watch_own_visit,
)
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
    "CHANGED",
    "Chat",
    "ChatRow",
    "CrmPage",
    "Day",
    "Desk",
    "DoctorPage",
    "Flag",
    "Knowledge",
    "Mark",
    "OwnVisitForm",
    "OwnVisitPage",
    "SummaryPage",
    "TaskLine",
    "VisitLine",
    "VisitOffer",
    "acknowledge",
    "amend_summary",
    "approve_own_visit",
    "approve_summary",
    "begin_visit",
    "change_own_visit",
    "chat",
    "chats",
    "claim",
    "close",
    "crm_page",
    "day",
    "decide_suggestion",
    "doctor",
    "doctor_list",
    "edit_summary",
    "hand_back",
    "log_own_visit",
    "new_own_visit",
    "own_visit",
    "own_visit_file",
    "own_visits",
    "replay_delivery",
    "reply",
    "standing",
    "summaries",
    "summary",
    "summary_file",
    "watch",
    "watch_own_visit",
    "watch_summary",
    "work_standing",
]

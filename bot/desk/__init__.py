"""What a colleague sees and does at the console, whatever shows it.

All is read as the console's role with the colleague's id (`Desk.reading`), so the database leaves in what
they may see; all is written through the rooms, after that right was asked (`acting`).
"""

from bot.desk.acting import acknowledge, call, claim, close, hand_back, reply, transfer, write_note
from bot.desk.approved import BLANKS, approved, phrases, send_approved, send_phrase
from bot.desk.brief import brief
from bot.desk.chats import Chat, chat, chats
from bot.desk.crm import crm_page, replay_delivery
from bot.desk.day import day
from bot.desk.doctors import doctor, doctor_list
from bot.desk.inviting import invite
from bot.desk.meetings import invite_to, meeting, programme, recall_invitation
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
from bot.desk.previewing import preview
from bot.desk.proposing import propose_time
from bot.desk.reading import AWAY, CHANGED, Desk, Mark, ScanUrl, standing, work_standing
from bot.desk.referring import refer
from bot.desk.requests import (
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
from bot.desk.searching import LONGEST, find_chats
from bot.desk.sending import recall, send_item
from bot.desk.summaries import (
    approve_summary,
    change_summary,
    summaries,
    summary,
    summary_file,
    watch_summary,
)
from bot.desk.verifying import confirm_identity, decline_identity, verification
from bot.desk.visiting import begin_visit, decide_suggestion
from bot.desk.watching import Flag, watch
from bot.store.desk_search import Place

__all__ = [
    "AWAY",
    "BLANKS",
    "CHANGED",
    "LONGEST",
    "Chat",
    "Desk",
    "Flag",
    "Mark",
    "OwnVisitForm",
    "OwnVisitPage",
    "Place",
    "ScanUrl",
    "acknowledge",
    "answer_told",
    "approve_answer",
    "approve_own_visit",
    "approve_summary",
    "approved",
    "assign_request",
    "begin_visit",
    "brief",
    "call",
    "change_own_visit",
    "change_summary",
    "chat",
    "chats",
    "claim",
    "close",
    "confirm_identity",
    "correct_request",
    "crm_page",
    "day",
    "decide_suggestion",
    "decline_identity",
    "doctor",
    "doctor_list",
    "find_chats",
    "hand_back",
    "invite",
    "invite_to",
    "log_own_visit",
    "meeting",
    "new_own_visit",
    "offer_answer",
    "own_visit",
    "own_visit_file",
    "own_visits",
    "phrases",
    "preview",
    "programme",
    "propose_time",
    "quote_entry",
    "recall",
    "recall_invitation",
    "refer",
    "replay_delivery",
    "reply",
    "request",
    "requests",
    "return_answer",
    "save_answer",
    "send_answer_again",
    "send_approved",
    "send_item",
    "send_phrase",
    "standing",
    "summaries",
    "summary",
    "summary_file",
    "transfer",
    "verification",
    "watch",
    "watch_answer",
    "watch_own_visit",
    "watch_summary",
    "work_standing",
    "write_note",
]

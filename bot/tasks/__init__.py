"""Whatever needs a person is a task: what it is, whose it is, and when it is due."""

from bot.tasks.cases import Saying, add_detail, report_case
from bot.tasks.handling import acknowledge, close, may_handle, visible
from bot.tasks.suspicion import suspect
from bot.tasks.task import LONGEST, Kind, add_to_open, add_words, open_task, waiting_of
from bot.tasks.telling import EVERY, tell

__all__ = [
    "EVERY",
    "LONGEST",
    "Kind",
    "Saying",
    "acknowledge",
    "add_detail",
    "add_to_open",
    "add_words",
    "close",
    "may_handle",
    "open_task",
    "report_case",
    "suspect",
    "tell",
    "visible",
    "waiting_of",
]

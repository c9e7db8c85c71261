"""Whatever needs a person is a task: what it is, whose it is, and when it is due."""

from bot.tasks.handling import acknowledge, close
from bot.tasks.task import Kind, add_to_open, open_task, waiting_of
from bot.tasks.telling import EVERY, tell

__all__ = ["EVERY", "Kind", "acknowledge", "add_to_open", "close", "open_task", "tell", "waiting_of"]

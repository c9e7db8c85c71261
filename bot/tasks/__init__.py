"""Whatever needs a person is a task: what it is, whose it is, and when it is due."""

from bot.tasks.handling import acknowledge, close
from bot.tasks.task import Kind, add_to_open, open_task
from bot.tasks.watching import watch

__all__ = ["Kind", "acknowledge", "add_to_open", "close", "open_task", "watch"]

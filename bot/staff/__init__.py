"""Colleagues: who they are, and what they may do."""

from bot.staff.accounts import Role, add, colleague, disable, find_reps, reset

__all__ = ["Role", "add", "colleague", "disable", "find_reps", "reset"]

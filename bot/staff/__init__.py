"""Colleagues: who they are, and what they may do."""

from bot.staff.accounts import Role, add, disable, find_reps, reset

__all__ = ["Role", "add", "disable", "find_reps", "reset"]

"""Colleagues: who they are, and what they may do."""

from bot.staff.accounts import Role, active, add, disable, find_reps, reset

__all__ = ["Role", "active", "add", "disable", "find_reps", "reset"]

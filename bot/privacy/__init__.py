"""A person's own data: a copy of it, and its erasure."""

from bot.privacy.erasure import Receipt, erase_person
from bot.privacy.export import export_person
from bot.privacy.retention import prune
from bot.privacy.unfollowing import unfollowed

__all__ = ["Receipt", "erase_person", "export_person", "prune", "unfollowed"]

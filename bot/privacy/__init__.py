"""A person's own data: a copy of it, and its erasure."""

from bot.privacy.erasure import ErasureReceipt, erase_person
from bot.privacy.export import export_person
from bot.privacy.retention import prune
from bot.privacy.unfollowing import unfollowed

__all__ = ["ErasureReceipt", "erase_person", "export_person", "prune", "unfollowed"]

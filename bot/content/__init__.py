"""Approved material under review: drafts from files, two approvals, publication, withdrawal.

What is found in it is `bot.knowledge`; this room knows which wording was in force when, and who approved it.
"""

from bot.content.approval import approve, lacking
from bot.content.editions import Edition, edition, edition_in_force
from bot.content.files import export_content
from bot.content.importing import Imported, import_content
from bot.content.publication import Publication, publish, withdraw
from bot.content.seed import FOLDER, seed_content

__all__ = [
    "FOLDER",
    "Edition",
    "Imported",
    "Publication",
    "approve",
    "edition",
    "edition_in_force",
    "export_content",
    "import_content",
    "lacking",
    "publish",
    "seed_content",
    "withdraw",
]

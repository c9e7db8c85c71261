"""Approved material under review: drafts from files, two approvals, publication, withdrawal.

What is found in it is `bot.knowledge`; this room knows which wording was in force when, and who approved it.
"""

from bot.content.approval import approve, lacking
from bot.content.drawing import Picture, broken, font_file, picture
from bot.content.editions import Edition, edition, edition_in_force
from bot.content.files import export_content
from bot.content.importing import Imported, import_content
from bot.content.meetings import KnownMeeting, meetings_in_force, meetings_known
from bot.content.presenting import (
    FOR_PROFESSIONALS,
    chart_lines,
    documents_of,
    fitting,
    fitting_meetings,
    in_date,
    key_message_text,
    sources,
    validity,
    warnings,
)
from bot.content.publication import Publication, publish, withdraw
from bot.content.seed import FOLDER, announce, seed_content

__all__ = [
    "FOLDER",
    "FOR_PROFESSIONALS",
    "Edition",
    "Imported",
    "KnownMeeting",
    "Picture",
    "Publication",
    "announce",
    "approve",
    "broken",
    "chart_lines",
    "documents_of",
    "edition",
    "edition_in_force",
    "export_content",
    "fitting",
    "fitting_meetings",
    "font_file",
    "import_content",
    "in_date",
    "key_message_text",
    "lacking",
    "meetings_in_force",
    "meetings_known",
    "picture",
    "publish",
    "seed_content",
    "sources",
    "validity",
    "warnings",
    "withdraw",
]

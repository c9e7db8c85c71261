"""Doctors: who is on the list, who is invited, and who it is that writes."""

from bot.doctors.codes import issue_codes, scanned, scene_of, write_codes
from bot.doctors.importing import ImportReport, import_doctors
from bot.doctors.names import warm
from bot.doctors.parts import NO_CODE, PARTS, parse
from bot.doctors.row import RowFault
from bot.doctors.verification import (
    Attempt,
    confirm,
    decline,
    refer,
    said_of,
    suspects,
    verify,
    waiting_until,
)

__all__ = [
    "NO_CODE",
    "PARTS",
    "Attempt",
    "ImportReport",
    "RowFault",
    "confirm",
    "decline",
    "import_doctors",
    "issue_codes",
    "parse",
    "refer",
    "said_of",
    "scanned",
    "scene_of",
    "suspects",
    "verify",
    "waiting_until",
    "warm",
    "write_codes",
]

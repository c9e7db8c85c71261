"""Compliance: what a text of ours must not say to this audience.

`check_text` and `check_meeting` are pure and linear in the text. The rules are data (`rules.yaml` and
`meetings.yaml` of `data/compliance`), compiled once.
"""

from bot.compliance.rules import Finding, check_meeting, check_text, report

__all__ = ["Finding", "check_meeting", "check_text", "report"]

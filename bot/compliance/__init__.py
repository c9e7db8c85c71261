"""Compliance: what a text of ours must not say to this audience.

`check_text` is pure and linear in the text. The rules are data (`data/compliance/rules.yaml`), compiled once.
"""

from bot.compliance.rules import Finding, check_text, report

__all__ = ["Finding", "check_text", "report"]

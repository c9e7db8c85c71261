"""Rasa custom actions: slot -> one call into bot -> utterance. Thin."""

from actions.host import routes

__all__ = ["routes"]

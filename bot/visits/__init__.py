"""Visits: when one may begin."""

from bot.visits.pacing import Begin, DoctorNow, Never, OpenWindow, VisitTerms, Wait, pace

__all__ = ["Begin", "DoctorNow", "Never", "OpenWindow", "VisitTerms", "Wait", "pace"]

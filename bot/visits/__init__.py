"""Visits: when one may begin."""

from bot.store.contacting import OpenWindow
from bot.visits.doctor_now import read_doctor
from bot.visits.pacing import Begin, DoctorNow, Never, VisitTerms, Wait, pace

__all__ = ["Begin", "DoctorNow", "Never", "OpenWindow", "VisitTerms", "Wait", "pace", "read_doctor"]

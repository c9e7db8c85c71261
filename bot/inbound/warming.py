"""What messages are read with, made ready at start: no message is to pay for that."""

from __future__ import annotations

from bot import doctors, safety
from bot.inbound.fragments import piece_of
from bot.inbound.open_requests import left_over
from bot.people import quiet


def warm() -> None:
    """Read a text of each kind; most rules are compiled when something is first found."""
    doctors.warm()
    safety.warm()
    for text in ("退订，转人工", "先别说话", "可以说话了", "我有个病人"):
        left_over(text, ())
        piece_of(text, is_name=False)
        quiet.asks_to_speak(text)

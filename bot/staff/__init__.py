"""Colleagues: who they are, what they may do, and how they sign in."""

from bot.staff.accounts import Role, add, colleague, disable, find_reps, register, reset
from bot.staff.registration import Registration, today
from bot.staff.session import (
    FACTOR_ROLES,
    Session,
    SignInStep,
    session_of,
    sign_out,
    still_in,
)
from bot.staff.signing_in import (
    LONGEST_PASSWORD,
    SHORTEST_PASSWORD,
    Known,
    choose_password,
    factor_uri,
    give_code,
    let_in,
    offered_factor,
    sign_in,
)

__all__ = [
    "FACTOR_ROLES",
    "LONGEST_PASSWORD",
    "SHORTEST_PASSWORD",
    "Known",
    "Registration",
    "Role",
    "Session",
    "SignInStep",
    "add",
    "choose_password",
    "colleague",
    "disable",
    "factor_uri",
    "find_reps",
    "give_code",
    "let_in",
    "offered_factor",
    "register",
    "reset",
    "session_of",
    "sign_in",
    "sign_out",
    "still_in",
    "today",
]

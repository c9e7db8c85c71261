"""Waiting for a database that does not answer: it is expected back, so nobody ends because of it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import psycopg

from bot.model import Fault, MedrepError
from bot.store.database import CONNECT_SECONDS, libpq_url

PAUSE = 1.0
# Answers that waiting does not change. Of a server that speaks another language we simply wait.
REFUSED = re.compile(
    r"authentication failed|does not exist|no pg_hba\.conf entry|not permitted to log in|permission denied"
)


def reason(error: psycopg.Error) -> str:
    """Why a connection was not made, without its address, of which a mistyped password may be a part."""
    text = str(error)
    if found := re.findall(r".*failed: (?:FATAL: +)?(.+)", text):  # of several addresses, the last one's
        return str(found[-1])
    return "its host name is not known" if "host" in text else "no answer in time"


async def until_answering(url: Callable[[], str], say: Callable[[str], None], *, first: bool = False) -> None:
    """Return once the database answers; says once why it does not, and that it is back.

    `first`: nothing has worked yet, so an answer that waiting does not change is an error of the settings.
    Raises MedrepError(CONFIGURATION).
    """
    waiting = False
    while True:
        try:
            connection = await psycopg.AsyncConnection.connect(
                libpq_url(url()), connect_timeout=CONNECT_SECONDS, autocommit=True
            )
        except psycopg.ProgrammingError:
            raise MedrepError(Fault.CONFIGURATION, "MEDREP_DATABASE_URL cannot be read") from None
        except psycopg.Error as error:
            why = reason(error)
            if first and REFUSED.search(why):
                raise MedrepError(Fault.CONFIGURATION, f"the database refuses us: {why}") from None
            if not waiting:
                say(f"the database does not answer ({why}); waiting for it")
            waiting = True
            await asyncio.sleep(PAUSE)
        else:
            await connection.close()
            if waiting:
                say("the database answers again")
            return

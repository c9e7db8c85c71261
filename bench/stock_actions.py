"""Stock Rasa's side of the one-row action; runs in the engine's environment, in Rasa's own action server."""

from __future__ import annotations

import json
import os
from typing import Any

import psycopg2  # type: ignore[import-untyped]
from rasa_sdk import Action

# Kept open: a connection for each call would be slow for no reason of Rasa's.
_connection = psycopg2.connect(os.environ["BENCH_DATABASE_URL"])
_connection.autocommit = True


class OneRow(Action):  # type: ignore[misc]
    """Writes one row and says one sentence."""

    def name(self) -> str:
        return "action_answer"

    def run(self, dispatcher: Any, tracker: Any, domain: Any) -> list[Any]:
        dispatcher.utter_message(text=os.environ["BENCH_SENTENCE"])
        with _connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO effect (sender, action, result) VALUES (%s, %s, %s)",
                (tracker.sender_id, self.name(), json.dumps(dispatcher.messages)),
            )
        return []

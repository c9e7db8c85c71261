"""The command `medrep`: one line for an error, never a traceback, never a secret."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import psycopg
import structlog
import typer
from sqlalchemy.exc import SQLAlchemyError
from typer.core import TyperGroup

from bot.model import MedrepError
from bot.runtime import logs
from bot.settings import read_settings

# Name -> where it is. Imported when asked for: the whole product takes seconds to import.
COMMANDS = {
    "serve": "service:serve",
    "engine": "service:engine",
    "migrate": "service:migrate_database",
    "train": "service:train_model",
    "dialogue": "dialogue:app",
    "content": "content:app",
    "materials": "materials:list_materials",
    "import-doctors": "people:import_file",
    "confirm-doctor": "people:confirm_doctor",
    "decline-doctor": "people:decline_doctor",
    "menu": "menu:app",
    "staff": "staff:app",
    "profile": "profiles:show",
    "suggestions": "profiles:suggestions_app",
    "changes": "profiles:changes_app",
    "affiliation": "profiles:write_affiliation",
    "tasks": "tasks:app",
    "understand": "texts:understand_lines",
    "check-text": "texts:check_lines",
    "evidence": "records:evidence_app",
    "export-person": "people:export",
    "erase-person": "people:erase",
    "backup": "records:write_backup",
    "restore": "records:restore_backup",
    "takeover": "takeover:take_over",
    "say": "takeover:say_as",
    "visit": "visits:begin",
    "visits": "visits:app",
    "summaries": "visits:print_summaries",
    "meetings": "meetings:list_meetings",
    "invite": "meetings:invite_doctor",
    "crm": "crm:app",
    "messages": "messages:list_messages",
    "timers": "messages:list_timers",
    "sending": "sending:app",
    "rotate-key": "records:rotate_key",
}


class Commands(TyperGroup):
    """The commands of COMMANDS, each imported when it is wanted."""

    def list_commands(self, _: object) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _: object, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        found = getattr(import_module(f"bot.commands.{module}"), name)
        if not isinstance(found, typer.Typer):
            single = typer.Typer(rich_markup_mode=None, add_completion=False)
            single.command(cmd_name)(found)
            found = single
        command = typer.main.get_command(found)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def medrep() -> None:
    """A virtual medical representative: approved, sourced answers."""


FAILED = 2


def main() -> None:
    """Entry point."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # whatever the locale says
    logs.configure(sys.stderr)
    try:
        app()
    except MedrepError as error:
        _fail(error.detail or str(error))
    except BrokenPipeError:
        # Whoever read us has gone. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except (psycopg.Error, SQLAlchemyError) as error:
        # Its text may quote the address, or what somebody wrote.
        _fail(f"the database does not answer as it should ({type(error).__name__})")
    except OSError as error:
        _fail(f"{error.strerror or type(error).__name__}: {error.filename or ''}".rstrip(": "))
    except Exception:
        _unexpected()


def _fail(why: str) -> None:
    sys.stderr.write(f"medrep: {why}\n")
    raise SystemExit(FAILED)


def _unexpected() -> None:
    """A fault of ours: where it happened goes to the log, which holds no message texts."""
    folder = read_settings().log_dir
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "command.log"
    with path.open("a", encoding="utf-8") as file:
        logs.configure(file)
        structlog.get_logger().error("command.failed", exc_info=True)
    _fail(f"this should not have happened; where it did is in {path}")


if __name__ == "__main__":
    main()

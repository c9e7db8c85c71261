"""The command `medrep`: one line for an error, never a traceback, never a secret."""

from __future__ import annotations

import os
import sys

import psycopg
import structlog
import typer
from sqlalchemy.exc import SQLAlchemyError

from bot import logs
from bot.commands import dialogue, people, records, service, texts
from bot.model import MedrepError
from bot.settings import read_settings

app = typer.Typer(
    help="A virtual medical representative: approved, sourced answers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("serve")(service.serve)
app.command("engine")(service.engine)
app.command("migrate")(service.migrate_database)
app.command("train")(service.train_model)
app.add_typer(dialogue.app, name="dialogue")
app.command("import-doctors")(people.import_file)
app.command("confirm-doctor")(people.confirm_doctor)
app.command("decline-doctor")(people.decline_doctor)
app.command("tasks")(records.list_tasks)
app.command("understand")(texts.understand_lines)
app.command("check-text")(texts.check_lines)
app.add_typer(records.evidence, name="evidence")
app.command("export-person")(people.export)
app.command("erase-person")(people.erase)
app.command("backup")(records.write_backup)
app.command("restore")(records.restore_backup)
app.command("rotate-key")(records.rotate_key)

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

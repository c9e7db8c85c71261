"""What a start costs: a library that is slow to import is imported where it is used, not with the product."""

from __future__ import annotations

import subprocess
import sys

HEAVY = (
    "aiohttp",
    "alembic",
    "apscheduler",
    "authlib",
    "bot.patients.dosage",
    "bot.patients.measurements",  # they compile their patterns
    "docx",
    "holidays",
    "jieba",
    "jionlp",
    "joserfc",
    "numpy",
    "openpyxl",
    "rasa_sdk",
    "scipy",
    "sklearn",
)
COMMANDS = ("crm", "messages", "records", "sending", "staff", "tasks")


def imported(*modules: str) -> set[str]:
    """Those of HEAVY that a new process has imported with `modules`."""
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(HEAVY) & set(done.stdout.split())


def test_commands_import_the_database_and_little_else() -> None:
    assert imported(*(f"bot.commands.{name}" for name in COMMANDS)) == set()


def test_an_app_imports_neither_what_reads_sheets_nor_what_migrates() -> None:
    assert imported("bot.app") == {"aiohttp", "apscheduler", "numpy", "rasa_sdk"}


def test_what_writes_the_demos_files_imports_no_server() -> None:
    assert imported("sandbox.__main__") == set()

"""Serve a model: `python -m engine`. What it needs comes from the environment (docs/contracts.md)."""

from __future__ import annotations

import sys

from engine import quiet
from engine.settings import read_settings


def main() -> int:
    quiet.prepare()
    quiet.without_tensorflow()
    try:
        settings = read_settings()
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2

    from engine.serve import serve  # noqa: PLC0415 - Rasa is imported only now

    return serve(
        host=settings.host,
        port=settings.port,
        token=settings.token,
        actions_url=settings.actions_url,
        actions_token=settings.actions_token,
        model=settings.model,
    )


if __name__ == "__main__":
    raise SystemExit(main())

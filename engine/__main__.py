"""Serve a model: `python -m engine`. What it needs comes from the environment (docs/contracts.md)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from engine import quiet


def main() -> int:
    quiet.prepare()
    quiet.without_tensorflow()
    missing = [
        name
        for name in ("MEDREP_ENGINE_TOKEN", "MEDREP_ACTIONS_TOKEN", "MEDREP_MODEL")
        if not os.environ.get(name)
    ]
    if missing:
        sys.stderr.write(f"missing in the environment: {', '.join(missing)}\n")
        return 2

    from engine.serve import serve  # noqa: PLC0415 - Rasa is imported only now

    return serve(
        host=os.environ.get("MEDREP_ENGINE_HOST") or "127.0.0.1",
        port=int(os.environ.get("MEDREP_ENGINE_PORT") or 5005),
        token=os.environ["MEDREP_ENGINE_TOKEN"],
        actions_url=os.environ.get("MEDREP_ACTIONS_URL") or "http://127.0.0.1:5055/actions",
        actions_token=os.environ["MEDREP_ACTIONS_TOKEN"],
        model=Path(os.environ["MEDREP_MODEL"]),
    )


if __name__ == "__main__":
    raise SystemExit(main())

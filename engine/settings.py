"""What the engine is told by its environment (docs/contracts.md); no other module here reads it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

NEEDED = ("MEDREP_ENGINE_TOKEN", "MEDREP_ACTIONS_TOKEN", "MEDREP_MODEL")


@dataclass(frozen=True)
class Settings:
    host: str
    port: int
    token: str = field(repr=False)
    actions_url: str
    actions_token: str = field(repr=False)
    model: Path


def read_settings() -> Settings:
    """Raises ValueError, which names what is missing or wrong and quotes nothing."""
    given = {name: value for name, value in os.environ.items() if value}
    if missing := [name for name in NEEDED if name not in given]:
        raise ValueError(f"missing in the environment: {', '.join(missing)}")
    port = given.get("MEDREP_ENGINE_PORT", "5005")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError("MEDREP_ENGINE_PORT is not a port")
    return Settings(
        host=given.get("MEDREP_ENGINE_HOST", "127.0.0.1"),
        port=int(port),
        token=given["MEDREP_ENGINE_TOKEN"],
        actions_url=given.get("MEDREP_ACTIONS_URL", "http://127.0.0.1:5055/actions"),
        actions_token=given["MEDREP_ACTIONS_TOKEN"],
        model=Path(given["MEDREP_MODEL"]),
    )

"""The demo accounts: their file in the medrep.toml format, and what the double knows of each."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from sandbox.demo import TEMPLATES, DemoTemplate

TITLES = {"doctor": "虚拟代表（演示）", "patient": "用药关怀（演示）"}


class TemplateUse(BaseModel):
    """One of the account's templates: its platform id, and the gateway's field name -> the platform's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    fields: dict[str, str] = Field(default_factory=dict)


class Account(BaseModel):
    """One Official Account as the platform knows it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    app_id: str
    app_secret: str = Field(repr=False)
    token: str = Field(repr=False)
    encoding_aes_key: str = Field(repr=False, pattern=r"^[A-Za-z0-9+/]{43}$")
    mode: Literal["plain", "compatible", "safe"] = "safe"
    audience: Literal["doctor", "patient"]
    api_base: str = ""
    templates: dict[str, TemplateUse] = Field(default_factory=dict)

    @property
    def original_id(self) -> str:
        """The `gh_…` name that stands in ToUserName; derived, so a restart keeps it."""
        return "gh_" + hashlib.sha256(self.app_id.encode()).hexdigest()[:12]

    @property
    def title(self) -> str:
        return TITLES[self.audience]

    def template(self, template_id: str) -> DemoTemplate | None:
        """The template of that id, if this account has it."""
        for use in self.templates.values():
            if use.id == template_id:
                predefined = {template.id: template for template in TEMPLATES}.get(template_id)
                return predefined or DemoTemplate(use.id, "通知", {key: key for key in use.fields.values()})
        return None


def read_accounts(path: Path) -> dict[str, Account]:
    """The WeChat accounts of the file by name. Raises OSError, tomllib.TOMLDecodeError, ValidationError."""
    tables = tomllib.loads(path.read_text(encoding="utf-8")).get("wechat", {})
    return {name: Account(name=name, **table) for name, table in tables.items()}


def write_demo_accounts(path: Path, api_base: str) -> None:
    """Make the two demo accounts with random keys; if the file exists, only bring its api_base up to date.

    The file holds secrets: mode 0600, and written whole or not at all.
    """
    if path.exists():
        old = path.read_text(encoding="utf-8")
        new = re.sub(r'(?m)^api_base = ".*"$', lambda _: f'api_base = "{api_base}"', old)
        if new == old:
            return
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = "# Demo accounts of the sandbox: random keys, worth nothing outside this machine.\n" + "".join(
            _table(name, audience, api_base)
            for name, audience in (("sandbox", "doctor"), ("sandbox-patient", "patient"))
        )
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        file.write(new)
    part.replace(path)


def _table(name: str, audience: str, api_base: str) -> str:
    values = {
        "app_id": "wx" + secrets.token_hex(8),
        "app_secret": secrets.token_hex(16),
        "token": secrets.token_hex(16),
        "encoding_aes_key": base64.b64encode(secrets.token_bytes(32)).decode().rstrip("="),
        "mode": "safe",
        "audience": audience,
        "api_base": api_base,
    }
    lines = [f"\n[wechat.{name}]", *(f'{key} = "{value}"' for key, value in values.items())]
    for template in TEMPLATES:
        if template.audience == audience:
            lines += [f"[wechat.{name}.templates.{template.purpose}]", f'id = "{template.id}"']
            pairs = ", ".join(f'{key} = "{field}"' for key, field in template.uses.items())
            lines.append(f"fields = {{ {pairs} }}")
    return "\n".join(lines) + "\n"

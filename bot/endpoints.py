"""What we call that is no channel account: the CRM that is told of visits, the assistant that may phrase, who
is told of tasks, the company's accounts.

Tables `[crm]`, `[assistant]`, `[task_webhook]`, `[oidc]` of `medrep.toml`; without its table none is called.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from bot.model import Fault, MedrepError

_SHORTEST_SECRET = 24  # bytes, as Standard Webhooks asks


def address(value: str) -> str:
    """https, or plain http to this machine: what is sent is about people. Raises PydanticCustomError."""
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise PydanticCustomError("address", "is not an address") from None
    if not host or parts.fragment or parts.username is not None or any(ord(char) <= 32 for char in value):
        raise PydanticCustomError("address", "is not an address like https://crm.example.com/visits")
    if parts.scheme != "https" and not (parts.scheme == "http" and _here(host)):
        raise PydanticCustomError("address", "must begin with https:// (http:// to this machine alone)")
    return value


def _here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _secret(value: str) -> str:
    try:
        key = base64.b64decode(value.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise PydanticCustomError("secret", "is not base64, with or without whsec_ before it") from None
    if len(key) < _SHORTEST_SECRET:
        raise PydanticCustomError("secret", "is shorter than 24 bytes")
    return value


Address = Annotated[str, AfterValidator(address)]


class Webhook(BaseModel):
    """Where approved visits (`[crm]`) or tasks (`[task_webhook]`) are told, and the secret that signs what is
    told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Address
    secret: Annotated[str, AfterValidator(_secret)] = Field(repr=False)


class Assistant(BaseModel):
    """A model behind an OpenAI-compatible address. Its key stands elsewhere, by one of the two names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: Address  # without /chat/completions
    model: str = Field(min_length=1)
    api_key_env: str | None = Field(default=None, min_length=1)
    api_key_file: Path | None = None
    timeout: float = Field(default=30.0, gt=0, le=300)  # seconds for a whole answer

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if self.api_key_env is not None and self.api_key_file is not None:
            raise PydanticCustomError("api_key", "api_key_env and api_key_file exclude each other")
        return self

    def api_key(self, env: Mapping[str, str] | None = None) -> str | None:
        """The key; None where the endpoint needs none. Raises MedrepError(CONFIGURATION)."""
        if self.api_key_env is not None:
            key, where = (os.environ if env is None else env).get(self.api_key_env, ""), self.api_key_env
        elif self.api_key_file is not None:
            where = f"the file {self.api_key_file.name}"
            try:
                key = self.api_key_file.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError):
                key = ""
        else:
            return None
        key = key.strip()
        if not key or not key.isascii() or not key.isprintable():
            raise MedrepError(Fault.CONFIGURATION, f"assistant: no key can be read from {where}")
        return key


class SingleSignOn(BaseModel):
    """The company's OpenID Connect provider. `claim` of its ID tokens names our login: choose one that
    employees cannot change themselves."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: Address
    client_id: str = Field(min_length=1)
    client_secret: str = Field(min_length=1, repr=False)
    claim: str = "preferred_username"
    scope: str = "openid profile"
    label: str = Field(default="公司账号", min_length=1, max_length=20)  # what the button says

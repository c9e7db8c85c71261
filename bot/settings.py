"""Settings: the environment (where things are) and `medrep.toml` (which accounts we serve)."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from datetime import time
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.model import Audience, Channel, Fault, MedrepError

ROOT = Path(__file__).resolve().parent.parent
ANY_HOST = ("0.0.0.0", "::")  # noqa: S104 - what an address to try cannot be


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Template(Frozen):
    """A platform template: its id and our field name -> the platform's field name."""

    id: str
    fields: dict[str, str] = Field(default_factory=dict)


class WeChatAccount(Frozen):
    app_id: str = Field(pattern=r"^\S+$")
    app_secret: str = Field(min_length=1)
    token: str = Field(pattern=r"^[A-Za-z0-9]{3,32}$")
    encoding_aes_key: str = Field(pattern=r"^[A-Za-z0-9+/]{43}$")
    mode: Literal["plain", "compatible", "safe"] = "safe"
    audience: Audience
    api_base: str = "https://api.weixin.qq.com"
    templates: dict[str, Template] = Field(default_factory=dict)


class WeComAccount(Frozen):
    corp_id: str
    agent_id: int
    secret: str
    token: str
    encoding_aes_key: str = Field(pattern=r"^[A-Za-z0-9+/]{43}$")
    audience: Audience
    api_base: str = "https://qyapi.weixin.qq.com"


class TelegramAccount(Frozen):
    bot_token: str
    webhook_secret: str = Field(min_length=8)
    audience: Audience
    api_base: str = "https://api.telegram.org"


class WebChatAccount(Frozen):
    origins: tuple[str, ...] = ()
    audience: Audience


class Limits(Frozen):
    """What binds service and promotion: none in quiet hours (China's time; over midnight when they end at an
    earlier hour), and at most `weekly` to a person within seven days. A takeover ends by itself when its
    colleague has written nothing for `takeover_minutes`."""

    quiet_from: time = time(21)
    quiet_until: time = time(8)
    weekly: int = Field(default=2, ge=1)
    takeover_minutes: int = Field(default=60, ge=1)


class Accounts(Frozen):
    """`medrep.toml`: one table per channel account. Unknown keys are errors."""

    wechat: dict[str, WeChatAccount] = Field(default_factory=dict)
    wecom: dict[str, WeComAccount] = Field(default_factory=dict)
    telegram: dict[str, TelegramAccount] = Field(default_factory=dict)
    webchat: dict[str, WebChatAccount] = Field(default_factory=dict)

    def audience(self, channel: Channel, name: str) -> Audience:
        """Whom the account serves. Raises MedrepError(NOT_FOUND)."""
        table: Mapping[str, WeChatAccount | WeComAccount | TelegramAccount | WebChatAccount]
        table = getattr(self, channel.value)
        if name not in table:
            raise MedrepError(Fault.NOT_FOUND, f"no account {channel}:{name}")
        return table[name].audience


class Settings(Frozen):
    """Where this process lives. Read once, at the start, and handed down."""

    home: Path
    config: Path
    host: str
    port: int
    engine_port: int
    actions_host: str
    actions_port: int
    database_url: str | None
    public_url: str | None
    test: bool
    sandbox: bool
    accounts: Accounts
    metrics_token: str | None = None  # who shows it reads /metrics; without one only this machine does
    limits: Limits = Limits()
    evidence_copy: Path | None = None  # a file elsewhere in which the heads of the evidence are kept as well

    @property
    def local_url(self) -> str:
        """Where this machine reaches the app."""
        return f"http://{'127.0.0.1' if self.host in ANY_HOST else self.host}:{self.port}"

    @property
    def key_dir(self) -> Path:
        return self.home / "keys"

    @property
    def log_dir(self) -> Path:
        return self.home / "logs"


def read_accounts(path: Path) -> Accounts:
    """The accounts in a toml file; no file, no accounts. Raises MedrepError(CONFIGURATION)."""
    if not path.exists():
        return Accounts()
    try:
        return Accounts.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MedrepError(Fault.CONFIGURATION, f"{path.name} is not TOML: {error}") from None
    except ValidationError as error:
        # Only where and why: the input may hold a secret.
        faults = "; ".join(f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors())
        raise MedrepError(Fault.CONFIGURATION, f"{path.name}: {faults}") from None


def _limits(env: Mapping[str, str]) -> Limits:
    quiet_from, _, quiet_until = (env.get("MEDREP_QUIET_HOURS") or "21:00-08:00").partition("-")
    weekly = env.get("MEDREP_WEEKLY_CAP") or "2"
    minutes = env.get("MEDREP_TAKEOVER_MINUTES") or "60"
    values = {
        "quiet_from": quiet_from,
        "quiet_until": quiet_until,
        "weekly": weekly,
        "takeover_minutes": minutes,
    }
    try:
        return Limits.model_validate(values)
    except ValidationError:
        raise MedrepError(
            Fault.CONFIGURATION,
            "MEDREP_QUIET_HOURS is like 21:00-08:00, "
            "MEDREP_WEEKLY_CAP and MEDREP_TAKEOVER_MINUTES are numbers from 1",
        ) from None


def read_settings(env: Mapping[str, str] = os.environ) -> Settings:
    """Settings from the environment. Raises MedrepError(CONFIGURATION)."""

    def number(name: str, default: int) -> int:
        try:
            value = int(env.get(name) or default)
        except ValueError:
            raise MedrepError(Fault.CONFIGURATION, f"{name} is not a number") from None
        if not 0 < value < 65536:
            raise MedrepError(Fault.CONFIGURATION, f"{name} is not a port")
        return value

    def path(name: str, default: str) -> Path:
        return (Path.cwd() / (env.get(name) or default)).resolve()

    config = path("MEDREP_CONFIG", "medrep.toml")
    home = path("MEDREP_HOME", "var")
    port, engine_port = number("MEDREP_PORT", 8080), number("MEDREP_ENGINE_PORT", 5005)
    accounts = read_accounts(config)
    sandbox = env.get("MEDREP_SANDBOX") == "1"
    if sandbox:
        # The demo accounts live in a file of the sandbox's own, beside those of the configuration.
        demo = read_accounts(home / "sandbox.toml")
        accounts = Accounts(
            wechat={**accounts.wechat, **demo.wechat},
            wecom={**accounts.wecom, **demo.wecom},
            telegram={**accounts.telegram, **demo.telegram},
            webchat={**accounts.webchat, **demo.webchat},
        )
    return Settings(
        home=home,
        config=config,
        # WeChat calls ports 80 and 443 only, so a proxy stands before us in any case: nobody else's machine
        # reaches us unless somebody says so.
        host=env.get("MEDREP_HOST") or "127.0.0.1",
        port=port,
        engine_port=engine_port,
        actions_host=env.get("MEDREP_ACTIONS_HOST") or "127.0.0.1",
        actions_port=number("MEDREP_ACTIONS_PORT", engine_port + 50),
        database_url=env.get("MEDREP_DATABASE_URL") or None,
        public_url=env.get("MEDREP_PUBLIC_URL") or None,
        test=env.get("MEDREP_TEST") == "1",
        sandbox=sandbox,
        accounts=accounts,
        metrics_token=env.get("MEDREP_METRICS_TOKEN") or None,
        limits=_limits(env),
        evidence_copy=path("MEDREP_EVIDENCE_COPY", "") if env.get("MEDREP_EVIDENCE_COPY") else None,
    )

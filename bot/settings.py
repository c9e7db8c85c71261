"""Settings: the environment (where things are) and `medrep.toml` (which accounts we serve, what we call).

No other module of `bot` reads the environment (tests/test_settings.py) but for the key of an endpoint
(`bot/endpoints.py`); the engine has `engine/settings.py`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import time
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from bot.endpoints import Assistant, SingleSignOn, Webhook
from bot.model import Audience, Channel, Fault, MedrepError

ROOT = Path(__file__).resolve().parent.parent
ANY_HOST = ("0.0.0.0", "::")  # noqa: S104 - what an address to try cannot be


Count = Annotated[int, Field(ge=1)]


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
    earlier hour), and at most `weekly` to a person within seven days. Visits begin in working hours. A
    takeover ends by itself when its colleague has written nothing for `takeover_minutes`; whoever asks for a
    person has one within `claim_minutes` of working time."""

    quiet_from: time = time(21)
    quiet_until: time = time(8)
    work_from: time = time(9)
    work_until: time = time(18)
    weekly: Count = 2
    takeover_minutes: Count = 60
    claim_minutes: Count = 60


LIMITS = Limits()


class Accounts(Frozen):
    """`medrep.toml`: one table per channel account, and what else we call. Unknown keys are errors."""

    wechat: dict[str, WeChatAccount] = Field(default_factory=dict)
    wecom: dict[str, WeComAccount] = Field(default_factory=dict)
    telegram: dict[str, TelegramAccount] = Field(default_factory=dict)
    webchat: dict[str, WebChatAccount] = Field(default_factory=dict)
    oidc: SingleSignOn | None = None  # how colleagues may sign in at the console, beside their passwords
    crm: Webhook | None = None
    assistant: Assistant | None = None
    task_webhook: Webhook | None = None

    def audience(self, channel: Channel, name: str) -> Audience:
        """Whom the account serves. Raises MedrepError(NOT_FOUND)."""
        table: Mapping[str, WeChatAccount | WeComAccount | TelegramAccount | WebChatAccount]
        table = getattr(self, channel.value)
        if name not in table:
            raise MedrepError(Fault.NOT_FOUND, f"no account {channel}:{name}")
        return table[name].audience


def _port(value: str | int) -> int:
    try:
        number = int(value)
    except ValueError:
        raise PydanticCustomError("port", "is not a number") from None
    if not 0 < number < 65536:
        raise PydanticCustomError("port", "is not a port")
    return number


def _database(value: str) -> str:
    try:
        make_url(value)
    except (ArgumentError, ValueError):
        raise PydanticCustomError("database", "is not the address of a database") from None
    return value


DatabaseUrl = Annotated[str, AfterValidator(_database)]
Port = Annotated[int, BeforeValidator(_port)]
# From the folder that the command was given in: the supervisor's children work in another.
Place = Annotated[Path, AfterValidator(lambda path: (Path.cwd() / path).resolve())]
Secret = Field(default=None, repr=False)
PREFIX = "MEDREP_"


class Settings(BaseSettings):
    """Where this process lives, and what it is handed. Read once, at the start, and handed down.

    The field `engine_port` is MEDREP_ENGINE_PORT, and so on; an empty variable is none.
    """

    model_config = SettingsConfigDict(
        frozen=True, env_prefix=PREFIX, env_ignore_empty=True, validate_default=True, extra="ignore"
    )

    home: Place = Path("var")
    config: Place = Path("medrep.toml")
    # WeChat calls ports 80 and 443 only, so a proxy stands before us in any case: nobody else's machine
    # reaches us unless somebody says so.
    host: str = "127.0.0.1"
    port: Port = 8080
    public_url: str | None = None
    database_url: DatabaseUrl | None = Secret
    evidence_copy: Place | None = None  # a file elsewhere in which the heads of the evidence are kept as well
    metrics_token: str | None = Secret  # who shows it reads /metrics; without one only this machine does
    quiet_hours: str = f"{LIMITS.quiet_from:%H:%M}-{LIMITS.quiet_until:%H:%M}"
    working_hours: str = f"{LIMITS.work_from:%H:%M}-{LIMITS.work_until:%H:%M}"
    weekly_cap: Count = LIMITS.weekly
    takeover_minutes: Count = LIMITS.takeover_minutes
    claim_minutes: Count = LIMITS.claim_minutes

    # An engine elsewhere has an address and tokens of its own.
    engine_host: str = "127.0.0.1"
    engine_port: Port = 5005
    engine_url: str | None = None
    engine_token: str | None = Secret
    actions_host: str = "127.0.0.1"
    actions_port: Port = Field(default_factory=lambda values: values.get("engine_port", 5005) + 50)
    actions_url: str | None = None
    actions_token: str | None = Secret

    sandbox: bool = False
    sandbox_url: str | None = None
    test: bool = False
    kill_at: Path | None = None  # with `test`: see bot/runtime/killpoints.py
    longest_pause: float = Field(default=8.0, gt=0)  # seconds before what ended is started again
    counters: Path | None = Field(default=None, validation_alias="PROMETHEUS_MULTIPROC_DIR")

    # No variable: `read_settings` reads the file.
    accounts: Accounts = Field(default_factory=Accounts, validation_alias="medrep.toml")

    @field_validator("quiet_hours")
    @classmethod
    def _two_times(cls, value: str) -> str:
        try:
            _times(value)
        except ValueError:
            raise PydanticCustomError("quiet_hours", "is like 21:00-08:00") from None
        return value

    @field_validator("working_hours")
    @classmethod
    def _within_a_day(cls, value: str) -> str:
        try:
            opens, closes = _times(value)
        except ValueError:
            opens = closes = time()
        if opens >= closes:
            raise PydanticCustomError("working_hours", "is like 09:00-18:00")
        return value

    @property
    def limits(self) -> Limits:
        quiet_from, quiet_until = _times(self.quiet_hours)
        work_from, work_until = _times(self.working_hours)
        return Limits(
            quiet_from=quiet_from,
            quiet_until=quiet_until,
            work_from=work_from,
            work_until=work_until,
            weekly=self.weekly_cap,
            takeover_minutes=self.takeover_minutes,
            claim_minutes=self.claim_minutes,
        )

    @property
    def local_url(self) -> str:
        """Where this machine reaches the app."""
        return f"http://{'127.0.0.1' if self.host in ANY_HOST else self.host}:{self.port}"

    @property
    def base_url(self) -> str:
        """What every link that people get begins with."""
        return (self.public_url or self.local_url).rstrip("/")

    @property
    def key_dir(self) -> Path:
        return self.home / "keys"

    @property
    def index_dir(self) -> Path:
        """Where built indexes of the content are kept."""
        return self.home / "index"

    @property
    def log_dir(self) -> Path:
        return self.home / "logs"


def _times(hours: str) -> tuple[time, time]:
    start, _, end = hours.partition("-")
    return time.fromisoformat(start), time.fromisoformat(end)


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


class Given(Settings):
    """Settings of a mapping, which stands for the environment."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def read_environment(env: Mapping[str, str] | None = None) -> Settings:
    """Settings from the environment (or `env`), without accounts.

    Raises MedrepError(CONFIGURATION) that names each variable which cannot be used, and quotes none.
    """
    try:
        if env is None:
            return Settings()
        return Given.model_validate(
            {name.removeprefix(PREFIX).lower(): value for name, value in env.items() if value}
        )
    except ValidationError as error:
        faults = [
            f"{PREFIX}{str(fault['loc'][0]).upper()} {fault['msg'].removeprefix('Input ')}"
            for fault in error.errors(include_input=False)
            if fault["type"] != "default_factory_not_called"
        ]
        raise MedrepError(Fault.CONFIGURATION, "; ".join(faults)) from None


def read_settings(env: Mapping[str, str] | None = None) -> Settings:
    """Settings from the environment, and the accounts. Raises MedrepError(CONFIGURATION)."""
    settings = read_environment(env)
    settings = settings.model_copy(update={"accounts": read_accounts(settings.config)})
    return with_demo_accounts(settings) if settings.sandbox else settings


def with_demo_accounts(settings: Settings) -> Settings:
    """With the accounts of the sandbox, which stand in a file of its own beside those of the configuration.

    Raises MedrepError(CONFIGURATION).
    """
    accounts, demo = settings.accounts, read_accounts(settings.home / "sandbox.toml")
    both = accounts.model_copy(
        update={channel: getattr(accounts, channel) | getattr(demo, channel) for channel in Channel}
    )
    return settings.model_copy(update={"accounts": both, "sandbox": True})

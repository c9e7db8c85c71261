"""`medrep.toml` and the environment: what is read, and what is refused without quoting a secret."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bot.model import Audience, Channel, Fault, MedrepError
from bot.settings import ROOT, read_accounts, read_settings

KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
WHOLE = f"""
[wechat.demo]
app_id = "wx1"
app_secret = "s"
token = "token1"
encoding_aes_key = "{KEY}"
audience = "doctor"
[wechat.demo.templates.medication]
id = "T1"
fields = {{ name = "thing1", time = "time2" }}
[wecom.work]
corp_id = "ww1"
agent_id = 1000002
secret = "s"
token = "token2"
encoding_aes_key = "{KEY}"
audience = "patient"
[telegram.tg]
bot_token = "1:a"
webhook_secret = "12345678"
audience = "patient"
[webchat.site]
origins = ["https://example.org"]
audience = "doctor"
"""


def accounts(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "medrep.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_every_channel_has_its_table(tmp_path: Path) -> None:
    found = read_accounts(accounts(tmp_path, WHOLE))
    assert (
        found.wechat["demo"].mode == "safe" and found.wechat["demo"].api_base == "https://api.weixin.qq.com"
    )
    assert found.wechat["demo"].templates["medication"].fields == {"name": "thing1", "time": "time2"}
    assert found.wecom["work"].agent_id == 1000002
    assert found.telegram["tg"].api_base == "https://api.telegram.org"
    assert found.webchat["site"].origins == ("https://example.org",)
    assert found.audience(Channel.WECOM, "work") == Audience.PATIENT


@pytest.mark.parametrize(
    ("broken", "where"),
    [
        (WHOLE.replace('corp_id = "ww1"', ""), "wecom.work.corp_id"),
        (
            WHOLE.replace("mode", "").replace('app_id = "wx1"', 'app_id = "wx1"\nsurprise = 1'),
            "wechat.demo.surprise",
        ),
        (
            WHOLE.replace('webhook_secret = "12345678"', 'webhook_secret = "short"'),
            "telegram.tg.webhook_secret",
        ),
        (WHOLE.replace("[webchat.site]", "[webchat.site]\nport = 1"), "webchat.site.port"),
        (WHOLE + "[sms.x]\n", "sms"),
        (WHOLE.replace('"doctor"', '"nurse"'), "audience"),
        ("[wechat.demo", "medrep.toml is not TOML"),
    ],
)
def test_what_cannot_be_used_is_named_and_not_quoted(tmp_path: Path, broken: str, where: str) -> None:
    with pytest.raises(MedrepError) as error:
        read_accounts(accounts(tmp_path, broken))
    assert error.value.fault == Fault.CONFIGURATION
    assert where in error.value.detail
    assert KEY not in error.value.detail and "short" not in error.value.detail.replace("too short", "")


def test_the_example_is_one(tmp_path: Path) -> None:
    example = (ROOT / "medrep.example.toml").read_text(encoding="utf-8")
    found = read_accounts(accounts(tmp_path, re.sub(r'= "…[^"]*"', '= "x"', example)))
    assert found.wechat


def test_the_environment(tmp_path: Path) -> None:
    settings = read_settings(
        {"MEDREP_HOME": str(tmp_path), "MEDREP_PUBLIC_URL": "https://medrep.example.org"}
    )
    assert (settings.home, settings.port, settings.engine_port) == (tmp_path, 8080, 5005)
    assert settings.public_url == "https://medrep.example.org"
    assert not settings.test and not settings.sandbox
    for name, value in (("MEDREP_PORT", "eighty"), ("MEDREP_ENGINE_PORT", "70000")):
        with pytest.raises(MedrepError, match=name):
            read_settings({name: value})


def test_nobody_else_reaches_the_app_unless_somebody_says_so() -> None:
    """F29: it listened on every address by default."""
    assert read_settings({}).host == "127.0.0.1"
    assert read_settings({"MEDREP_SANDBOX": "1"}).host == "127.0.0.1"
    public = read_settings({"MEDREP_HOST": "0.0.0.0"})  # noqa: S104
    assert (public.host, public.local_url) == ("0.0.0.0", "http://127.0.0.1:8080")  # noqa: S104


@pytest.mark.parametrize(
    "env", [{"MEDREP_QUIET_HOURS": "nine"}, {"MEDREP_QUIET_HOURS": "21:00"}, {"MEDREP_WEEKLY_CAP": "0"}]
)
def test_limits_that_nobody_can_read_are_refused(tmp_path: Path, env: dict[str, str]) -> None:
    found = read_settings({"MEDREP_CONFIG": str(tmp_path / "none.toml"), "MEDREP_QUIET_HOURS": "22:30-07:00"})
    assert (found.limits.quiet_from.hour, found.limits.quiet_until.hour, found.limits.weekly) == (22, 7, 2)
    with pytest.raises(MedrepError) as refused:
        read_settings({"MEDREP_CONFIG": str(tmp_path / "none.toml"), **env})
    assert refused.value.fault == Fault.CONFIGURATION

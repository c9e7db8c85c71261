"""`medrep.toml` and the environment: what is read, and what is refused without quoting a secret."""

from __future__ import annotations

import ast
import re
from datetime import time
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


CRM = '[crm]\nurl = "{url}"\nsecret = "{secret}"\n'
SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ASSISTANT = '[assistant]\nbase_url = "https://llm.example.org/v1"\nmodel = "m"\n'


@pytest.mark.parametrize(
    "url",
    [
        "https://crm.example.org/hook?tenant=1",
        "http://127.0.0.1:8099/hook",
        "http://[::1]/",
        "http://localhost/x",
    ],
)
def test_a_crm_is_told_by_https_or_on_this_machine(tmp_path: Path, url: str) -> None:
    found = read_accounts(accounts(tmp_path, CRM.format(url=url, secret=SIGNING)))
    assert found.crm is not None and found.crm.url == url
    assert SIGNING not in repr(found)


@pytest.mark.parametrize(
    ("broken", "where"),
    [
        (CRM.format(url="http://crm.example.org/", secret=SIGNING), "crm.url"),
        (CRM.format(url="http://127.0.0.1.example.org/", secret=SIGNING), "crm.url"),
        (CRM.format(url="https://user:pass@crm.example.org/", secret=SIGNING), "crm.url"),
        (CRM.format(url="ftp://127.0.0.1/", secret=SIGNING), "crm.url"),
        (CRM.format(url="https://", secret=SIGNING), "crm.url"),
        (CRM.format(url="https://crm.example.org:x/", secret=SIGNING), "crm.url"),
        (CRM.format(url="https://crm.example.org/", secret="c2hvcnQ="), "crm.secret"),
        (CRM.format(url="https://crm.example.org/", secret="no base64!"), "crm.secret"),
        (CRM.format(url="https://crm.example.org/", secret=SIGNING) + "retries = 3", "crm.retries"),
        (ASSISTANT.replace("https", "http"), "assistant.base_url"),
        (ASSISTANT + "timeout = 0", "assistant.timeout"),
        (ASSISTANT + 'api_key = "k"', "assistant.api_key"),
        (ASSISTANT + 'api_key_env = "K"\napi_key_file = "k"', "assistant"),
    ],
)
def test_an_endpoint_that_cannot_be_used_is_named_and_not_quoted(
    tmp_path: Path, broken: str, where: str
) -> None:
    with pytest.raises(MedrepError) as error:
        read_accounts(accounts(tmp_path, broken))
    assert error.value.fault == Fault.CONFIGURATION and where in error.value.detail
    assert not {SIGNING, "c2hvcnQ=", "pass@"} & set(re.split(r"[ :;]", error.value.detail))


def test_the_key_of_the_assistant_stands_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("sk-1\n", encoding="utf-8")
    by_file = read_accounts(accounts(tmp_path, ASSISTANT + f'api_key_file = "{file}"')).assistant
    by_name = read_accounts(accounts(tmp_path, ASSISTANT + 'api_key_env = "LLM_KEY"')).assistant
    none = read_accounts(accounts(tmp_path, ASSISTANT)).assistant
    assert by_file and by_name and none
    assert (by_file.api_key(), by_name.api_key({"LLM_KEY": "sk-2"}), none.api_key({})) == (
        "sk-1",
        "sk-2",
        None,
    )
    file.unlink()
    for broken in (
        by_file.api_key,
        lambda: by_name.api_key({}),
        lambda: by_name.api_key({"LLM_KEY": "一"}),
    ):
        with pytest.raises(MedrepError) as error:
            broken()
        assert error.value.fault == Fault.CONFIGURATION


def test_the_accounts_of_the_demo_leave_what_else_is_set(tmp_path: Path) -> None:
    file = accounts(tmp_path, CRM.format(url="https://crm.example.org/", secret=SIGNING) + WHOLE)
    (tmp_path / "sandbox.toml").write_text(WHOLE.replace("wechat.demo", "wechat.sandbox"), encoding="utf-8")
    found = read_settings({"MEDREP_HOME": str(tmp_path), "MEDREP_CONFIG": str(file), "MEDREP_SANDBOX": "1"})
    assert found.accounts.crm is not None and set(found.accounts.wechat) == {"demo", "sandbox"}


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
    assert (settings.actions_port, read_settings({"MEDREP_ENGINE_PORT": "6000"}).actions_port) == (5055, 6050)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("MEDREP_PORT", "eighty", "is not a number"),
        ("MEDREP_ENGINE_PORT", "70000", "is not a port"),
        (
            "MEDREP_DATABASE_URL",
            "postgresql://u:s3cret@h:port/d",
            "is not the address of a database",
        ),
        ("MEDREP_TEST", "s3cret", "should be a valid boolean, unable to interpret input"),
        ("MEDREP_LONGEST_PAUSE", "s3cret", "should be a valid number, unable to parse string as a number"),
        ("MEDREP_QUIET_HOURS", "nine", "is like 21:00-08:00"),
        ("MEDREP_WEEKLY_CAP", "0", "should be greater than or equal to 1"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named_and_not_quoted(name: str, value: str, why: str) -> None:
    with pytest.raises(MedrepError) as refused:
        read_settings({name: value})
    assert refused.value.fault == Fault.CONFIGURATION
    assert refused.value.detail == f"{name} {why}"


def test_the_process_environment_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {
        "PORT": "8081",
        "HOST": "",
        "TEST": "1",
        "DATABASE_URL": "postgresql://u:s3cret@h/d",
    }.items():
        monkeypatch.setenv(f"MEDREP_{name}", value)
    monkeypatch.setenv("MEDREP_CONFIG", str(tmp_path / "none.toml"))
    settings = read_settings()
    assert (settings.port, settings.host, settings.test) == (8081, "127.0.0.1", True), "empty is none"
    assert "s3cret" not in repr(settings)


def reads(path: Path) -> list[str]:
    """Where a module reads the environment: `file:line function`. To set a variable is no reading."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    found = []
    for node in ast.walk(tree):
        imported = isinstance(node, ast.ImportFrom) and node.module == "os"
        names = (
            {alias.name for alias in node.names} if isinstance(node, ast.ImportFrom) and imported else set()
        )
        if isinstance(node, ast.Attribute):
            names = {node.attr}
        if not names & {"environ", "environb", "getenv", "getenvb"}:
            continue
        above = parents[node]
        if isinstance(above, ast.Subscript) and isinstance(above.ctx, ast.Store):
            continue
        if isinstance(above, ast.Attribute) and above.attr == "update":
            continue
        function: ast.AST = above
        while function in parents and not isinstance(parents[function], ast.Module):
            function = parents[function]
        name = getattr(function, "name", "")
        found.append(f"{path.relative_to(ROOT)} {name}".strip())
    return found


def test_one_module_reads_the_environment() -> None:
    """And the supervisor, which hands its own on to its children; and what reads a key that is named."""
    found = {
        place
        for folder in ("bot", "engine")
        for path in (ROOT / folder).rglob("*.py")
        for place in reads(path)
    }
    assert found == {
        "engine/settings.py read_settings",
        "bot/endpoints.py Assistant",
        "bot/service/process.py plain_environment",
        "bot/service/programs.py _of_app",
    }


@pytest.mark.parametrize(
    "source",
    [
        "import os\nx = os.environ['A']",
        "import os\nx = dict(os.environ)",
        "import os\nx = os.getenv('A')",
        "from os import environ",
        "import os\ndef f(env=os.environ): ...",
    ],
)
def test_every_way_to_read_it_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    monkeypatch.setattr("tests.test_settings.ROOT", tmp_path)
    (tmp_path / "module.py").write_text(source)
    assert len(reads(tmp_path / "module.py")) == 1
    (tmp_path / "module.py").write_text("import os\nos.environ['A'] = '1'\nos.environ.update(A='2')")
    assert reads(tmp_path / "module.py") == []


def test_nobody_else_reaches_the_app_unless_somebody_says_so() -> None:
    """F29: it listened on every address by default."""
    assert read_settings({}).host == "127.0.0.1"
    assert read_settings({"MEDREP_SANDBOX": "1"}).host == "127.0.0.1"
    public = read_settings({"MEDREP_HOST": "0.0.0.0"})  # noqa: S104
    assert (public.host, public.local_url) == ("0.0.0.0", "http://127.0.0.1:8080")  # noqa: S104


@pytest.mark.parametrize(
    "env",
    [
        {"MEDREP_QUIET_HOURS": "nine"},
        {"MEDREP_QUIET_HOURS": "21:00"},
        {"MEDREP_WORKING_HOURS": "nine"},
        {"MEDREP_WORKING_HOURS": "18:00-09:00"},
        {"MEDREP_WEEKLY_CAP": "0"},
    ],
)
def test_limits_that_nobody_can_read_are_refused(tmp_path: Path, env: dict[str, str]) -> None:
    found = read_settings({"MEDREP_CONFIG": str(tmp_path / "none.toml"), "MEDREP_QUIET_HOURS": "22:30-07:00"})
    assert (found.limits.quiet_from.hour, found.limits.quiet_until.hour, found.limits.weekly) == (22, 7, 2)
    clinic = read_settings(
        {"MEDREP_CONFIG": str(tmp_path / "none.toml"), "MEDREP_WORKING_HOURS": "08:30-17:00"}
    )
    assert (clinic.limits.work_from, clinic.limits.work_until) == (time(8, 30), time(17))
    with pytest.raises(MedrepError) as refused:
        read_settings({"MEDREP_CONFIG": str(tmp_path / "none.toml"), **env})
    assert refused.value.fault == Fault.CONFIGURATION

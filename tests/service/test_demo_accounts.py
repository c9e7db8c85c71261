"""A command beside a running demo knows the demo's accounts, and only then."""

from __future__ import annotations

from pathlib import Path

from bot.service.home import claim, serves_sandbox
from tests.running import Service

ROWS = (
    "外部编号,姓名,医院,手机,渠道,渠道账号\n"
    "DEMO-OWN,周测,虚构县医院,13900000077,wechat:sandbox,oSbxOwnDoctor0000000000077\n"
)


def test_doctors_are_imported_into_the_running_demo(service: Service, tmp_path: Path) -> None:
    """F25: with nothing but MEDREP_HOME, as in another terminal beside `make run`."""
    file = tmp_path / "doctors.csv"
    file.write_text(ROWS, encoding="utf-8")
    beside = Service(service.home)
    assert "MEDREP_SANDBOX" not in beside.env
    assert beside.prints("import-doctors", file) == "added 1, changed 0, unchanged 0\n"


async def test_what_a_demo_left_behind_is_no_account(tmp_path: Path) -> None:
    """F25: the demo's file stays in the home; its accounts count while the demo serves."""
    home = tmp_path / "home"
    assert not serves_sandbox(home)
    async with claim(home, "serve", sandbox=True):
        assert serves_sandbox(home)
    assert not serves_sandbox(home)
    async with claim(home, "serve"):
        assert not serves_sandbox(home)
    (home / "medrep.lock").write_text("serve 4194999 sandbox")  # it was killed; no process has such an id
    assert not serves_sandbox(home)

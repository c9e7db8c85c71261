"""After all this: no log holds an openid, a phone number, what anybody wrote or read, a token or a secret."""

from __future__ import annotations

import asyncio
import tomllib

from bot.model import Account
from bot.store import platform
from tests.proofs.scene import Scene


async def test_the_logs_hold_nothing_personal_and_no_secret(home: Scene) -> None:
    (phone,) = await home.doctors(1)
    await phone.ask("氨氯地平漏服了怎么办")
    await home.remind("utter_goodbye")  # a push: without one there is no platform token to look for
    needles = [
        *await secrets_of(home),
        "oProof",
        "oSbx1Dctr",
        "137000000",
        "二甲双胍",
        "氨氯地平",
        "胸口",
        "来源：",
    ]
    files = home.log_files()
    assert any(path.name.startswith("app-") and path.stat().st_size > 1000 for path in files)
    assert {"engine.log", "postgres.log", "sandbox.log", "supervisor.log"} <= {path.name for path in files}
    for path in files:
        content = path.read_text(encoding="utf-8", errors="replace")
        for needle in needles:
            assert needle not in content, f"{path.name} holds {needle[:6]}…"


async def secrets_of(home: Scene) -> list[str]:
    """The accounts' keys, our processes' tokens, the platform's tokens, the database's passwords."""
    folder = home.service.home
    accounts = tomllib.loads((folder / "sandbox.toml").read_text(encoding="utf-8"))["wechat"]
    found = [one[key] for one in accounts.values() for key in ("app_secret", "token", "encoding_aes_key")]
    found += [path.read_text(encoding="ascii").strip() for path in folder.glob("keys/*.token")]
    found.append(await platform_token(home))
    found += [part for part in home.db.url.split("@")[0].split(":")[-1:] if part]
    assert len(found) >= 10 and all(len(one) >= 16 for one in found)
    return found


async def platform_token(home: Scene) -> str:
    async with asyncio.timeout(30):
        while True:
            async with home.db.begin() as tx:
                stored = await platform.read_token(tx, home.vault.keyring, Account.parse("wechat:sandbox"))
            if stored.value is not None:
                return stored.value
            await asyncio.sleep(0.2)

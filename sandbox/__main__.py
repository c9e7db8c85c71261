"""The command: `python -m sandbox`, and `accounts` and `doctors`, which write the demo's files."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tomllib import TOMLDecodeError

from pydantic import ValidationError

from sandbox.accounts import read_accounts, write_demo_accounts
from sandbox.demo import read_doctors, write_doctors


def main(arguments: list[str] | None = None) -> int:
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.command == "accounts":
        write_demo_accounts(given.out, given.api_base)
        return 0
    if given.command == "doctors":
        write_doctors(given.out)
        return 0
    from sandbox.server import build, serve  # noqa: PLC0415 - the demo starts us twice for a file each time

    if given.port is None or given.config is None:
        parser.error("--port and --config are needed to serve")
    try:
        accounts = read_accounts(given.config)
    except (OSError, TOMLDecodeError) as error:
        parser.error(f"{given.config}: {error}")
    except ValidationError as error:
        # Only where and why: the values are secrets.
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        parser.error(f"{given.config}: {faults}")
    followers = given.state / "followers.json" if given.state else None
    known = read_doctors(given.people) if given.people else ()
    serve(build(accounts, given.gateway, followers, known), given.port)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="A double of WeChat, on loopback.")
    parser.add_argument("--port", type=int, help="serve on 127.0.0.1:PORT")
    parser.add_argument("--config", type=Path, help="the accounts, in the format of medrep.toml")
    parser.add_argument("--gateway", default="http://127.0.0.1:8080", help="where user messages are posted")
    parser.add_argument("--state", type=Path, help="folder that keeps followers made on the page")
    parser.add_argument("--people", type=Path, help="an import list; whoever has an openid in it follows")
    commands = parser.add_subparsers(dest="command")
    accounts = commands.add_parser(
        "accounts", help="write the demo accounts, or bring their address up to date"
    )
    accounts.add_argument("--out", type=Path, required=True)
    accounts.add_argument("--api-base", required=True, help="e.g. http://127.0.0.1:8090/sandbox/wechat")
    doctors = commands.add_parser("doctors", help="write the demo doctors as an import list")
    doctors.add_argument("--out", type=Path, required=True)
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""Make the environments: `.venv` (the app), `.venv-engine` (Python 3.10 for Rasa), `node_modules` (pages).

Standard library only: it runs before anything is installed, under any Python from 3.11. A stamp inside
each environment holds what it was filled from; where it matches, nothing is done. An environment without
its stamp was cut off half-way and is made anew.

    python deploy/environments.py            both environments
    python deploy/environments.py browser    what the browser tests need (by apt, when root)
    python deploy/environments.py python310  print the Python 3.10 that was found
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
APP, ENGINE, PARTS = ROOT / ".venv", ROOT / ".venv-engine", ROOT / "node_modules"
UV = APP / "bin" / "uv"
STAMP = ".filled-from"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER_PACKAGES = ("chromium", "fonts-noto-cjk")


class SetupError(Exception):
    """Why the environments cannot be made, for a person."""


def say(text: str) -> None:
    sys.stdout.write(f"set-up: {text}\n")
    sys.stdout.flush()


def run(*command: str | Path) -> None:
    done = subprocess.run([str(part) for part in command], cwd=ROOT, check=False, env=_environment())
    if done.returncode != 0:
        name = " ".join(Path(str(part)).name for part in command[:4])
        raise SetupError(f"`{name} …` failed with exit code {done.returncode}; its own words are above")


def _environment() -> dict[str, str]:
    """Ours, without what would point pip or uv at another environment."""
    return {key: value for key, value in os.environ.items() if key not in {"VIRTUAL_ENV", "PYTHONPATH"}}


def digest(python: str, sources: Sequence[bytes]) -> str:
    """What an environment is filled from: its Python, the sources, its place (it cannot be moved)."""
    total = hashlib.sha256(f"{python}\0{ROOT}\0".encode())
    for source in sources:
        total.update(hashlib.sha256(source).digest())
    return total.hexdigest()


def fill(venv: Path, sources: Sequence[bytes], create: Callable[[], None], sync: Callable[[], None]) -> None:
    """Bring one environment to what `sources` say; its stamp is taken off first and written last."""
    stamp = venv / STAMP
    python = version_of(venv / "bin" / "python") if stamp.exists() else None
    if python is not None and stamp.read_text(encoding="ascii") == digest(python, sources):
        return
    if python is None:
        if venv.exists():
            say(f"{venv.name} was not finished or its Python is gone, starting over")
            shutil.rmtree(venv)
        say(f"creating {venv.name}")
        create()
        python = version_of(venv / "bin" / "python")
        if python is None:
            raise SetupError(f"{venv.name} has no Python that runs")
    stamp.unlink(missing_ok=True)
    say(f"filling {venv.name} (the first time takes some minutes)")
    sync()
    stamp.write_text(digest(python, sources), encoding="ascii")


def make_app() -> None:
    requirements = ROOT / "requirements" / "dev.txt"

    def create() -> None:
        run(sys.executable, "-m", "venv", APP)

    def sync() -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as pinned:
            pinned.write(_pin_of_uv(requirements))
            pinned.flush()
            run(
                *(APP / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
                *("--no-deps", "--require-hashes", "-r", pinned.name),
            )
        run(UV, "pip", "sync", "--quiet", "--compile-bytecode", "--python", APP, requirements)
        run(UV, "pip", "install", "--quiet", "--no-deps", "--python", APP, "-e", ".")

    fill(APP, (requirements.read_bytes(), _package()), create, sync)


def _package() -> bytes:
    """What of pyproject.toml the installation depends on (most of that file is for the linters)."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    kept = [project["build-system"], project["project"], project["tool"]["setuptools"]]
    return json.dumps(kept, sort_keys=True).encode()


def _pin_of_uv(requirements: Path) -> str:
    found = re.search(r"^uv==.*?(?=^\S|\Z)", requirements.read_text(encoding="utf-8"), re.M | re.S)
    if found is None:
        raise SetupError(f"{requirements.name} does not pin uv")
    return found.group(0)


def make_engine() -> None:
    requirements = ROOT / "requirements" / "engine.txt"

    def create() -> None:
        run(UV, "venv", "--quiet", "--python", python310(), ENGINE)

    def sync() -> None:
        run(UV, "pip", "sync", "--quiet", "--compile-bytecode", "--python", ENGINE, requirements)

    fill(ENGINE, (requirements.read_bytes(),), create, sync)


def make_parts() -> None:
    """What the console serves to browsers, by npm from the lock file: checked against its digests."""
    sources = [(ROOT / name).read_bytes() for name in ("package.json", "package-lock.json", ".npmrc")]
    stamp, total = PARTS / STAMP, digest("npm", sources)
    if stamp.exists() and stamp.read_text(encoding="ascii") == total:
        return
    say("filling node_modules")
    # npm looks for `node` on the path: its own wheel's, whatever the machine has.
    os.environ["PATH"] = os.pathsep.join((str(APP / "bin"), os.environ.get("PATH", "")))
    run(APP / "bin" / "npm", "ci", "--ignore-scripts", "--no-progress", "--loglevel=error")
    stamp.write_text(total, encoding="ascii")


def python310() -> Path:
    """A Python 3.10 that runs. One on PATH may be a shim that only says it is not installed."""
    for candidate in _candidates():
        version = version_of(candidate)
        if version is not None and version.startswith("3.10."):
            return candidate
    say("no Python 3.10 here, fetching one")
    run(UV, "python", "install", "--quiet", "3.10")
    for candidate in _found_by_uv():
        return candidate
    raise SetupError("the engine needs Python 3.10 (Rasa's last open release); install it and run this again")


def _candidates() -> Iterator[Path]:
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        yield Path(folder) / "python3.10"
    for version in sorted((Path.home() / ".pyenv" / "versions").glob("3.10*"), reverse=True):
        yield version / "bin" / "python3.10"
    yield from _found_by_uv()


def _found_by_uv() -> Iterator[Path]:
    found = _output([UV, "python", "find", "--no-project", "--system", "3.10"])
    if found:
        yield Path(found)


def version_of(python: Path) -> str | None:
    """`3.10.13`, if this is a Python that runs and can do what an environment needs."""
    if not python.exists():
        return None
    return _output([python, "-I", "-c", "import ctypes,ssl,sqlite3,sys,venv;print(sys.version.split()[0])"])


def _output(command: Sequence[str | Path]) -> str | None:
    try:
        done = subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def make_browser() -> None:
    """Chromium and Chinese fonts: installed when root on a machine with apt, else named."""
    if _browser_ready():
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        say(f"installing {', '.join(BROWSER_PACKAGES)}")
        os.environ["DEBIAN_FRONTEND"] = "noninteractive"
        run("apt-get", "update", "-qq")
        run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *BROWSER_PACKAGES)
    if not _browser_ready():
        say(f"the browser tests need {' and '.join(BROWSER_PACKAGES)}: please install them")


def _browser_ready() -> bool:
    fonts = _output(["fc-list", ":lang=zh-cn", "family"])
    return bool(fonts) and any(shutil.which(name) for name in BROWSERS)


def main(arguments: Sequence[str]) -> int:
    # One set-up at a time, whoever starts first; the lock goes with the process.
    lock = os.open(ROOT / "requirements", os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        match list(arguments):
            case []:
                make_app()
                make_parts()
                make_engine()
            case ["browser"]:
                make_browser()
            case ["python310"]:
                sys.stdout.write(f"{python310()}\n")
            case _:
                raise SetupError(f"unknown: {' '.join(arguments)}")
    except (SetupError, OSError) as error:
        sys.stderr.write(f"set-up failed: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

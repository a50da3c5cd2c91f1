"""A throw-away PostgreSQL server: a folder of its own, a Unix socket, no port, a password.

In: nothing but the programs of Debian's package ``postgresql``. Out: a URL as a person gives it to
``--storage``. The server never runs as root, which it refuses: root starts it as another user.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

WAIT_SECONDS = 60
"""How long the server may take to start or stop on a machine that is busy with something else."""

USER, PASSWORD, DATABASE = "me", "secret", "searches"

_SETTINGS = """
listen_addresses = ''
unix_socket_directories = '{folder}'
fsync = off
shared_buffers = 16MB
max_connections = 40
dynamic_shared_memory_type = mmap
"""


def programs() -> Path | None:
    """Return the folder of ``initdb`` and ``pg_ctl``, the newest; None where there is none."""
    beside = [Path(found).resolve().parent for found in [shutil.which("initdb")] if found]
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    folders = beside + sorted(versions, key=lambda one: float(one.parent.name), reverse=True)
    return next((one for one in folders if (one / "initdb").exists()), None)


class PostgresServer:
    """A server of the tests' own; :meth:`close` leaves nothing of it."""

    def __init__(self) -> None:
        folder = programs()
        assert folder is not None
        self._programs = folder
        # Not pytest's folder: that is shut to all but root, and a socket's path must be short.
        self.folder = Path(tempfile.mkdtemp(prefix="perpetuo-pg-"))
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            person = _nobody()
            os.chown(self.folder, person.pw_uid, person.pw_gid)
            self._as = {"user": person.pw_uid, "group": person.pw_gid, "extra_groups": []}
        self._data = self.folder / "data"
        word = self.folder / "word"
        word.write_text(PASSWORD)
        word.chmod(0o644)
        self._run("initdb", "-D", self._data, "-U", USER, "-A", "scram-sha-256", "-N",
                  f"--pwfile={word}", "--locale=C", "-E", "UTF8")  # fmt: skip
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(_SETTINGS.format(folder=self.folder))
        self.start()
        self._run("createdb", "-h", self.folder, "-U", USER, DATABASE)

    def url(self, database: str = DATABASE) -> str:
        """Return the URL of a database, with the password."""
        return f"postgresql://{USER}:{PASSWORD}@/{database}?host={self.folder}"

    def fresh(self, database: str) -> str:
        """Make a database and return its URL."""
        self._run("createdb", "-h", self.folder, "-U", USER, database)
        return self.url(database)

    def start(self) -> None:
        """Start the server; returns when it answers."""
        self._run("pg_ctl", "-D", self._data, "-l", self.folder / "log", "-w",
                  "-t", str(WAIT_SECONDS), "start")  # fmt: skip

    def stop(self) -> None:
        """Stop it at once: whoever is connected is cut off in the middle."""
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "-w",
                  "-t", str(WAIT_SECONDS), "stop")  # fmt: skip

    def close(self) -> None:
        """End the server, whatever state it is in, and remove its folder."""
        with contextlib.suppress(RuntimeError):  # it may be stopped already
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *rest: object) -> None:
        done = subprocess.run(
            [self._programs / program, *map(str, rest)],
            env={"PATH": os.environ.get("PATH", ""), "PGPASSWORD": PASSWORD, "LC_ALL": "C"},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # a server that goes on would keep a pipe open
            stderr=subprocess.DEVNULL,
            timeout=2 * WAIT_SECONDS,
            check=False,
            **self._as,
        )
        if done.returncode:
            log = self.folder / "log"
            said = log.read_text(errors="replace")[-2000:] if log.exists() else ""
            raise RuntimeError(f"{program} ended with {done.returncode}: {said}")


def _nobody() -> pwd.struct_passwd:
    """Return who runs the server where root runs the tests."""
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")

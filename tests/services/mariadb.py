"""A real MariaDB server of Debian's packages, on a free port of 127.0.0.1, for as long as tests want it.

The fixture ``mariadb`` is the server that the tests of a process share. A test that kills its server, or wants
other settings, starts one of its own: ``with MariaDb({"require_secure_transport": "ON"}) as server``.
"""

from __future__ import annotations

import atexit
import functools
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.needs import missing
from tests.services.ports import held

_HOW = "install Debian's package mariadb-server (.ci/packages does it)"
_SECONDS = 120.0
_FAST = {
    "innodb_flush_log_at_trx_commit": "2",  # what is committed outlives the process, if not the machine
    "innodb_buffer_pool_size": "64M",
    "innodb_log_file_size": "48M",
    "sync_binlog": "0",
    "skip_log_bin": "",
    "skip_name_resolve": "",
    "performance_schema": "OFF",
    "default_time_zone": "+03:00",
}


class MariaDb:
    """A server with one superuser, ``root``, who needs no password.

    :param settings: of my.cnf, over ours.
    :param tls: the server speaks TLS, with a certificate for 127.0.0.1 of its own authority (:attr:`authority`).
    :ivar folder: where its data, log and certificates are.
    """

    def __init__(self, settings: Mapping[str, str] | None = None, *, tls: bool = False) -> None:
        self.settings = {**_FAST, **(settings or {})}
        self._held = held()
        self.port: int = self._held.getsockname()[1]
        self._tls = tls
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> MariaDb:
        self.folder = Path(tempfile.mkdtemp(prefix="mariadb-"))
        try:
            shutil.copytree(_template(), self.folder / "data")
            if self._tls:
                self._certify()
            for path in (self.folder, *self.folder.rglob("*")):
                _own(path)
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()
        self._held.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str = "mysql", *, user: str = "root", password: str = "") -> str:
        """Where a database of it is."""
        known = f"{user}:{quote(password, safe='')}" if password else user
        return f"mysql://{known}@127.0.0.1:{self.port}/{database}"

    def database(self) -> str:
        """The URL of a fresh, empty database."""
        name = f"test_{secrets.token_hex(6)}"
        self.sql(f"CREATE DATABASE {name}")
        return self.url(name)

    def sql(self, statement: str, *parameters: Any, database: str | None = None) -> list[Any]:
        """Run a statement as the superuser; its rows."""
        import pymysql

        connection = pymysql.connect(
            host="127.0.0.1", port=self.port, user="root", database=database, autocommit=True, charset="utf8mb4"
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return list(cursor.fetchall())

    def start(self) -> None:
        """Start it on its port. Returns when it answers."""
        fixed = {
            "datadir": self.folder / "data",
            "socket": self.folder / "socket",
            "pid_file": self.folder / "pid",
            "log_error": self.folder / "log",
            "bind_address": "127.0.0.1",
            "port": self.port,
        }
        given = {name: str(value) for name, value in {**fixed, **self.settings}.items()}
        options = [f"--{name.replace('_', '-')}" + (f"={value}" if value else "") for name, value in given.items()]
        if self._tls:
            for name, file in (("ca", "authority.pem"), ("cert", "server.pem"), ("key", "server.key")):
                options.append(f"--ssl-{name}={self.folder / file}")
        self._process = subprocess.Popen(
            [_program("mariadbd"), "--no-defaults", *options, f"--tmpdir={self.folder}"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **_as_user(),
        )  # fmt: skip
        end = time.monotonic() + _SECONDS
        while True:
            try:
                self.sql("SELECT 1")
                return
            except Exception as error:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"MariaDB did not start: {self.log()[-2000:]}") from error
                time.sleep(0.05)

    def kill(self) -> None:
        """Kill it, as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Kill it and start it again on the same port."""
        self.kill()
        self.start()

    def log(self) -> str:
        """What it wrote to its log so far."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def authority(self) -> Path:
        """The certificate that the server's own is signed with."""
        return self.folder / "authority.pem"

    def _certify(self) -> None:
        name = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
        files = ["-keyout", str(self.folder / "server.key"), "-out", str(self.folder / "server.pem")]
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *name, *files]
        subprocess.run(command, check=True, capture_output=True)
        shutil.copyfile(self.folder / "server.pem", self.authority)  # it signed itself


@pytest.fixture(scope="session")
def mariadb() -> MariaDb:
    """The server that all tests of this process share; it stops when the process ends."""
    return _shared()


@functools.cache
def _shared() -> MariaDb:
    server = MariaDb().__enter__()
    atexit.register(server.__exit__)
    return server


@functools.cache
def _template() -> Path:
    """A data directory just made, which every server of this process begins as."""
    folder = Path(tempfile.mkdtemp(prefix="mariadb-template-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _own(folder)
    command = [_program("mariadb-install-db"), "--no-defaults", f"--datadir={folder / 'data'}",
               "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, check=False, cwd="/", **_as_user())
    if done.returncode:
        raise RuntimeError(f"mariadb-install-db failed: {done.stdout.decode()} {done.stderr.decode()}")
    return folder / "data"


def _program(name: str) -> str:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin") or missing(f"there is no {name}: {_HOW}")


@functools.cache
def _user() -> pwd.struct_passwd | None:
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return (known.get("mysql") or known["nobody"]) if os.geteuid() == 0 else None


def _as_user() -> dict[str, Any]:
    user = _user()
    return {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _own(path: Path) -> None:
    user = _user()
    if user is not None:
        os.chown(path, user.pw_uid, user.pw_gid)

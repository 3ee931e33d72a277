"""A real PostgreSQL server of Debian's packages, on a free port of 127.0.0.1, for as long as tests want it.

The fixtures ``postgres`` (the server that the tests of a process share) and ``database`` (the URL of a fresh
database in it) come from tests/conftest.py. A test that stops its server, or wants other settings, starts one of
its own: ``with Postgres({"wal_level": "logical"}) as server``.
"""

from __future__ import annotations

import atexit
import functools
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.needs import missing
from tests.services.ports import held

_HOW = "install Debian's package postgresql (.ci/packages does it)"
_SECONDS = 120.0
# A crash of the server loses nothing without fsync, only one of the machine does.
_FAST = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "64MB", "max_wal_size": "256MB"}
_TRUST = "host all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n"


class Postgres:
    """A server with one superuser, ``postgres``, who needs no password unless ``hba`` says so.

    :param settings: of postgresql.conf, over ours; ``{"fsync": "on"}`` syncs to disk.
    :param hba: the lines of pg_hba.conf in place of "everybody is trusted".
    :param tls: the server speaks TLS too, with a certificate for 127.0.0.1 of its own authority
        (:attr:`authority` is the file).
    :param language: of what it says, such as ``de``; skips the test where PostgreSQL has no such texts.
    :ivar folder: where its cluster, log and certificates are.
    """

    def __init__(
        self, settings: Mapping[str, str] | None = None, *, hba: str = _TRUST, tls: bool = False, language: str = ""
    ) -> None:
        self.settings = {**_FAST, **(settings or {})}
        self._held = held()
        self.port: int = self._held.getsockname()[1]
        self._hba = hba
        self._tls = tls
        self._language = language

    def __enter__(self) -> Postgres:
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self.data = self.folder / "data"
        try:
            own(self.folder)
            self.fill()
            if self._tls:
                self._certify()
            self.hba(self._hba)
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        if (self.data / "postmaster.pid").exists():
            self.stop("immediate")
        self._held.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def fill(self) -> None:
        """Make its cluster."""
        shutil.copytree(_template(), self.data, copy_function=shutil.copyfile)
        for path in (self.data, *self.data.rglob("*")):
            os.chmod(path, 0o700 if path.is_dir() else 0o600)
            own(path)

    def url(
        self, database: str = "postgres", *, user: str = "postgres", password: str = "", scheme: str = "postgresql"
    ) -> str:
        """Where a database of it is."""
        known = f"{user}:{quote(password, safe='')}" if password else user
        return f"{scheme}://{known}@127.0.0.1:{self.port}/{database}"

    def database(self, *, owner: str = "postgres") -> str:
        """The URL of a fresh, empty database."""
        name = f"test_{secrets.token_hex(6)}"
        self.sql(f'CREATE DATABASE "{name}" OWNER "{owner}"')
        return self.url(name)

    def sql(self, statement: str, *parameters: Any, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run a statement as the superuser, in a transaction of its own; its rows."""
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            # A statement of this module's callers, not of somebody else's input.
            cursor = connection.execute(statement.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        """Start it on its port. Returns when it answers."""
        (self.data / "postgresql.auto.conf").write_text(self._settings(self.port))
        command = ["start", "-w", "-t", str(int(_SECONDS)), "-l", str(self.folder / "log")]
        # Any locale but C lets gettext look at LANGUAGE, and C.UTF-8 is there everywhere.
        done = run_program("pg_ctl", "-D", str(self.data), *command, language=self._language)
        if done.returncode:
            raise RuntimeError(f"PostgreSQL did not start: {done.stderr.decode()} {self.log()[-2000:]}")
        if self._language and "ready to accept connections" in self.log():
            missing(f"PostgreSQL's texts in {self._language!r}: don't let dpkg leave out /usr/share/locale")

    def stop(self, mode: str = "fast") -> None:
        """Stop it: ``smart``, ``fast``, or ``immediate``, which is a crash."""
        done = run_program("pg_ctl", "-D", str(self.data), "stop", "-w", "-t", str(int(_SECONDS)), "-m", mode)
        if done.returncode and (self.data / "postmaster.pid").exists():
            raise RuntimeError(f"PostgreSQL did not stop: {done.stderr.decode()}")

    def kill(self) -> None:
        """SIGKILL all its processes: nothing of it has a last word. :meth:`start` starts it again."""
        postmaster = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        os.kill(postmaster, signal.SIGSTOP)  # it would make new ones in place of those that die
        everybody = [*_children(postmaster), postmaster]
        for pid in everybody:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(map(_alive, everybody)))
        # Of a dead process that nobody waits for, the next server would think that it runs.
        (self.data / "postmaster.pid").unlink()

    def restart(self, mode: str = "fast", **settings: str) -> None:
        """Stop it this way and start it again, on the same port, with these settings changed."""
        self.stop(mode)
        self.settings.update(settings)
        self.start()

    def hba(self, lines: str) -> None:
        """Change who may log in how; also while it runs."""
        path = self.data / "pg_hba.conf"
        path.write_text(lines)
        if (self.data / "postmaster.pid").exists():
            self.sql("SELECT pg_reload_conf()")

    def log(self) -> str:
        """What it wrote to its log so far."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def cpu(self) -> float:
        """The CPU seconds of its processes so far, those that ended included."""
        postmaster = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        ticks = 0
        for pid in (postmaster, *_children(postmaster)):
            try:
                values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            ticks += sum(map(int, values[11:15] if pid == postmaster else values[11:13]))
        return ticks / os.sysconf("SC_CLK_TCK")

    @property
    def authority(self) -> Path:
        """The certificate that the server's own is signed with: a client's ``sslrootcert``."""
        return self.folder / "authority.pem"

    def _settings(self, port: int) -> str:
        more = {"lc_messages": "C.UTF-8"} if self._language else {}
        fixed = {**more, "listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": ""}
        if self._tls:
            names = {"ssl_cert_file": "server.pem", "ssl_key_file": "server.key"}
            fixed |= {"ssl": "on", **{name: str(self.folder / file) for name, file in names.items()}}
        return "".join(f"{name} = '{value}'\n" for name, value in {**self.settings, **fixed}.items())

    def _certify(self) -> None:
        openssl = shutil.which("openssl") or missing("openssl, to make a server's certificate: install openssl")
        name = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
        files = ["-keyout", str(self.folder / "server.key"), "-out", str(self.folder / "server.pem")]
        command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *name, *files]
        subprocess.run(command, check=True, capture_output=True)
        shutil.copyfile(self.folder / "server.pem", self.authority)  # it signed itself
        os.chmod(self.folder / "server.key", 0o600)
        for path in self.folder.glob("*.*"):
            own(path)


@pytest.fixture(scope="session")
def postgres() -> Postgres:
    """The server that all tests of this process share; it stops when the process ends."""
    return _shared()


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    """The URL of a fresh database in the shared server."""
    url = postgres.database()
    yield url
    postgres.sql(f'DROP DATABASE "{url.rpartition("/")[2]}" WITH (FORCE)')


@functools.cache
def _shared() -> Postgres:
    server = Postgres().__enter__()
    atexit.register(server.__exit__)
    return server


@functools.cache
def _template() -> Path:
    """A cluster just made, which every server of this process begins as."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-template-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    own(folder)
    options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]
    done = run_program("initdb", "-D", str(folder / "data"), *options, "--no-instructions")
    if done.returncode:
        raise RuntimeError(f"initdb failed: {done.stderr.decode()}")
    return folder / "data"


def run_program(program: str, *arguments: str, language: str = "") -> subprocess.CompletedProcess[bytes]:
    """Run one of its programs as a user who may: PostgreSQL refuses root."""
    argv = [str(_programs() / program), *arguments]
    user = _user()
    more: dict[str, Any] = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}
    if language:
        environment |= {"LC_ALL": "C.UTF-8", "LANGUAGE": language}
    # To files: a pipe would stay open as long as the server that pg_ctl leaves running.
    with tempfile.TemporaryFile() as said:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd="/", env=environment, check=False, **more
        )
        said.seek(0)
        return subprocess.CompletedProcess(argv, done.returncode, b"", said.read())


def installed() -> Path:
    """Where its programs are; skips the test where they are not."""
    return _programs()


@functools.cache
def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    elsewhere = shutil.which("initdb")
    return Path(elsewhere).parent if elsewhere else missing(f"PostgreSQL's server is not installed: {_HOW}")


@functools.cache
def _user() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return known.get("postgres") or known["nobody"]


def own(path: Path) -> None:
    """Let a file be the server's user's."""
    user = _user()
    if user is not None:
        os.chown(path, user.pw_uid, user.pw_gid)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def wait_until(happened: Any, seconds: float = _SECONDS) -> None:
    """Wait until a function gives something true.

    :raises AssertionError: when it did not in so many seconds.
    """
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)

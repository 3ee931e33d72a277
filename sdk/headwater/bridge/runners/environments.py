"""Python environments for connectors: each made once for its requirements, kept, and never changed.

They are below ``HEADWATER_CACHE`` (default: ``headwater`` in the user's cache folder). A lock keeps two jobs from
making one at the same time; one that was not finished is made anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from headwater.errors import ConfigError

_LOG = logging.getLogger("headwater.environments")

CACHE = "HEADWATER_CACHE"
_FORM = 1  # of what is in an environment's folder; another one is never taken for it
_MARK = "headwater.json"
_INSTALLING = 1800.0
_NAME = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")
_CREDENTIALS = re.compile(r"(://)[^/@\s]+@")


@dataclass(frozen=True)
class Environment:
    """What an environment is made of. Equal ones are one.

    :ivar requirements: for pip; the first one is the connector's.
    :ivar python: a version such as ``3.10``, or the path of an interpreter; default: ours.
    :ivar constraints: more of them, for what is installed and for what is built on the way.
    """

    requirements: tuple[str, ...]
    python: str = ""
    constraints: tuple[str, ...] = ()

    @property
    def distribution(self) -> str:
        """The connector's distribution, as the requirement names it; empty where it names none (a path, a URL)."""
        first = self.requirements[0]
        found = _NAME.match(first)
        if found is None or first.startswith((".", "/")) or re.match(r"\w+\+?\w*://", first):
            return ""
        return found.group(1)

    @property
    def folder(self) -> Path:
        """Where it is, or will be."""
        parts = (_FORM, self.requirements, self.python or sys.version_info[:2], self.constraints, platform.machine())
        digest = hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:16]
        name = _canonical(self.distribution) or "environment"
        return cache() / "environments" / f"{name}-{digest}"

    def prepare(self) -> Prepared:
        """The environment, made if it is not there.

        :raises ConfigError: when it can't be made, with what the installer said.
        """
        if (found := _read(self.folder)) is not None:
            return found
        with _locked(self.folder):
            if (found := _read(self.folder)) is not None:
                return found
            return self._make()

    def _make(self) -> Prepared:
        folder, began = self.folder, time.monotonic()
        _LOG.info("Installing %s into %s.", without_credentials(", ".join(self.requirements)), folder)
        shutil.rmtree(folder, ignore_errors=True)
        try:
            _install(self, folder)
            prepared = Prepared(folder, _scripts(folder, self.distribution), _frozen(folder))
            new = folder / f"{_MARK}.new"
            new.write_bytes(msgspec.json.encode({"scripts": prepared.scripts, "installed": prepared.installed}))
            new.replace(folder / _MARK)  # last: without it the environment counts as not made
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        _LOG.info("Installed %s in %.0f s.", folder.name, time.monotonic() - began)
        return prepared


@dataclass(frozen=True)
class Prepared:
    """An environment that is there.

    :ivar scripts: the commands that the connector's distribution has.
    :ivar installed: what is in it, as ``name==version``.
    """

    folder: Path
    scripts: tuple[str, ...]
    installed: tuple[str, ...]

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def script(self, name: str) -> Path:
        """The path of a command in it.

        :raises ConfigError: when it is not there, naming those that are.
        """
        path = self.folder / "bin" / name
        if not path.exists():
            raise ConfigError(
                f"There is no command {name!r} in the environment of {self.folder.name}. The connector's own are: "
                f"{', '.join(self.scripts) or 'none'}. Set `executable`."
            )
        return path


def cache() -> Path:
    """The folder of what is kept between runs.

    :raises ConfigError: when nothing says where it is.
    """
    if found := os.environ.get(CACHE):
        return Path(found)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headwater"
    except RuntimeError:  # a user without a home, in a container
        raise ConfigError(f"This user has no home folder for environments: set {CACHE} to a folder.") from None


def without_credentials(text: str) -> str:
    """A text whose URLs have no user and password any more."""
    return _CREDENTIALS.sub(r"\1", text)


def _read(folder: Path) -> Prepared | None:
    try:
        mark = msgspec.json.decode((folder / _MARK).read_bytes(), type=dict[str, tuple[str, ...]])
        return Prepared(folder, mark["scripts"], mark["installed"])
    except (OSError, msgspec.MsgspecError, KeyError):
        return None


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder.with_name(folder.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(
            f"No environment can be made in {folder.parent} ({error.strerror}). Set {CACHE} to a folder of yours."
        ) from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _LOG.info("Waiting for another process that installs %s.", folder.name)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _install(environment: Environment, folder: Path) -> None:
    python = str(folder / "bin" / "python")
    with contextlib.ExitStack() as stack:
        limits = (
            ["--constraint", _file(stack, "constraints", environment.constraints)] if environment.constraints else []
        )
        # everybody on this machine can see a command line, and nobody else these files
        secret = [one for one in environment.requirements if without_credentials(one) != one]
        wanted = [one for one in environment.requirements if one not in secret]
        wanted += ["--requirement", _file(stack, "requirements", secret)] if secret else []
        what = without_credentials(environment.requirements[-1])
        if uv := _uv():
            _run([uv, "venv", "--quiet", "--python", environment.python or sys.executable, str(folder)], what)
            if limits:
                limits += ["--build-constraint", limits[1]]
            command = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python]
            _run([*command, *limits, *wanted], what)
        else:
            _run([_interpreter(environment.python), "-m", "venv", str(folder)], what)
            command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            builds = {"PIP_CONSTRAINT": limits[1], "PIP_BUILD_CONSTRAINT": limits[1]} if limits else {}
            _run([*command, *limits, *wanted], what, builds)


def _file(stack: contextlib.ExitStack, what: str, lines: Sequence[str]) -> str:
    """A file that only this user can read, with these lines, for as long as the stack is."""
    file = stack.enter_context(tempfile.NamedTemporaryFile("w", suffix=".txt", prefix=f"headwater-{what}-"))  # noqa: SIM115
    file.write("".join(f"{line}\n" for line in lines))
    file.flush()
    return file.name


def _uv() -> str | None:
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.exists() else shutil.which("uv")


def _interpreter(python: str) -> str:
    """For an environment without uv.

    :raises ConfigError: when there is none of that version.
    """
    if not python:
        return sys.executable
    found = shutil.which(python) or shutil.which(f"python{python}")
    if found is None:
        raise ConfigError(
            f"There is no Python {python!r} on this machine. Install it, or install uv, which finds more."
        )
    return found


def _run(command: Sequence[str], what: str, more: dict[str, str] | None = None) -> None:
    """Run a part of the installation of something."""
    dropped = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE")
    environ = {name: value for name, value in os.environ.items() if name not in dropped}
    try:
        done = subprocess.run(  # noqa: S603 - our own command
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            env={**environ, **(more or {})},
            timeout=_INSTALLING,
        )
    except subprocess.TimeoutExpired:
        raise ConfigError(f"Installing {what} took more than {_INSTALLING:.0f} s. Is the index slow?") from None
    except OSError as error:
        raise ConfigError(f"{command[0]} can't be run ({error.strerror}).") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).decode("utf-8", "replace")
        raise ConfigError(f"{what} can't be installed: {without_credentials(said)[-1500:]}")


def _scripts(folder: Path, distribution: str) -> tuple[str, ...]:
    """The commands of a distribution; of all where it has no name."""
    found: list[str] = []
    wanted = _canonical(distribution)
    for info in folder.glob("lib/python*/site-packages/*.dist-info"):
        if wanted and _canonical(info.name.removesuffix(".dist-info").rpartition("-")[0]) != wanted:
            continue
        with contextlib.suppress(OSError):
            found += _console_scripts((info / "entry_points.txt").read_text(encoding="utf-8"))
    return tuple(sorted(set(found)))


def _console_scripts(text: str) -> Iterator[str]:
    section = ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip().strip("[]")
        elif section == "console_scripts" and "=" in line:
            yield line.partition("=")[0].strip()


def _frozen(folder: Path) -> tuple[str, ...]:
    names = (path.name.removesuffix(".dist-info") for path in folder.glob("lib/python*/site-packages/*.dist-info"))
    return tuple(sorted("==".join(name.rpartition("-")[::2]) for name in names))


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()

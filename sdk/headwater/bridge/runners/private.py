"""Folders that only this user can look into, for a connector's config, catalog and state.

Each is locked by the process that made it. What a process that was killed left behind, the connector's process too
where it still runs, is removed by the next one that makes a folder.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from headwater.errors import ConfigError, ForeignError

_LOCK = ".lock"
_GROUP = ".group"


class PrivateFolder:
    """A folder with mode 0700, and in it files with mode 0600, until :meth:`close`.

    :param files: the content of each, by name.
    :raises ConfigError: when it can't be made.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._lock = -1
        try:
            base = _base()
            with _one_at_a_time(base):
                _sweep(base)
                self.path = Path(tempfile.mkdtemp(dir=base))
                self._lock = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                fcntl.flock(self._lock, fcntl.LOCK_EX)
            for name, content in files.items():
                self._write(name, content)
        except OSError as error:
            self.close()
            raise ConfigError(
                f"No private folder can be made in {tempfile.gettempdir()} ({error.strerror}). Set TMPDIR to a "
                "folder that can be written."
            ) from None

    def _write(self, name: str, content: bytes) -> None:
        with open(os.open(self.path / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(content)

    def belongs_to(self, group: int) -> None:
        """The process group that works with it: it is ended when the folder is found abandoned."""
        if (began := _began(group)) is not None:
            with contextlib.suppress(OSError):
                self._write(_GROUP, f"{group} {began}".encode())

    def read(self, name: str) -> bytes:
        """The present content of a file.

        :raises ForeignError: when it can't be read.
        """
        try:
            return (self.path / name).read_bytes()
        except OSError as error:
            raise ForeignError(f"The connector's file {name!r} can't be read any more ({error.strerror}).") from None

    def close(self) -> None:
        """Remove it with all that is in it."""
        if self._lock >= 0:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._lock)
            self._lock = -1


def _base() -> Path:
    """This user's folder of folders.

    :raises OSError: also when somebody else made it first.
    """
    base = Path(tempfile.gettempdir()) / f"headwater-{os.getuid()}"
    base.mkdir(mode=0o700, exist_ok=True)
    found = base.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(13, f"{base} belongs to somebody else")
    if stat.S_IMODE(found.st_mode) != 0o700:
        base.chmod(0o700)
    return base


@contextlib.contextmanager
def _one_at_a_time(base: Path) -> Iterator[None]:
    lock = os.open(base / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _sweep(base: Path) -> None:
    for folder in base.iterdir():
        with contextlib.suppress(OSError):
            if folder.is_dir() and _is_abandoned(folder):
                _end_group(folder)
                shutil.rmtree(folder, ignore_errors=True)


def _end_group(folder: Path) -> None:
    """End the processes that work with an abandoned folder; by now their number may be another's."""
    with contextlib.suppress(OSError, ValueError):
        group, began = (folder / _GROUP).read_text().split()
        if _began(int(group)) == began:
            os.killpg(int(group), signal.SIGKILL)


def _began(process: int) -> str | None:
    """When a process began, in the kernel's own ticks; None where that can't be known."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def _is_abandoned(folder: Path) -> bool:
    """Whether no process holds its lock."""
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:  # killed before it was made
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True

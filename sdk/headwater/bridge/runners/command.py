"""The runner of an executable of this machine, in a process group and with an environment of its own."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from headwater.bridge.runners.base import GRACE, SILENCE, Argument, Exit, FileArgument, words
from headwater.bridge.runners.pipes import PipeReader, Tail
from headwater.bridge.runners.private import PrivateFolder
from headwater.errors import ConfigError, ForeignError

_LOG = logging.getLogger("headwater.runners")

# What of our environment a connector gets: nothing that could be a credential or change what Python imports.
_INHERITED = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
)


class CommandRunner:
    """Runs a command.

    The process gets a clean environment (the search path, the home folder, language, time zone, proxies and
    certificates) and a process group of its own, which is ended as a whole. Its files are in a folder that only
    this user can look into. It can't be kept from the network.

    :param command: the program and its first arguments; a text is split as a shell would.
    :param environment: more variables.
    :param folder: where it runs; default: where we do.
    :param silence: seconds without output after which it counts as hanging.
    :param title: of errors; default: the program's name.
    """

    def __init__(
        self,
        command: str | Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        folder: str | os.PathLike[str] | None = None,
        silence: float = SILENCE,
        title: str | None = None,
    ) -> None:
        self.command = words(command)
        if not self.command:
            raise ConfigError("The command is empty. Name the connector's program.")
        self.title = title or os.path.basename(self.command[0])
        self._environment = {**clean_environment(), **(environment or {})}
        self._folder = folder
        self._silence = silence

    def start(
        self,
        arguments: Sequence[Argument],
        files: Mapping[str, bytes] | None = None,
        *,
        network: bool = True,
        said: Callable[[str], None] | None = None,
    ) -> CommandProcess:
        """As :meth:`Runner.start <headwater.bridge.runners.base.Runner.start>`."""
        private = PrivateFolder(files or {})
        try:
            given = [str(private.path / a.name) if isinstance(a, FileArgument) else a for a in arguments]
            popen = subprocess.Popen(  # noqa: S603 - the user's own command
                [*self.command, *given],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                cwd=self._folder,
                env=self._environment,
                start_new_session=True,
            )
        except OSError as error:
            private.close()
            raise ConfigError(_cannot_start(self.command[0], self._folder, error)) from None
        except BaseException:
            private.close()
            raise
        private.belongs_to(popen.pid)
        return CommandProcess(popen, private, self.title, self._silence, said)


class CommandProcess:
    """A process group of this machine; :class:`~headwater.bridge.runners.base.Process`."""

    def __init__(
        self,
        popen: subprocess.Popen[bytes],
        private: PrivateFolder,
        title: str,
        silence: float,
        said: Callable[[str], None] | None,
    ) -> None:
        assert popen.stdout is not None
        assert popen.stderr is not None
        self._popen = popen
        self._private = private
        self._title = title
        self._silence = silence
        self._tail = Tail(os.dup(popen.stderr.fileno()), said)
        popen.stderr.close()
        self._stdout = PipeReader(os.dup(popen.stdout.fileno()), title, self._alive, silence)
        popen.stdout.close()
        self._ended = False
        _RUNNING.add(self)

    def read(self) -> bytes:
        """The next bytes of standard output."""
        return self._stdout.read()

    def stop(self, grace: float = GRACE) -> None:
        """SIGTERM to the whole group, then SIGKILL."""
        if alive := self._alive():
            self._signal(signal.SIGTERM)  # before the pipe is closed: it ends as asked, not with a broken pipe
        self._stdout.close()  # or it would wait for us to read what it still writes
        if alive:
            self._wait_until(time.monotonic() + grace)
        self._kill()

    def wait(self) -> Exit:
        """How it ended."""
        if not self._wait_until(time.monotonic() + self._silence):
            self.stop()
            raise ForeignError(
                f"{self._title} closed its output but did not end for {self._silence:g} seconds, so it was ended. "
                "Its author must look."
            )
        if left := _left_of(self._popen.pid):
            _LOG.warning("%s left %d processes running, which are ended: %s.", self._title, len(left), ", ".join(left))
        self._kill()
        assert self._popen.returncode is not None
        return Exit.of(self._popen.returncode, self._tail.text())

    def file(self, name: str) -> bytes:
        """The present content of one of its files."""
        return self._private.read(name)

    def close(self) -> None:
        """End it and remove its files."""
        _RUNNING.discard(self)
        try:
            self.stop()
        finally:
            self._private.close()

    def _alive(self) -> bool:
        """Whether the process itself still runs. It is not reaped yet: its number must stay that of its group."""
        if self._ended:
            return False
        if not hasattr(os, "waitid"):  # macOS, before Python 3.13
            return self._popen.poll() is None
        return os.waitid(os.P_PID, self._popen.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None

    def _wait_until(self, end: float) -> bool:
        pause = 0.001
        while self._alive():
            if time.monotonic() >= end:
                return False
            time.sleep(pause)
            pause = min(2 * pause, 0.1)
        return True

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, number)

    def _kill(self) -> None:
        """End what is left of the group, also the children of a process that has ended, and reap it."""
        if not self._ended:
            self._signal(signal.SIGKILL)
            self._popen.wait()
            self._ended = True


_RUNNING: set[CommandProcess] = set()


os.register_at_fork(after_in_child=_RUNNING.clear)  # they are the parent's


@atexit.register
def _end_all() -> None:
    """What a thread that nobody waits for has left running ends with us."""
    for process in list(_RUNNING):
        process.close()


def _left_of(group: int) -> list[str]:
    """The names of the processes that still run in a group whose first process has ended, where /proc tells."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            start, _, rest = stat.read_text().rpartition(")")
            state, _, of_group = rest.split()[:3]
            if int(of_group) == group and state not in "ZX":
                found.append(start.partition("(")[2])
    return sorted(found)


def clean_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """What of our environment a connector gets."""
    environ = os.environ if environ is None else environ
    kept = {name: environ[name] for name in _INHERITED if name in environ}
    return {"PATH": os.defpath, **kept, "PYTHONUTF8": "1"}


def variables(given: Iterable[str]) -> dict[str, str]:
    """The variables that ``--env`` gives a connector: ``NAME=VALUE``, or ``NAME`` for the value that it has here.

    :raises ConfigError: naming the option, where it names no variable, or one that is not there.
    """
    found = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not name:
            raise ConfigError("--env: a variable has a name. Give NAME=VALUE, or the NAME of one of this environment.")
        if not equals and name not in os.environ:
            raise ConfigError(f"--env {name}: there is no such environment variable. Set it, or give NAME=VALUE.")
        found[name] = value if equals else os.environ[name]
    return found


def _cannot_start(program: str, folder: str | os.PathLike[str] | None, error: OSError) -> str:
    if folder is not None and not Path(folder).is_dir():
        return f"The folder {os.fspath(folder)!r}, where the command is to run, is not there."
    if isinstance(error, FileNotFoundError):
        return f"The command {program!r} is not there. Install it, or give its full path."
    if isinstance(error, PermissionError):
        return f"The command {program!r} can't be run: it is not executable by this user."
    return f"The command {program!r} can't be run ({error.strerror})."

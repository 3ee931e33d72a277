"""A tunnel through an SSH server: OpenSSH's own client in a process beside this one.

It forwards at the pace of the wire, while a library in Python would take the interpreter from the reader. It ends
with this process, however that ends: its shell waits for the end of a pipe that this process holds.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from headwater.errors import ConfigError, SourceError, TransientError
from headwater.sql.settings import KeyTunnel, PasswordTunnel

_PATIENCE = 60.0
"""Seconds until the tunnel stands."""
_KEPT = 'exec 3<&0; (cat <&3 >/dev/null; kill $$ 2>/dev/null) & exec "$@" 3<&- </dev/null'
_REFUSED = (
    "Permission denied", "Host key verification failed", "invalid format", "error in libcrypto", "no matching",
    "invalid characters",
)  # fmt: skip


class Private:
    """A folder that only this user may enter, for what a program wants as a file; gone when it is closed."""

    def __init__(self) -> None:
        self._path = Path(tempfile.mkdtemp(prefix="headwater-"))

    def file(self, name: str, content: str, mode: int = 0o600) -> str:
        """Write a file; its path."""
        path = self._path / name
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as file:
            file.write(content)
        return str(path)

    def path(self, name: str) -> Path:
        """Where a file of this name is."""
        return self._path / name

    def close(self) -> None:
        """Remove it."""
        shutil.rmtree(self._path, ignore_errors=True)


class Tunnel:
    """A port of this machine that leads to a database's.

    :param settings: through whom.
    :param host: the database's host, as the SSH server knows it.
    :param port: its port.
    :ivar local: the port here.
    """

    def __init__(self, settings: KeyTunnel | PasswordTunnel, host: str, port: int) -> None:
        self._settings = settings
        self._target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._private = Private()
        self._held = _held_port()
        self.local: int = self._held.getsockname()[1]
        if sys.platform != "linux":  # there the SSH client could not have it
            self._held.close()

    def open(self) -> None:
        """Make sure that it stands.

        :raises ConfigError: when the SSH server refuses.
        :raises TransientError: when it can't be reached.
        """
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                return
            self._stop()
            self._process = self._started()
            self._wait(self._process)

    def close(self) -> None:
        """Take it down."""
        with self._lock:
            self._stop()
            self._held.close()
            self._private.close()

    def said(self) -> str:
        """What the client complained about last."""
        with contextlib.suppress(OSError):
            lines = self._private.path("said").read_text(errors="replace").split("\n")
            return " ".join(line.strip() for line in lines if line.strip())[-500:]
        return ""

    def _started(self) -> subprocess.Popen[bytes]:
        ssh = shutil.which("ssh")
        if ssh is None:
            raise SourceError("The tunnel needs OpenSSH's client, and there is no `ssh` here. Install openssh-client.")
        environment = {"PATH": os.environ.get("PATH", ""), "HOME": os.environ.get("HOME", "/")}
        # after --, as a host that began with - would be an option, and there are some that run programs
        command = [ssh, *self._options(environment), "--", self._settings.tunnel_host]
        shell = ["/bin/sh", "-c", _KEPT, "ssh", *command]
        with open(self._private.path("said"), "wb") as said:
            return subprocess.Popen(  # noqa: S603 - its arguments are the config's
                shell, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said, env=environment,
                start_new_session=True,
            )  # fmt: skip

    def _options(self, environment: dict[str, str]) -> Iterator[str]:
        settings = self._settings
        yield from ("-F", "none", "-N", "-T", "-p", str(settings.tunnel_port), "-l", settings.tunnel_user)
        yield from ("-L", f"127.0.0.1:{self.local}:{self._target}")
        options = {
            "ExitOnForwardFailure": "yes",
            "ConnectTimeout": "30",
            "ServerAliveInterval": "15",
            "ServerAliveCountMax": "4",
            "IdentityAgent": "none",
            "LogLevel": "ERROR",
            "NumberOfPasswordPrompts": "1",
        }
        if settings.tunnel_host_key:
            known = f"* {settings.tunnel_host_key.strip()}\n"
            options["UserKnownHostsFile"] = self._private.file("known_hosts", known)
            options["StrictHostKeyChecking"] = "yes"
        else:
            options["UserKnownHostsFile"] = "/dev/null"
            options["StrictHostKeyChecking"] = "no"
        if isinstance(settings, KeyTunnel):
            key = settings.ssh_key.reveal().replace("\r\n", "\n").strip() + "\n"
            yield from ("-i", self._private.file("key", key))
            options |= {"IdentitiesOnly": "yes", "PreferredAuthentications": "publickey", "BatchMode": "yes"}
        else:
            answer = self._private.file("answer", settings.tunnel_user_password.reveal() + "\n")
            asked = self._private.file("ask", f"#!/bin/sh\nexec cat '{answer}'\n", 0o700)
            environment |= {"SSH_ASKPASS": asked, "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": "none:0"}
            options |= {"PubkeyAuthentication": "no", "PreferredAuthentications": "password,keyboard-interactive"}
        for name, value in options.items():
            yield from ("-o", f"{name}={value}")

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        settings = self._settings
        where = f"the SSH server {settings.tunnel_host}:{settings.tunnel_port}"
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            if process.poll() is not None:
                said = self.said()
                kind = ConfigError if any(each in said for each in _REFUSED) else TransientError
                self._stop()
                raise kind(f"config: setting `tunnel_method`: {where} gives no tunnel: {said}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.local), timeout=1):
                return
            time.sleep(0.02)
        self._stop()
        raise TransientError(f"{where} gave no tunnel in {_PATIENCE:.0f} seconds.")

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()


def _held_port() -> socket.socket:
    """A socket that is bound to a port of this machine, which nobody else is given for as long as it is open.

    The SSH client can listen on it nevertheless: both say SO_REUSEADDR, and this one does not listen.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held

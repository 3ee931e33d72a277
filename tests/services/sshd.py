"""A real OpenSSH server of Debian's package on a free port of 127.0.0.1, with one user who knows a key and a password.

It runs in a mount namespace of its own, where that user is: the machine's users stay as they are. That takes root.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from tests.needs import missing
from tests.services.ports import held

_HOW = "install Debian's package openssh-server (.ci/packages does it)"
_SECONDS = 60.0
_SETTINGS = """
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/authorized
StrictModes no
UsePAM no
PasswordAuthentication yes
KbdInteractiveAuthentication no
PermitRootLogin no
AllowTcpForwarding yes
"""
_START = """
mount --bind {folder}/passwd /etc/passwd && mount --bind {folder}/shadow /etc/shadow &&
mkdir -p {folder}/run/sshd && mount --bind {folder}/run /run && chmod 755 /run/sshd &&
exec {sshd} -D -e -f {folder}/config -p {port}
"""


class Sshd:
    """The server.

    :ivar user: who may log in.
    :ivar password: with what.
    :ivar key: or with this private key.
    :ivar host_key: the server's own public key.
    """

    user = "jump"
    password = "pass 'word' \"ä"

    def __enter__(self) -> Sshd:
        self._sshd = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or missing(
            f"there is no sshd: {_HOW}"
        )
        if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
            missing("an SSH server with a user of its own takes root and a mount namespace")
        self.folder = Path(tempfile.mkdtemp(prefix="sshd-"))
        self._process: subprocess.Popen[bytes] | None = None
        os.chmod(self.folder, 0o755)
        for name in ("host", "user"):
            _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / name))
        self.key = (self.folder / "user").read_text()
        self.host_key = " ".join((self.folder / "host.pub").read_text().split()[:2])
        shutil.copyfile(self.folder / "user.pub", self.folder / "authorized")
        (self.folder / "config").write_text(_SETTINGS.format(folder=self.folder))
        self._accounts()
        self._held = held()
        self.port: int = self._held.getsockname()[1]
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        self._held.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Start it on its port; returns when it answers."""
        script = _START.format(folder=self.folder, sshd=self._sshd, port=self.port)
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                ["unshare", "-m", "sh", "-c", script], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        until = time.monotonic() + _SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
                return
            except OSError:
                assert self._process.poll() is None and time.monotonic() < until, self.log()
                time.sleep(0.02)

    def stop(self) -> None:
        """Stop it, with the sessions that it has."""
        if self._process is not None:
            for child in (*_descendants(self._process.pid), self._process.pid):
                subprocess.run(["kill", "-9", str(child)], capture_output=True, check=False)
            self._process.wait()
            self._process = None

    def log(self) -> str:
        """What it said."""
        return (self.folder / "log").read_text(errors="replace")

    def _accounts(self) -> None:
        hashed = _run("openssl", "passwd", "-6", "-stdin", input=self.password.encode() + b"\n").decode().strip()
        passwd = Path("/etc/passwd").read_text() + f"{self.user}:x:54399:54399::/nonexistent:/bin/sh\n"
        shadow = Path("/etc/shadow").read_text() + f"{self.user}:{hashed}:19000:0:99999:7:::\n"
        (self.folder / "passwd").write_text(passwd)
        (self.folder / "shadow").write_text(shadow)
        os.chmod(self.folder / "shadow", 0o600)


def _run(*command: str, input: bytes | None = None) -> bytes:
    return subprocess.run(command, input=input, capture_output=True, check=True).stdout


def _descendants(pid: int) -> list[int]:
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [each for child in map(int, found) for each in (*_descendants(child), child)]

"""A connector whose streams behave well or badly, each in one way: ``python -m tests.connectors.toy read ...``."""

from __future__ import annotations

import logging
import os
import shlex
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from headwater import Config, ConfigError, Cursor, Secret, Setting, SkipSlice, Source, Stream, TransientError
from headwater.protocol.messages import Control, Records, Status, StreamStatus
from headwater.stream import Page, Slice

if os.environ.get("TOY_PRINTS_EARLY"):
    print("printed while the connector is imported")
STALE = logging.StreamHandler(sys.stderr)  # captured before anybody could take stderr over
logging.getLogger("stale").addHandler(STALE)
logging.basicConfig(stream=sys.stdout, level=logging.DEBUG)
log = logging.getLogger("toy")


class Key(Config, tag_field="kind", tag="key"):
    key: Secret


class Login(Config, tag_field="kind", tag="login"):
    user: str
    password: Secret


class ToyConfig(Config):
    """Settings of the toy."""

    token: Annotated[Secret, Setting("Token", "A token, or several with commas.")]
    login: Annotated[Login | Key | None, Setting("Login")] = None
    check: Annotated[str, Setting("Check", "How the check ends.")] = "ok"
    pages: Annotated[int, Setting("Pages", minimum=0)] = 3
    folder: Annotated[str | None, Setting("Folder", "For what a stream has to say on the side.")] = None
    many: Annotated[int, Setting("Many")] = 0


class ToyStream(Stream):
    """A stream that gives its pages as they are ready."""

    source: ToySource
    primary_key = ("id",)
    schema = {
        "type": "object",
        "properties": {"id": {"type": "integer"}, "at": {"type": "string"}, "text": {"type": "string"}},
    }

    def read(self, slice: Slice) -> Iterator[dict[str, Any]]:
        for page in self.rows(slice):
            yield from page

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        yield self.page(0)

    def page(self, number: int, size: int = 3) -> list[dict[str, Any]]:
        first = number * size
        return [
            {"id": i, "at": f"2024-01-01T{i // 3600 % 24:02}:{i // 60 % 60:02}:{i % 60:02}Z", "text": f"text {i}"}
            for i in range(first, first + size)
        ]

    def pages(self, slice: Slice) -> Iterator[Page]:
        for rows in self.rows(slice):
            yield Page.of_rows(rows, self.cursor)

    def note(self, text: str) -> None:
        if self.source.config.folder:
            (Path(self.source.config.folder) / self.name).write_text(text)


class Numbers(ToyStream):
    name = "numbers"
    cursor = Cursor("at", "ascending")

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        for number in range(self.source.config.pages):
            yield self.page(number)


class Full(Numbers):
    name = "full"
    cursor = None


class Parts(Numbers):
    name = "parts"

    def partitions(self) -> Iterator[dict[str, Any]]:
        yield from ({"part": "a"}, {"part": "b"})


class Empty(ToyStream):
    name = "empty"
    cursor = Cursor("at")

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        yield from ()


class EmptyFull(Empty):
    name = "empty_full"
    cursor = None


class Broken(ToyStream):
    name = "broken"
    cursor = Cursor("at", "ascending")

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        yield self.page(0)
        raise ValueError(f"no luck with {self.source.config.token.reveal()}")


class Denied(ToyStream):
    name = "denied"

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        raise ConfigError(f"The token {self.source.config.token.reveal()} may not read this.")


class Flaky(ToyStream):
    name = "flaky"

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        raise TransientError("The server is down.")


class Skipped(ToyStream):
    name = "skipped"

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        raise SkipSlice("There is nothing here.")


class Exits(ToyStream):
    name = "exits"

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        yield self.page(0)
        sys.exit(7)


class Printing(ToyStream):
    name = "printing"

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        secret = self.source.config.token.reveal()
        print("printed", secret)
        sys.stdout.buffer.write(b"bytes \xff\n")
        print("to stderr", secret, file=sys.stderr)
        print("old stdout", secret, file=sys.__stdout__)
        yield self.page(0)
        os.write(1, b"raw fd 1 " + secret.encode() + b"\n")
        os.write(2, b"raw fd 2 " + secret.encode() + b"\n")
        subprocess.run(["sh", "-c", 'echo "child 1 $0"; echo "child 2 $0" >&2', shlex.quote(secret)], check=True)
        if pid := os.fork():
            os.waitpid(pid, 0)
        else:
            log.warning("forked child %s", secret)
            os._exit(0)
        yield self.page(1)
        logging.getLogger("stale").warning("stale handler %s", secret)
        handler = logging.StreamHandler()
        logging.getLogger("late").addHandler(handler)
        logging.getLogger("late").warning("late handler %s", secret)
        warnings.warn(f"a warning {secret}", stacklevel=1)
        thread = threading.Thread(target=self.fail, args=(secret,), name="failing-thread")
        thread.start()
        thread.join()
        log.debug("debugging %s", secret)
        log.critical("fatal %s", secret)
        log.info("does not %d fit", secret)
        try:
            raise RuntimeError(f"caught {secret}")
        except RuntimeError:
            log.exception("logged")
        Finalized(secret).__repr__()
        sys.stdout.write("no end")

    def fail(self, secret: str) -> None:
        raise OSError(f"thread failed {secret}")


class Finalized:
    def __init__(self, secret: str) -> None:
        self.secret = secret

    def __del__(self) -> None:
        log.warning("finalizer logs %s", self.secret)
        raise RuntimeError(f"finalizer failed {self.secret}")


class CPrinting(ToyStream):
    name = "c_printing"

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        import ctypes

        ctypes.CDLL(None).puts(b"printed by C")
        yield self.page(0)
        for number in range(200):
            os.write(1, b"%d " % number + b"x" * 3000 + b"\n")
        os.write(1, b"endless " * 100_000)


class Leaking(ToyStream):
    """Says its secrets in all forms."""

    name = "leaking"

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        yield self.page(0)
        import base64
        import json
        from urllib.parse import quote, quote_plus, urlencode

        config = self.source.config
        secrets = [config.token.reveal()]
        if isinstance(config.login, Login):
            secrets.append(config.login.password.reveal())
        for secret in secrets:
            log.info("plain %s", secret)
            log.info("url %s %s %s", quote(secret), quote_plus(secret), urlencode({"t": secret}))
            log.info("json %s", json.dumps({"t": secret}))
            log.info("repr %r %r %r", secret, secret.encode(), [secret])
            for user in ("", "u:", "me:", "you:"):
                log.info("basic %s", base64.b64encode(f"{user}{secret}".encode()).decode())
                log.info("urlsafe %s", base64.urlsafe_b64encode(f"{user}{secret}:x".encode()).decode())
        raise RuntimeError("failed with " + " and ".join(secrets))


class Sleeping(ToyStream):
    name = "sleeping"
    cursor = Cursor("at", "ascending")

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        yield self.page(0)
        log.info("waiting now")
        try:
            self.wait()
        finally:
            self.note("cleaned up")

    def wait(self) -> None:
        time.sleep(300)


class Listening(Sleeping):
    name = "listening"

    def wait(self) -> None:
        here, there = socket.socketpair()
        with here, there:
            here.recv(1)


class Eventually(Sleeping):
    name = "eventually"

    def wait(self) -> None:
        threading.Event().wait(300)


class Busy(Sleeping):
    name = "busy"

    def wait(self) -> None:
        while True:
            sum(range(1000))


class Stubborn(Sleeping):
    """Takes every request to stop for an error, and tries again."""

    name = "stubborn"

    def wait(self) -> None:
        while True:
            try:
                time.sleep(0.5)
            except BaseException:
                log.info("trying again")


class Deaf(Sleeping):
    """Is in a C function that is not to be interrupted."""

    name = "deaf"

    def wait(self) -> None:
        lock = threading.Lock()
        import signal

        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGURG})
        lock.acquire()
        lock.acquire()


class Endless(ToyStream):
    name = "endless"
    cursor = Cursor("at", "ascending")

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        number = 0
        while True:
            yield [{**row, "text": "x" * 2000} for row in self.page(number, 100)]
            number += 1


class Threads(ToyStream):
    """Leaves a thread behind that never ends."""

    name = "threads"

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        yield self.page(0)
        threading.Thread(target=threading.Event().wait, name="left-over").start()


class Chorus(ToyStream):
    """Logs from many threads while it gives records."""

    name = "chorus"

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        threads = [threading.Thread(target=self.sing, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for number in range(30):
            yield [{**row, "text": "y" * 3000} for row in self.page(number, 50)]
        for thread in threads:
            thread.join()

    def sing(self, number: int) -> None:
        for verse in range(100):
            log.info("verse %d of %d %s", verse, number, "z" * 500)
            os.write(1, b"%d %d\n" % (number, verse))


class Rotating(ToyStream):
    """Gets a new token, and says so."""

    name = "rotating"

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        yield self.page(0)
        self.source.emit(Control({"token": "rotated-token-1"}))
        log.info("now %s", self.source.config.token.reveal())
        yield self.page(1)
        self.source.emit(Control({"login": {"kind": "login", "user": "me", "password": "rotated-pass-2"}}))
        log.info("and %s", self.source.config.login.password.reveal())


class Limited(ToyStream):
    name = "limited"

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        self.source.emit(StreamStatus(self.descriptor, Status.RUNNING, rate_limited=True, quota_reset=12345))
        self.note("told")
        yield self.page(0)


class Ready(ToyStream):
    """JSON as it comes from an API, secrets included: data."""

    name = "ready"

    def pages(self, slice: Slice) -> Iterator[Page]:
        secret = self.source.config.token.reveal()
        yield Page([b'{"id": 1,  "text": "' + secret.encode() + b'", "null": null, "big": 12345678901234567890123}'])
        yield Page([b"{}", b'{"id":2}'])


class Values(ToyStream):
    name = "values"
    schema = {"type": "object", "properties": {}}

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        from tests.connectors.values import TORTURE

        yield TORTURE


class Fat(ToyStream):
    name = "fat"

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        yield [{f"column {i}": i for i in range(5000)}]
        yield [{"id": 1, "text": "€" * 7_000_000}]


class ToySource(Source):
    name = "toy"
    documentation_url = "https://docs.test/toy"
    config: ToyConfig

    def streams(self) -> list[Stream]:
        kinds = [*ToyStream.__subclasses__(), *Numbers.__subclasses__(), EmptyFull, *Sleeping.__subclasses__()]
        return [kind(self) for kind in kinds]

    def check(self) -> None:
        how = self.config.check
        token = self.config.token.reveal()
        if how == "config":
            raise ConfigError(f"config: setting `token` ({token}) is refused.")
        if how == "transient":
            raise TransientError(f"The server is down for {token}.")
        if how == "bug":
            raise KeyError(token)
        if how == "exit":
            sys.exit(3)
        if how == "sleep":
            log.info("waiting now")
            time.sleep(300)
        if how == "noise":
            print("noise", token)
            self.emit(StreamStatus(Numbers(self).descriptor, Status.RUNNING, rate_limited=True))
            self.emit(Records(Numbers(self).descriptor, [b'{"id":1}']))
            self.emit(Control({"token": "new-token"}))


if __name__ == "__main__":
    ToySource.main()

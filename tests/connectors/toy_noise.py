"""Streams that print, log, and say their secrets."""

from __future__ import annotations

import logging
import os
import shlex
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from headwater.stream import Slice
from tests.connectors.toy_base import Login, ToyStream, log


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


class Talking(ToyStream):
    """Has printed much when it ends, and leaves a child that goes on."""

    name = "talking"

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        yield self.page(0)
        for number in range(4000):
            os.write(1, b"line %d %s\n" % (number, b"x" * 100))
        if self.source.config.folder:
            begun = Path(self.source.config.folder) / "begun"
            subprocess.Popen(["sh", "-c", f"yes | head -n 9000; touch '{begun}'; exec yes"])  # until nobody reads it
            while not begun.exists():
                time.sleep(0.01)


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

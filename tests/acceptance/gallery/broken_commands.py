"""Broken connectors: the process."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from correct import Correct
from defect import defect
from messages import Failed


@defect("A1", "prints a line of its own on standard output")
class Prints(Correct):
    def read(self, catalog: Any, states: Any) -> None:
        self.line(b"starting to read\n")
        super().read(catalog, states)


@defect("A2", "writes `emitted_at` as a float")
class FloatTime(Correct):
    def now(self) -> Any:
        return time.time() * 1000


@defect("A2", "writes a level that there is not")
class Warning(Correct):
    def check(self) -> dict[str, Any]:
        self.log("careful", "WARNING")
        return super().check()


@defect("A3", "writes NaN")
class NotANumber(Correct):
    def row(self, number: int) -> dict[str, Any]:
        return {**super().row(number), "score": float("nan") if number == 9 else 1.0}


@defect("A3", "writes two messages on one line")
class TwoOnALine(Correct):
    def status(self, stream: Any, status: str) -> None:
        if status == "RUNNING":
            self.line(b'{"type":"LOG","log":{"level":"INFO","message":"running"}}')
        super().status(stream, status)


@defect("A3", "does not end its last line")
class NoLastLineFeed(Correct):
    def complete(self, stream: Any) -> None:
        if stream["name"] != "plans":
            super().complete(stream)
        else:
            self.line(b'{"type":"LOG","log":{"level":"INFO","message":"done"}}')


@defect("A3", "cuts a name in the middle of a character")
class HalfCharacter(Correct):
    def write(self, message: Any) -> None:
        self.line(json.dumps(message).encode().replace(b"name 9", b"name \xc3") + b"\n")


@defect("A4", "exits with 0 after an unknown stream")
class ZeroOnFailure(Correct):
    def failed(self, stream: Any, error: Failed) -> None:
        super().failed(stream, error)
        self.code = 0


@defect("A4", "exits with 1 after a success")
class OneOnSuccess(Correct):
    def read(self, catalog: Any, states: Any) -> None:
        super().read(catalog, states)
        self.code = 1


@defect("A5", "a thread of it fails while it succeeds")
class ThreadFails(Correct):
    def check(self) -> dict[str, Any]:
        import threading

        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
        return super().check()


@defect("A6", "exits with 0 on an unknown command")
class AnyCommand(Correct):
    def command(self, argv: list[str]) -> None:
        super().command(argv)
        self.code = 0 if argv[:1] == ["no-such-command"] else self.code


@defect("A7", "prints a config that it can't read")
class PrintsConfig(Correct):
    def load(self, path: str, what: str) -> Any:
        try:
            return super().load(path, what)
        except Failed:
            if os.path.exists(path):
                with open(path) as file:
                    print(file.read(), file=sys.stderr)
            raise


@defect("A7", "takes a catalog that is no JSON for an empty one")
class AnyCatalog(Correct):
    def load(self, path: str, what: str) -> Any:
        try:
            return super().load(path, what)
        except Failed:
            if what != "catalog":
                raise
            return {"streams": []}


@defect("A8", "needs HOME")
class NeedsHome(Correct):
    def spec(self) -> dict[str, Any]:
        os.environ["HOME"]
        return super().spec()


@defect("A9", "takes three seconds of processor time to start")
class SlowStart(Correct):
    def spec(self) -> dict[str, Any]:
        until = time.process_time() + 2.2
        while time.process_time() < until:
            pass
        return super().spec()


@defect("A10", "leaves a log file in the working directory")
class LeavesFiles(Correct):
    def check(self) -> dict[str, Any]:
        with open("connector.log", "w") as file:
            file.write("checked")
        return super().check()


@defect("A1", "prints its token")
class PrintsToken(Correct):
    def check(self) -> dict[str, Any]:
        self.line(f"logging in with {self.config.get('token')}\n".encode())
        return super().check()

"""Broken connectors: signals, pipes, memory, secrets, what differs from run to run."""

from __future__ import annotations

import base64
import os
import select
import subprocess
import sys
import time
from typing import Any
from urllib.parse import quote

from correct import Correct
from defect import defect
from messages import Failed


@defect("X4", "dies of a signal as it is")
class NoHandler(Correct):
    handles = False


@defect("X4", "exits with 0 after a signal")
class ZeroOnSignal(Correct):
    def stop(self, number: int, frame: Any) -> None:
        super().stop(number, frame)

    def main(self, argv: list[str]) -> int:
        code = super().main(argv)
        return 0 if code in (130, 143) else code


@defect("X4", "says COMPLETE after a signal")
class CompleteOnSignal(Correct):
    def status(self, stream: Any, status: str) -> None:
        super().status(stream, "COMPLETE" if status == "INCOMPLETE" and self.code > 128 else status)


@defect("X4", "gives a last state for what it did not read after a signal")
class StateOnSignal(Correct):
    def status(self, stream: Any, status: str) -> None:
        if status == "INCOMPLETE" and self.code > 128:
            self.state(stream, {"updated_at": "2024-12-31T00:00:00Z"})
        super().status(stream, status)


@defect("X4", "is in the middle of a line when it ends")
class CutsLine(Correct):
    def stop(self, number: int, frame: Any) -> None:
        os.write(1, b'{"type":"LOG","log":{"level":"INFO","message":"stopped')
        os._exit(128 + number)


@defect("X5", "takes a closed output for a success")
class ClosedIsFine(Correct):
    def main(self, argv: list[str]) -> int:
        code = super().main(argv)
        return 0 if code == 141 else code


@defect("X6", "reads on while nobody takes what it has", size=4_000)
class ReadsAhead(Correct):
    def read(self, catalog: Any, states: Any) -> None:
        import threading

        self.ahead: list[Any] = []
        self.wrote = time.monotonic()
        threading.Thread(target=self.fill, daemon=True).start()
        super().read(catalog, states)

    def line(self, line: bytes) -> None:
        super().line(line)
        self.wrote = time.monotonic()

    def fill(self) -> None:
        while len(self.ahead) < 400:
            time.sleep(0.01)
            if time.monotonic() - self.wrote > 0.1:  # on any machine: nobody takes what it has
                self.ahead.append(bytearray(os.urandom(1000) * 300))


@defect("X6", "takes a slow reader for one that is gone", size=4_000)
class Impatient(Correct):
    patience = 4.5  # seconds that it waits in all, in a read: more than it is not read at all, less than slowly

    def line(self, line: bytes) -> None:
        os.set_blocking(1, False)
        while line:
            began = time.monotonic()
            _, ready, _ = select.select([], [1], [], self.patience)
            self.patience -= time.monotonic() - began
            if not ready or self.patience <= 0:
                os._exit(1)
            line = line[os.write(1, line) :]


@defect("X7", "takes a lack of memory for the end of a stream", size=25_000)
class ShortOfMemory(Correct):
    def pages(self, name: str, since: str) -> Any:
        try:
            bytearray(2_000_000_000)  # room that it never fills
        except MemoryError:
            return
        yield from super().pages(name, since)


@defect("X7", "has everything in memory before it writes the first record", size=25_000)
class HoldsAll(Correct):
    def pages(self, name: str, since: str) -> Any:
        held = [dict(row, more={"a": row["id"], "b": "x" * 3000 + str(row["id"])}) for row in self.rows(name)]
        yield from ([row] for row in ({**row, "more": {"a": 1}} for row in held))


@defect("X10", "logs its token in base64")
class LogsToken(Correct):
    def check(self) -> dict[str, Any]:
        self.log("Authorization: Basic " + base64.b64encode(f"user:{self.config['token']}".encode()).decode())
        return super().check()


@defect("X10", "logs its token as it reads")
class LogsRows(Correct):
    def complete(self, stream: dict[str, Any]) -> None:
        self.log(f"read with {self.config['token']}")
        super().complete(stream)


@defect("X10", "writes the URL with its token to standard error when it fails")
class LeaksOnFailure(Correct):
    def check(self) -> dict[str, Any]:
        if "cAnary" in self.config["token"]:
            print(f"GET https://api.test/?token={quote(self.config['token'])}: 401", file=sys.stderr)
        return super().check()


@defect("X10", "tells its token to whoever may read its errors")
class TellsToken(Correct):
    def checkpoint(self, stream: Any, since: str) -> None:
        raise Failed(f"<b>401</b> & no more for {self.config['token']}", "transient_error")


@defect("C6", "never ends its check")
class NeverEnds(Correct):
    def check(self) -> dict[str, Any]:
        time.sleep(600)
        return super().check()


@defect("X14", "depends on the time zone")
class LocalTime(Correct):
    def row(self, number: int) -> dict[str, Any]:
        return {**super().row(number), "name": time.strftime("%Z", time.localtime(0))}


@defect("X14", "gives other values each time")
class OtherValues(Correct):
    def row(self, number: int) -> dict[str, Any]:
        return {**super().row(number), "score": time.time()}


@defect("X17", "says nothing for a long time")
class Silent(Correct):
    def complete(self, stream: Any) -> None:
        if stream["name"] == "users":
            time.sleep(2.5)
        super().complete(stream)


@defect("X18", "gives a state after every record", size=400)
class StateEach(Correct):
    page = 1

    def row(self, number: int) -> dict[str, Any]:
        return {
            **super().row(number),
            "updated_at": f"2024-03-01T{number // 3600:02}:{number // 60:02}:{number % 60:02}Z",
        }


@defect("X20", "leaves a process behind")
class LeavesProcess(Correct):
    def check(self) -> dict[str, Any]:
        subprocess.Popen(["sleep", "30"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return super().check()


@defect("X20", "leaves a process behind that nobody can tell by its environment")
class LeavesNameless(Correct):
    def check(self) -> dict[str, Any]:
        subprocess.Popen(["/bin/sleep", "30"], env={}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return super().check()


@defect("X20", "a process that it started keeps its output open")
class KeepsOpen(Correct):
    def check(self) -> dict[str, Any]:
        subprocess.Popen(["sleep", "30"], start_new_session=True)
        return super().check()


@defect("X15", "leaves out records on the last day of a year")
class YearEnd(Correct):
    def rows(self, name: str) -> list[dict[str, Any]]:
        now = time.gmtime()
        return super().rows(name)[: -6 if (now.tm_mon, now.tm_mday) == (12, 31) else None]

"""Broken connectors: states, and reads that go on from them."""

from __future__ import annotations

import os
import time
from typing import Any

from correct import Correct
from defect import defect, good
from messages import Failed


@defect("F1", "ignores its state")
class IgnoresState(Correct):
    def pages(self, name: str, since: str) -> Any:
        yield from super().pages(name, "")


@defect("F1", "gives no state when nothing is new")
class NoStateWithoutNews(Correct):
    def final(self, stream: Any, since: Any, told: Any) -> None:
        if self.since != since or not since:
            super().final(stream, since, told)

    def stream(self, stream: Any, entry: Any, state: Any) -> None:
        self.since = state.get("updated_at", "")
        super().stream(stream, entry, state)

    def checkpoint(self, stream: Any, since: str) -> None:
        if since != self.since:
            super().checkpoint(stream, since)


@defect("F2", "gives states that are a page ahead of its records")
class StateAhead(Correct):
    def checkpoint(self, stream: Any, since: str) -> None:
        later = [row["updated_at"] for row in self.rows(stream["name"]) if row["updated_at"] > since]
        super().checkpoint(stream, later[min(len(later), self.page) - 1] if later else since)


@defect("F2", "drops a page when it goes on from a state")
class DropsPage(Correct):
    def pages(self, name: str, since: str) -> Any:
        for number, page in enumerate(super().pages(name, since)):
            if not since or number != 1:
                yield page


@defect("F3", "goes back to an older cursor when nothing is new")
class GoesBack(Correct):
    def final(self, stream: Any, since: Any, told: Any) -> None:
        super().final(stream, since, told)
        if stream["name"] == "users" and self.resumed:
            self.state(stream, {"updated_at": "2024-03-01T00:01:00Z"})

    def stream(self, stream: Any, entry: Any, state: Any) -> None:
        self.resumed = "updated_at" in state
        super().stream(stream, entry, state)


@defect("F4", "begins anew when its state is after all records")
class FutureIsPast(Correct):
    def pages(self, name: str, since: str) -> Any:
        yield from super().pages(name, "" if since > "2030" else since)


@defect("F5", "refuses the states of its last version")
class NewStates(Correct):
    def states(self, given: Any) -> dict[str, Any]:
        if any("version" not in (one["stream"].get("stream_state") or {}) for one in given):
            raise Failed("A state has no version.")
        return super().states(given)


@defect("F6", "crashes on an unknown name in a state")
class StrictState(Correct):
    def states(self, given: Any) -> dict[str, Any]:
        found = super().states(given)
        for state in found.values():
            if state.keys() - {"updated_at", "done"}:
                raise Failed(f"TypeError: unexpected {state}", "system_error")
        return found


@defect("F7", "crashes on the state of a stream that there is not")
class StrictStreams(Correct):
    def states(self, given: Any) -> dict[str, Any]:
        found = super().states(given)
        if found.keys() - {stream["name"] for stream in self.streams()}:
            raise Failed("KeyError", "system_error")
        return found


@defect("F8", "crashes on a state of null")
class NoNull(Correct):
    def states(self, given: Any) -> dict[str, Any]:
        for one in given if isinstance(given, list) else ():
            if one["stream"]["stream_state"] is None:
                raise Failed("TypeError: 'NoneType' object is not subscriptable", "system_error")
        return super().states(given)


@defect("F9", "crashes on a state that is an empty object")
class NoObject(Correct):
    def states(self, given: Any) -> dict[str, Any]:
        if not isinstance(given, list):
            raise Failed("TypeError: string indices must be integers", "system_error")
        return super().states(given)


@defect("F10", "does not read a stream in full again")
class OnceOnly(Correct):
    def stream(self, stream: Any, entry: Any, state: Any) -> None:
        if state.get("done"):
            self.final(stream, None, None)
        else:
            super().stream(stream, entry, state)


@defect("X1", "writes the state of a page before its records")
class StateFirst(Correct):
    def stream(self, stream: Any, entry: Any, state: Any) -> None:
        self.held: list[Any] = []
        super().stream(stream, entry, state)

    def record(self, stream: Any, data: Any) -> None:
        self.held.append(data)

    def state(self, stream: Any, content: Any) -> None:
        super().state(stream, content)
        for data in self.held:
            super().record(stream, data)
        self.held = []


@defect("X2", "gives the highest cursor of a page as its state, though pages are not in order")
class Unsorted(Correct):
    def rows(self, name: str) -> list[dict[str, Any]]:
        found = super().rows(name)
        return [*found[24:], *found[:24]] if name == "users" else found


@defect("X3", "gives another state each time")
class AnyState(Correct):
    def state(self, stream: Any, content: Any) -> None:
        super().state(stream, {**content, "at": time.time()} if self.resumed else content)

    def stream(self, stream: Any, entry: Any, state: Any) -> None:
        self.resumed = bool(state)
        super().stream(stream, entry, state)


@defect("X16", "goes on after its cursor, not at it")
class After(Correct):
    def pages(self, name: str, since: str) -> Any:
        rows = [row for row in self.rows(name) if row["updated_at"] > since]
        for start in range(0, len(rows), self.page):
            yield rows[start : start + self.page]


@defect("X21", "writes states that name no stream, which nobody can keep")
class NamelessStates(Correct):
    def state(self, stream: Any, content: Any) -> None:
        self.write({"type": "STATE", "state": {"type": "STREAM", "stream": {"stream_state": content}}})


@defect("F11", "never reads what comes later than its state")
class NothingNew(Correct):
    def pages(self, name: str, since: str) -> Any:
        for page in super().pages(name, since):
            kept = [row for row in page if not since or row["id"] <= 45]
            if kept:
                yield kept


@good
class Lookback(Correct):
    """Keeps in its states how long it took, as airbyte-cdk does."""

    def state(self, stream: Any, content: Any) -> None:
        super().state(stream, {**content, "lookback_window": 1_000_000 - os.getpid()})

"""Broken connectors: what a read writes."""

from __future__ import annotations

import time
from typing import Any

from correct import Correct
from defect import defect
from messages import Failed


class _Rows(Correct):
    """With a changed row."""

    at = 9

    def row(self, number: int) -> dict[str, Any]:
        found = super().row(number)
        if number == self.at:
            self.change(found)
        return found

    def change(self, row: dict[str, Any]) -> None:
        raise NotImplementedError


@defect("E1", "fails in the middle of a stream")
class Fails(Correct):
    def checkpoint(self, stream: Any, since: str) -> None:
        raise Failed("The server is down.", "transient_error")


@defect("E2", "gives records of a stream that nobody configured")
class OtherStream(Correct):
    def record(self, stream: Any, data: Any) -> None:
        super().record(stream, data)
        if data["id"] == 3:
            super().record({"name": "parents"}, data)


@defect("E3", "gives no records of a stream")
class NoRecords(Correct):
    def rows(self, name: str) -> list[dict[str, Any]]:
        return [] if name == "plans" else super().rows(name)


@defect("E4", "forgets the namespace")
class NoNamespace(Correct):
    def addressed(self, stream: Any) -> dict[str, Any]:
        return {"stream": stream["name"]}


@defect("E5", "gives a text where a number is declared")
class WrongType(_Rows):
    at = 41

    def change(self, row: dict[str, Any]) -> None:
        row["score"] = "20.5"


@defect("E5", "gives a time that is none")
class WrongTime(_Rows):
    def change(self, row: dict[str, Any]) -> None:
        row["updated_at"] = "2024-03-01 25:00"


@defect("E6", "gives a field that it does not declare")
class Undeclared(_Rows):
    def change(self, row: dict[str, Any]) -> None:
        row["created_by"] = "me"


@defect("E7", "never has a value in a field that it declares")
class NeverThere(Correct):
    def row(self, number: int) -> dict[str, Any]:
        return {**super().row(number), "score": None}


@defect("E8", "gives a record without its key")
class NoKeyValue(_Rows):
    def change(self, row: dict[str, Any]) -> None:
        row["id"] = None


@defect("E9", "gives a key that is a list")
class KeyList(_Rows):
    def change(self, row: dict[str, Any]) -> None:
        row["id"] = [9]


@defect("E10", "gives a page twice")
class PageTwice(Correct):
    def pages(self, name: str, since: str) -> Any:
        for number, page in enumerate(super().pages(name, since)):
            yield page
            if number == 1:
                yield page


@defect("E11", "writes `emitted_at` in seconds")
class Seconds(Correct):
    def now(self) -> Any:
        return int(time.time())


@defect("E12", "gives an empty record")
class EmptyRecord(Correct):
    def record(self, stream: Any, data: Any) -> None:
        super().record(stream, {} if data["id"] == 5 else data)


@defect("E13", "never says RUNNING")
class NeverRunning(Correct):
    def status(self, stream: Any, status: str) -> None:
        if status != "RUNNING":
            super().status(stream, status)


@defect("E13", "does not say that an empty stream is complete")
class EmptyForgotten(Correct):
    def complete(self, stream: Any) -> None:
        if stream["name"] != "empty":
            super().complete(stream)


@defect("E13", "says COMPLETE before the last records")
class CompleteEarly(Correct):
    def record(self, stream: Any, data: Any) -> None:
        if data["id"] == 45:
            super().status(stream, "COMPLETE")
        super().record(stream, data)

    def complete(self, stream: Any) -> None:
        if stream["name"] == "empty":
            super().complete(stream)


@defect("E14", "gives no state of an empty stream")
class NoStateWhenEmpty(Correct):
    def final(self, stream: Any, since: Any, told: Any) -> None:
        if stream["name"] != "empty":
            super().final(stream, since, told)

    def rows(self, name: str) -> list[dict[str, Any]]:
        return super().rows(name)


@defect("E14", "gives no state of a stream that is read in full")
class NoStateInFull(Correct):
    def final(self, stream: Any, since: Any, told: Any) -> None:
        if since is not None:
            super().final(stream, since, told)


@defect("E15", "mixes states of all streams with those of one")
class MixedStates(Correct):
    def final(self, stream: Any, since: Any, told: Any) -> None:
        super().final(stream, since, told)
        if stream["name"] == "plans":
            self.write({"type": "STATE", "state": {
                "type": "GLOBAL", "global": {"shared_state": {}, "stream_states": []},
                "sourceStats": {"recordCount": 0.0},
            }})  # fmt: skip


@defect("E16", "counts one record too few")
class CountsWrong(Correct):
    def record(self, stream: Any, data: Any) -> None:
        super().record(stream, data)
        if data["id"] == 10:
            self.counts[stream["name"]] -= 1


@defect("E16", "counts from the beginning, not from the last state")
class CountsAll(Correct):
    def state(self, stream: Any, content: Any) -> None:
        count = self.counts.get(stream["name"], 0)
        super().state(stream, content)
        self.counts[stream["name"]] = count


@defect("E17", "gives the same state again and again")
class SameState(Correct):
    def checkpoint(self, stream: Any, since: str) -> None:
        super().checkpoint(stream, "2024-03-01T00:00:00Z" if since < "2024-03-01T00:06" else since)


@defect("E18", "gives its last state before its last records")
class StateTooEarly(Correct):
    def stream(self, stream: Any, entry: Any, state: Any) -> None:
        self.held: list[Any] = []
        super().stream(stream, entry, state)
        for data in self.held:
            super().record(stream, data)

    def record(self, stream: Any, data: Any) -> None:
        if data["id"] == 45:
            self.held.append(data)
        else:
            super().record(stream, data)


@defect("E18", "gives its last state after COMPLETE")
class StateTooLate(Correct):
    def final(self, stream: Any, since: Any, told: Any) -> None:
        if stream["name"] != "plans":
            super().final(stream, since, told)

    def complete(self, stream: Any) -> None:
        super().complete(stream)
        if stream["name"] == "plans":
            super().final(stream, None, None)


@defect("E19", "estimates a stream, and then the sync")
class MixedEstimates(Correct):
    def read(self, catalog: Any, states: Any) -> None:
        for kind in ("STREAM", "SYNC"):
            estimate = {"name": "users", "type": kind, "row_estimate": 45}
            self.write({"type": "TRACE", "trace": {"type": "ESTIMATE", "emitted_at": 1.0, "estimate": estimate}})
        super().read(catalog, states)


@defect("E20", "changes a value")
class ChangedValue(_Rows):
    def change(self, row: dict[str, Any]) -> None:
        row["name"] = "another name"


@defect("E21", "fails when a field is not selected")
class NeedsAllFields(Correct):
    def stream(self, stream: Any, entry: Any, state: Any) -> None:
        if "score" not in stream["json_schema"]["properties"]:
            raise Failed("KeyError: 'score'", "system_error")
        super().stream(stream, entry, state)


@defect("E22", "gives nothing of a stream that is read alone")
class NeedsUsers(Correct):
    def read(self, catalog: Any, states: Any) -> None:
        self.names = [entry["stream"]["name"] for entry in catalog["streams"]]
        super().read(catalog, states)

    def rows(self, name: str) -> list[dict[str, Any]]:
        return [] if name == "logs" and "users" not in self.names else super().rows(name)


@defect("E23", "reads a stream only after the one that it depends on")
class NeedsOrder(NeedsUsers):
    def rows(self, name: str) -> list[dict[str, Any]]:
        if name == "logs" and "users" in self.names and self.names.index("users") > self.names.index("logs"):
            return []
        return Correct.rows(self, name)


@defect("E24", "drops the last page of a full refresh")
class DropsPageInFull(Correct):
    def stream(self, stream: Any, entry: Any, state: Any) -> None:
        self.full = entry["sync_mode"] == "full_refresh" and stream["name"] == "users"
        super().stream(stream, entry, state)

    def rows(self, name: str) -> list[dict[str, Any]]:
        return super().rows(name)[:-6] if self.full else super().rows(name)


@defect("E25", "skips an unknown stream in silence")
class SkipsUnknown(Correct):
    def failed(self, stream: Any, error: Failed) -> None:
        self.log(f"skipped {stream['name']}")


@defect("E25", "stops at the first stream that fails")
class OneFailsAll(Correct):
    def failed(self, stream: Any, error: Failed) -> None:
        self.status(stream, "INCOMPLETE")
        raise error


@defect("E26", "reads nothing from a catalog that is none, and is content")
class AnyMode(Correct):
    def read(self, catalog: Any, states: Any) -> None:
        if catalog["streams"][0]["sync_mode"] != "INVALID":
            super().read(catalog, states)


@defect("E27", "reads no file of a kind that it supports")
class SkipsParquet(Correct):
    def row(self, number: int) -> dict[str, Any]:
        kind = (".csv", ".jsonl")[number % 2]
        return {**super().row(number), "_ab_source_file_url": f"s3://bucket/{number}{kind}"}

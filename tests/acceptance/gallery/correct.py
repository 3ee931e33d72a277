"""A correct connector, with every part in a method of its own, for a defect to override.

Its data are made up, or read over HTTP if the config says from where.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

SIZE = 45
PAGE = 6


LOST: Any = object()
"""In place of a number that Python's floats can't hold."""


class Failed(Exception):
    """Something that is told in an ERROR trace."""

    def __init__(self, message: str, kind: str = "config_error") -> None:
        super().__init__(message)
        self.message, self.kind = message, kind


class Stopped(BaseException):
    """A signal came."""


class Correct:
    """The connector."""

    usage = "usage: gallery [spec | check | discover | read] --config FILE --catalog FILE --state FILE"
    page = PAGE
    handles = True
    tries = 5

    # --- the command line ---------------------------------------------------------------------------------

    def main(self, argv: list[str]) -> int:
        """Run a command; gives the exit code."""
        self.code = 0
        self.stopping = False
        self.counts: dict[str, int] = {}
        if self.handles:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self.stop)
        try:
            self.command(argv)
        except Failed as error:
            self.trace(error.message, error.kind)
            self.code = 1
        except Stopped:
            return self.code
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            return 141
        return self.code

    def stop(self, number: int, frame: Any) -> None:
        """A signal came: after the line that is being written, it ends."""
        self.code = 128 + number
        self.stopping = True

    def command(self, argv: list[str]) -> None:
        """The command that the first argument names."""
        if not argv or argv[0] not in ("spec", "check", "discover", "read"):
            print(self.usage, file=sys.stderr)
            self.code = 2
            return
        if argv[0] == "spec":
            self.write({"type": "SPEC", "spec": self.spec()})
            return
        options = dict(zip(argv[1::2], argv[2::2], strict=False))
        if "--config" not in options or (argv[0] == "read" and "--catalog" not in options):
            print(self.usage, file=sys.stderr)
            self.code = 2
            return
        self.config = self.load(options["--config"], "config")
        if argv[0] == "check":
            self.write({"type": "CONNECTION_STATUS", "connectionStatus": self.check()})
            return
        self.valid()
        if argv[0] == "discover":
            self.write({"type": "CATALOG", "catalog": {"streams": self.streams()}})
            return
        catalog = self.load(options["--catalog"], "catalog")
        self.read(catalog, self.states(self.load(options["--state"], "state") if "--state" in options else []))

    def load(self, path: str, what: str) -> Any:
        """A file's JSON."""
        try:
            with open(path, encoding="utf-8") as file:
                return json.load(file)
        except (OSError, ValueError):
            raise Failed(f"The {what} can't be read: it is missing or no JSON.") from None

    # --- what it writes -----------------------------------------------------------------------------------

    def write(self, message: dict[str, Any]) -> None:
        """A message."""
        self.line(json.dumps(message).encode() + b"\n")
        if self.stopping:
            self.stopping = False
            raise Stopped

    def line(self, line: bytes) -> None:
        """Bytes, all of them."""
        while line:
            line = line[os.write(1, line) :]

    def trace(self, message: str, kind: str, stream: dict[str, Any] | None = None) -> None:
        """An ERROR trace."""
        error = {"message": message, "failure_type": kind}
        if stream is not None:
            error["stream_descriptor"] = self.descriptor(stream)
        self.write({"type": "TRACE", "trace": {"type": "ERROR", "emitted_at": time.time() * 1000, "error": error}})

    def log(self, message: str, level: str = "INFO") -> None:
        """A log line."""
        self.write({"type": "LOG", "log": {"level": level, "message": message}})

    def descriptor(self, stream: dict[str, Any]) -> dict[str, Any]:
        """A stream's descriptor."""
        found = {"name": stream["name"]}
        if stream.get("namespace"):
            found["namespace"] = stream["namespace"]
        return found

    def status(self, stream: dict[str, Any], status: str) -> None:
        """A stream's status."""
        told = {"stream_descriptor": self.descriptor(stream), "status": status}
        trace = {"type": "STREAM_STATUS", "emitted_at": time.time() * 1000, "stream_status": told}
        self.write({"type": "TRACE", "trace": trace})

    def record(self, stream: dict[str, Any], data: dict[str, Any]) -> None:
        """A record."""
        self.counts[stream["name"]] = self.counts.get(stream["name"], 0) + 1
        record = {**self.addressed(stream), "data": data, "emitted_at": self.now()}
        lost = [name for name, value in data.items() if value is LOST]
        if lost:
            record["data"] = {name: None if value is LOST else value for name, value in data.items()}
            reason = {"change": "NULLED", "reason": "SOURCE_SERIALIZATION_ERROR"}
            record["meta"] = {"changes": [{"field": name, **reason} for name in lost]}
        self.write({"type": "RECORD", "record": record})

    def now(self) -> Any:
        """Milliseconds."""
        return int(time.time() * 1000)

    def addressed(self, stream: dict[str, Any]) -> dict[str, Any]:
        """Whose record it is."""
        found = {"stream": stream["name"]}
        if stream.get("namespace"):
            found["namespace"] = stream["namespace"]
        return found

    def state(self, stream: dict[str, Any], content: dict[str, Any]) -> None:
        """A state."""
        self.write({"type": "STATE", "state": {
            "type": "STREAM",
            "stream": {"stream_descriptor": self.descriptor(stream), "stream_state": content},
            "sourceStats": {"recordCount": float(self.counts.pop(stream["name"], 0))},
        }})  # fmt: skip

    # --- spec, check, discover ----------------------------------------------------------------------------

    def spec(self) -> dict[str, Any]:
        """The specification."""
        return {"documentationUrl": "https://docs.test/gallery", "connectionSpecification": {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "title": "Gallery",
            "required": ["token", "region"],
            "properties": self.properties(),
        }}  # fmt: skip

    def properties(self) -> dict[str, Any]:
        """The settings."""
        return {
            "token": {"type": "string", "title": "Token", "description": "A token.", "airbyte_secret": True,
                      "minLength": 1, "order": 0},
            "region": {"type": "string", "title": "Region", "description": "Where.", "enum": ["eu", "us"],
                       "order": 1},
            "size": {"type": "integer", "title": "Size", "default": 45, "minimum": 0, "order": 2},
            "api_url": {"type": "string", "title": "API URL", "order": 3},
            "start": {"type": "string", "title": "Start", "format": "date", "order": 4,
                      "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "examples": ["2024-01-01"]},
            "auth": {"type": "object", "title": "More", "order": 5, "oneOf": [
                {"title": "Login", "type": "object", "required": ["kind"], "properties": {
                    "kind": {"type": "string", "const": "login"},
                    "password": {"type": "string", "airbyte_secret": True}}},
                {"title": "Key", "type": "object", "required": ["kind"], "properties": {
                    "kind": {"type": "string", "const": "key"},
                    "api_key": {"type": "string", "airbyte_secret": True}}},
            ]},
        }  # fmt: skip

    def problem(self) -> str | None:
        """What is wrong with the config."""
        config = self.config
        if not isinstance(config.get("token"), str) or not config["token"]:
            return "config: `token` must be a text that is not empty."
        if config.get("region") not in ("eu", "us"):
            return "config: `region` must be eu or us."
        if not isinstance(config.get("size", 0), int):
            return "config: `size` must be a number."
        return None

    def valid(self) -> None:
        """Refuse a config that is wrong."""
        problem = self.problem()
        if problem:
            raise Failed(problem)

    def check(self) -> dict[str, Any]:
        """The connection's status."""
        problem = self.problem()
        if not problem and self.config["token"] == "wrong":
            problem = "config: the `token` is refused."
        return {"status": "FAILED", "message": problem} if problem else {"status": "SUCCEEDED"}

    def streams(self) -> list[dict[str, Any]]:
        """The catalog."""
        fields = {"id": {"type": "integer"}, "name": {"type": ["string", "null"]},
                  "updated_at": {"type": "string", "format": "date-time",
                                 "airbyte_type": "timestamp_with_timezone"},
                  "score": {"type": ["number", "null"]}, "tags": {"type": "array", "items": {"type": "string"}},
                  "more": {"type": "object", "properties": {"a": {"type": "integer"}}}}  # fmt: skip
        schema = {"type": "object", "properties": fields}
        incremental: dict[str, Any] = {
            "json_schema": schema, "supported_sync_modes": ["full_refresh", "incremental"],
            "source_defined_cursor": True, "default_cursor_field": ["updated_at"],
            "source_defined_primary_key": [["id"]], "is_resumable": True,
        }  # fmt: skip
        return [
            {"name": "users", **incremental},
            {"name": "logs", "namespace": "audit", **incremental},
            {"name": "empty", **incremental},
            {"name": "plans", "json_schema": schema, "supported_sync_modes": ["full_refresh"],
             "source_defined_primary_key": [["id"]]},
        ]  # fmt: skip

    # --- read ---------------------------------------------------------------------------------------------

    def states(self, given: Any) -> dict[str, Any]:
        """The streams' states, from what ``--state`` gave."""
        if not isinstance(given, list):
            return {}
        found = {}
        for one in given:
            if isinstance(one, dict) and isinstance(one.get("stream"), dict):
                found[one["stream"]["stream_descriptor"]["name"]] = one["stream"].get("stream_state") or {}
        return found

    def read(self, catalog: dict[str, Any], states: dict[str, Any]) -> None:
        """Every configured stream; one that fails leaves the others alone."""
        known = {stream["name"]: stream for stream in self.streams()}
        for entry in catalog["streams"]:
            stream = entry["stream"]
            try:
                self.status(stream, "STARTED")
                if stream["name"] not in known:
                    raise Failed(f"There is no stream {stream['name']!r}.")
                self.stream(stream, entry, states.get(stream["name"]) or {})
                self.complete(stream)
            except Failed as error:
                self.failed(stream, error)
            except Stopped:
                self.status(stream, "INCOMPLETE")
                return

    def complete(self, stream: dict[str, Any]) -> None:
        """The end of a stream."""
        self.status(stream, "COMPLETE")

    def failed(self, stream: dict[str, Any], error: Failed) -> None:
        """The failure of a stream."""
        self.trace(error.message, error.kind, stream)
        self.status(stream, "INCOMPLETE")
        self.code = 1

    def stream(self, stream: dict[str, Any], entry: dict[str, Any], state: dict[str, Any]) -> None:
        """Records and states of a stream."""
        incremental = entry["sync_mode"] == "incremental"
        since = state.get("updated_at", "") if incremental else ""
        running = False
        told = None
        for page in self.pages(stream["name"], since):
            if not running:
                running = True
                self.status(stream, "RUNNING")
            for row in page:
                self.record(stream, row)
            if incremental:
                since = max(since, page[-1]["updated_at"])
                if since != told:
                    self.checkpoint(stream, since)
                told = since
        self.final(stream, since if incremental else None, told)

    def checkpoint(self, stream: dict[str, Any], since: str) -> None:
        """A state after a page."""
        self.state(stream, {"updated_at": since})

    def final(self, stream: dict[str, Any], since: str | None, told: str | None) -> None:
        """The last state."""
        if since is None:
            self.state(stream, {"done": True})
        elif since != told or self.counts.get(stream["name"]):
            self.state(stream, {"updated_at": since})

    def pages(self, name: str, since: str) -> Any:
        """The stream's pages, in the order of their cursor, from a cursor on: equal ones come again."""
        if self.config.get("api_url"):
            import web

            yield from web.pages(self, name, since)
            return
        rows = [row for row in self.rows(name) if row["updated_at"] >= since]
        for start in range(0, len(rows), self.page):
            yield rows[start : start + self.page]

    def fetch(self, url: str) -> Any:
        """An answer of the API."""
        import web

        return web.fetch(self, url, self.tries)

    def following(self, answer: Any, seen: set[int]) -> Any:
        """The number of the next page."""
        import web

        return web.following(answer, seen)

    def rows(self, name: str) -> list[dict[str, Any]]:
        """All there is to read: four in a row have the same cursor, so that some lie on both sides of a page's end."""
        size = 0 if name == "empty" else self.config.get("size", SIZE)
        if size and os.path.exists(self.config.get("grown", "")):
            size += 8
        return [self.row(number) for number in range(1, size + 1)]

    def row(self, number: int) -> dict[str, Any]:
        """One of them."""
        minute = number // 4
        return {"id": number, "name": None if number % 7 == 0 else f"name {number}",
                "updated_at": f"2024-03-{1 + minute // 1440:02}T{minute // 60 % 24:02}:{minute % 60:02}:00Z",
                "score": number / 2 if number % 3 else None, "tags": ["a", "b"][: number % 3],
                "more": {"a": number}}  # fmt: skip

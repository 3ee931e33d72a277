"""A correct connector, with every part in a method of its own, for a defect to override.

Its data are made up, or read over HTTP if the config says from where.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from messages import Failed, Stopped
from offers import Offers

SIZE = 45
PAGE = 6


class Correct(Offers):
    """The connector."""

    usage = "usage: gallery [spec | check | discover | read] --config FILE --catalog FILE --state FILE"
    page = PAGE
    handles = True
    tries = 5
    pause = 0.05

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

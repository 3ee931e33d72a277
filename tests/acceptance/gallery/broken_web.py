"""Broken connectors: those that read over HTTP."""

from __future__ import annotations

import contextlib
import json
import time
import urllib.error
import urllib.request
from typing import Any

from correct import Correct
from defect import defect, good
from messages import Failed


@defect("X11", "takes an error for the end of a list", web=True)
class ErrorIsEnd(Correct):
    def fetch(self, url: str) -> Any:
        try:
            return super().fetch(url)
        except Failed:
            return {"items": [], "next": None}


@defect("X11", "takes JSON that it can't read for an empty page", web=True)
class NoJsonIsEmpty(Correct):
    def fetch(self, url: str) -> Any:
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {self.config['token']}"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read())
        except ValueError:
            return {"items": [], "next": None}
        except OSError:
            return super().fetch(url)


@defect("X11", "follows the same page for ever", web=True)
class ForEver(Correct):
    def following(self, answer: Any, seen: set[int]) -> Any:
        return answer["next"]


@defect("X11", "calls a refused token a transient error", web=True)
class RefusedIsTransient(Correct):
    def fetch(self, url: str) -> Any:
        try:
            return super().fetch(url)
        except Failed as error:
            raise Failed(error.message, "transient_error") from None


@defect("X11", "never tries again", web=True)
class NoPatience(Correct):
    tries = 1


@defect("X11", "hangs without a word after an answer that it did not expect", web=True)
class Hangs(Correct):
    tries = 1

    def fetch(self, url: str) -> Any:
        try:
            return super().fetch(url)
        except Failed:
            time.sleep(3600)
            raise

    def log(self, message: str, level: str = "INFO") -> None:
        if level != "WARN":
            super().log(message, level)


@good
class WaitsLong(Correct):
    """Tries again after an hour, and says so."""

    pause = 3600


@defect("X12", "stops when one stream fails", web=True)
class FailsAll(Correct):
    def failed(self, stream: Any, error: Failed) -> None:
        self.status(stream, "INCOMPLETE")
        raise error


@defect("X12", "gives a failed stream as complete", web=True)
class FailedIsComplete(Correct):
    def failed(self, stream: Any, error: Failed) -> None:
        self.log(error.message, "WARN")
        self.complete(stream)


@defect("X12", "does not say which stream failed", web=True)
class NamelessFailure(Correct):
    def trace(self, message: str, kind: str, stream: Any = None) -> None:
        super().trace(message, kind)


@defect("X19", "sends what it does to somebody else", web=True)
class PhonesHome(Correct):
    def read(self, catalog: Any, states: Any) -> None:
        with contextlib.suppress(OSError):
            urllib.request.urlopen("http://telemetry.test/", timeout=30).close()
        super().read(catalog, states)


class _Items(Correct):
    """With changed items of answers."""

    def fetch(self, url: str) -> Any:
        found = super().fetch(url)
        found["items"] = [item for item in map(self.changed, found["items"]) if item is not None]
        return found

    def changed(self, item: dict[str, Any]) -> Any:
        raise NotImplementedError


@defect("X8", "cuts long texts in silence", web=True)
class CutsTexts(_Items):
    def changed(self, item: dict[str, Any]) -> Any:
        return {**item, "name": item["name"] and item["name"][:65_535]}


@defect("X8", "leaves out wide records", web=True)
class LeavesOutWide(_Items):
    def changed(self, item: dict[str, Any]) -> Any:
        return item if len(item) < 1000 else None


@defect("X9", "takes NULs out of texts", web=True)
class NoNul(_Items):
    def changed(self, item: dict[str, Any]) -> Any:
        return {**item, "name": item.get("name") and str(item["name"]).replace("\0", "")}


@defect("X9", "makes a float of every number", web=True)
class Floats(_Items):
    def changed(self, item: dict[str, Any]) -> Any:
        return {**item, "score": float(str(item["score"])) if isinstance(item.get("score"), (int, float)) else None}


@defect("X9", "leaves out a record that it can't write", web=True)
class LeavesOutHard(_Items):
    def changed(self, item: dict[str, Any]) -> Any:
        return None if isinstance(item.get("name"), dict) else item


@defect("X13", "needs a field to be there", web=True)
class NeedsField(_Items):
    def changed(self, item: dict[str, Any]) -> Any:
        try:
            item["name"], item["score"]
        except KeyError:
            return None
        return item


_TYPES = {str: "string", int: "integer", float: "number", dict: "object", list: "array"}


@good
class Infers(Correct):
    """Its fields are those of the API's first record."""

    def main(self, argv: list[str]) -> int:
        self.asks = bool(argv) and argv[0] == "discover"
        return super().main(argv)

    def streams(self) -> list[dict[str, Any]]:
        found = super().streams()
        for stream in found if self.asks else ():
            page = next(iter(self.pages(stream["name"], "")), None)
            if page:
                stream["json_schema"] = {"type": "object", "properties": self.fields(page[0], stream)}
        return found

    def fields(self, row: dict[str, Any], stream: Any) -> dict[str, Any]:
        known = stream["json_schema"]["properties"]
        return {name: self.field(known.get(name, {}), value) for name, value in row.items()}

    def field(self, known: dict[str, Any], value: Any) -> dict[str, Any]:
        kind = _TYPES.get(type(value), "string")
        return known if kind in str(known.get("type")) else {"type": [kind, "null"]}


@defect("X13", "does not discover a field of another type", web=True)
class KnowsTypes(Infers):
    def field(self, known: dict[str, Any], value: Any) -> dict[str, Any]:
        if isinstance(value, dict) and "properties" not in known and known:
            raise Failed(f"{value!r} is of no known type.", "system_error")
        return super().field(known, value)


@defect("X13", "finds a new field, and never reads it", web=True)
class OldFieldsOnly(Infers):
    def record(self, stream: Any, data: Any) -> None:
        super().record(stream, {name: value for name, value in data.items() if not name.startswith("hw_")})


@defect("X8", "can't hold a text of more than 32 MB, and says nothing of it", web=True)
class Column(_Items):
    def changed(self, item: dict[str, Any]) -> Any:
        return {**item, "name": item["name"] and item["name"][:32_000_000]}

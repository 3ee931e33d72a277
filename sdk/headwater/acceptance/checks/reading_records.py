"""E5 to E10 and E20: what is in the records."""

from __future__ import annotations

from typing import Any

import msgspec

from headwater.acceptance.checks import Watch, watch
from headwater.acceptance.conformity import Conformity
from headwater.acceptance.expected import compare, load, missing
from headwater.acceptance.prints import Prints
from headwater.acceptance.recording import Line, decoded
from headwater.acceptance.results import Severity, Skipped
from headwater.acceptance.streams import value_at


class _OfSchemas(Watch):
    """With the schemas of all streams."""

    def begin(self) -> None:
        """As :meth:`Watch.begin`."""
        self.schemas = {name: Conformity(stream.schema) for name, stream in self.streams.items()}
        self.told: set[tuple[str, str]] = set()

    def once(self, message: str, line: Line, name: str, field: str) -> None:
        """One finding for each field of a stream."""
        if (name, field) in self.told:
            self.more += 1
        else:
            self.told.add((name, field))
            self.found(message, line, name)


@watch("E5", "Records fit their stream's JSON Schema")
class FitsSchema(_OfSchemas):
    """By draft 7, with formats; 1.0 is no whole number. The first records of a stream, those of a new build and one
    in 200 are looked at."""

    def record(self, line: Line, record: dict[str, Any], name: str) -> None:
        """As :meth:`Watch.record`."""
        schema, data = self.schemas.get(name), record.get("data")
        if schema is not None and isinstance(data, dict):
            for field, why in schema.misfits(data):
                self.once(f"{name}: {field} {why}.", line, name, field)


@watch("E6", "Records have no fields that their schema does not have")
class Declared(_OfSchemas):
    """The platform drops them. `fail_on_extra_columns: false` turns it off."""

    def record(self, line: Line, record: dict[str, Any], name: str) -> None:
        """As :meth:`Watch.record`."""
        schema, data = self.schemas.get(name), record.get("data")
        if schema is not None and isinstance(data, dict):
            for field in schema.undeclared(data):
                self.once(f"{name}: the field {field!r} is not in the schema.", line, name, field)


@watch("E7", "Each declared field has a value in some record", Severity.WARNING)
class EveryField(Watch):
    """A field that never comes is not tested, and may be misspelled."""

    def begin(self) -> None:
        """As :meth:`Watch.begin`."""
        self.left = {name: set(stream.properties) for name, stream in self.streams.items()}
        self.seen: set[str] = set()

    def record(self, line: Line, record: dict[str, Any], name: str) -> None:
        """As :meth:`Watch.record`."""
        self.seen.add(name)
        left, data = self.left.get(name), record.get("data")
        if left and isinstance(data, dict):
            left -= {field for field in left if data.get(field) is not None}

    def end(self) -> None:
        """As :meth:`Watch.end`."""
        for name, left in self.left.items():
            if left and name in self.seen:
                self.found(f"{name}: no record has a value in {', '.join(sorted(left))}.", None, name)


@watch("E27", "A source of files reads each kind of file that it supports")
class FileTypes(Watch):
    """`file_types` of the config file; by the end of `_ab_source_file_url`."""

    kinds = (".avro", ".csv", ".jsonl", ".parquet")

    def begin(self) -> None:
        """As :meth:`Watch.begin`."""
        self.seen: set[str] = set()
        if self.connector.settings.file_types is None:
            self.optional = (
                "it is no source of files: `basic_read.file_types` in acceptance-test-config.yml is not set."
            )

    def record(self, line: Line, record: dict[str, Any], name: str) -> None:
        """As :meth:`Watch.record`."""
        url = (record.get("data") or {}).get("_ab_source_file_url")
        if isinstance(url, str):
            self.seen.update(kind for kind in self.kinds if kind in url)

    def end(self) -> None:
        """As :meth:`Watch.end`."""
        unsupported = self.connector.settings.file_types or ()
        for kind in self.kinds:
            if kind not in self.seen and kind not in unsupported and not self.optional:
                self.found(f"No file of the kind {kind} was read.")


class _Keys(Watch):
    """With the primary keys of records of streams that have one."""

    def record(self, line: Line, record: dict[str, Any], name: str) -> None:
        """As :meth:`Watch.record`."""
        stream, data = self.streams.get(name), record.get("data")
        if stream is not None and stream.primary_key and isinstance(data, dict):
            self.key(line, name, [value_at(data, path) for path in stream.primary_key])

    def key(self, line: Line, name: str, values: list[Any]) -> None:
        """A record's key."""


@watch("E8", "Each record has a primary key")
class KeyPresent(_Keys):
    """At least one part of it is not null."""

    def key(self, line: Line, name: str, values: list[Any]) -> None:
        """As :meth:`_Keys.key`."""
        if all(value is None for value in values):
            self.found(f"{name}: a record without a primary key.", line, name)


@watch("E9", "Primary keys are simple values")
class KeySimple(_Keys):
    """Neither objects nor arrays."""

    def key(self, line: Line, name: str, values: list[Any]) -> None:
        """As :meth:`_Keys.key`."""
        if any(isinstance(value, (dict, list)) for value in values):
            self.found(f"{name}: a primary key that is an object or an array.", line, name)


@watch("E10", "No primary key comes twice in a full read")
class KeyUnique(_Keys):
    """A page read twice, or a key that is none. Of an incremental stream, which may read changes, a warning."""

    def begin(self) -> None:
        """As :meth:`Watch.begin`."""
        self.seen = {name: Prints() for name in self.streams}

    def key(self, line: Line, name: str, values: list[Any]) -> None:
        """As :meth:`_Keys.key`."""
        if any(value is not None for value in values):
            self.seen[name].add(hash(msgspec.json.encode(values)), line.number)

    def end(self) -> None:
        """As :meth:`Watch.end`."""
        again = {line: name for name, seen in self.seen.items() for line in seen.repeated(self.most)}
        for line in self.recording.lines() if again else ():
            if (name := again.get(line.number)) is None:
                continue
            data = (decoded(line.raw) or {})["record"]["data"]
            values = [value_at(data, path) for path in self.streams[name].primary_key]
            self.found(f"{name}: the primary key {values} comes a second time.", line, name)
            if self.streams[name].incremental and not self.more:
                self.findings[-1].severity = Severity.WARNING


@watch("E20", "Records are the expected ones, value by value")
class Expected(Watch):
    """Those of the expected-records file; `ignored_fields` are left out, `--update` writes it anew."""

    def begin(self) -> None:
        """As :meth:`Watch.begin`."""
        settings = self.connector.settings
        self.ignored = settings.ignored_fields
        try:
            self.expected = load(settings, self.recording, self.streams)
        except Skipped as reason:
            self.optional = reason.reason

    def record(self, line: Line, record: dict[str, Any], name: str) -> None:
        """As :meth:`Watch.record`."""
        if self.optional is None and isinstance(record.get("data"), dict):
            message = compare(self.expected, name, record["data"], self.connector.settings)
            if message:
                self.found(message, line, name)

    def end(self) -> None:
        """As :meth:`Watch.end`."""
        if self.optional is None:
            for name, message in missing(self.expected):
                self.found(message, None, name)

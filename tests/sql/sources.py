"""Sources over the tests' servers, and what they read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from types import GeneratorType
from typing import Any
from urllib.parse import unquote, urlsplit

import jsonschema

from headwater.errors import Stopped
from headwater.protocol.catalog import Catalog, ConfiguredCatalog
from headwater.protocol.messages import Message, Records
from headwater.source import Source
from headwater.testing.reading import ReadResult, result_of
from source_postgres import PostgresSource


def config_of(url: str, **settings: Any) -> dict[str, Any]:
    """The config of a connector to the database at a URL."""
    parts = urlsplit(url)
    found = {"host": parts.hostname, "port": parts.port, "database": parts.path[1:], "username": parts.username}
    password = {"password": unquote(parts.password)} if parts.password else {}
    return {**found, **password, **settings}


def postgres_source(url: str, kind: type[PostgresSource] = PostgresSource, **settings: Any) -> PostgresSource:
    """A source that reads the PostgreSQL database at a URL."""
    return kind.from_config(config_of(url, **settings))


def incremental(catalog: Catalog, cursor: str, *streams: str) -> ConfiguredCatalog:
    """An incremental sync by a cursor."""
    return chosen(catalog, "incremental", *streams, cursor_field=(cursor,))


def chosen(catalog: Catalog, mode: Any, *streams: str, **options: Any) -> ConfiguredCatalog:
    """A sync of the streams of these names; none: of all."""
    configured = catalog.configured(streams or None)
    return ConfiguredCatalog(tuple(replace(each, sync_mode=mode, **options) for each in configured.streams))


def read_by(source: Source, cursor: str, *streams: str, state: Any = ()) -> ReadResult:
    """Read incrementally."""
    states = state.states if isinstance(state, ReadResult) else state
    catalog = incremental(source.discover(), cursor, *streams)
    return result_of(source.read(catalog, states), catalog)


def after_first_records(messages: Iterator[Message], act: Callable[[], object]) -> Iterator[Message]:
    """The messages of a read; when its first records were taken, something happens."""
    for message in messages:
        yield message
        if isinstance(message, Records):
            act()
            break
    yield from messages


def rows_of(result: ReadResult, stream: str) -> list[dict[str, Any]]:
    """The records of a stream, by its name without its namespace."""
    result.ok()
    (found,) = [rows for name, rows in result.records.items() if name.rpartition(".")[2] == stream]
    return found


def changes_of(result: ReadResult) -> list[tuple[str, str]]:
    """Which fields were changed how."""
    batches = [message for message in result.messages if isinstance(message, Records)]
    return [(change.field, change.change) for batch in batches for made in batch.changes.values() for change in made]


def conform(catalog: Catalog, result: ReadResult) -> None:
    """That every record fulfils its stream's discovered schema, formats included."""
    for stream in catalog.streams:
        jsonschema.Draft7Validator.check_schema(stream.json_schema)
        validator = jsonschema.Draft7Validator({**stream.json_schema, "additionalProperties": False})
        for row in result.records.get(str(stream.descriptor), ()):
            validator.validate(row)


def cut_off(source: Source, catalog: ConfiguredCatalog, records: int, state: Any = ()) -> ReadResult:
    """Read, and stop the read when so many records have come: what it gave, with its last states."""

    def messages() -> Iterator[Message]:
        reading = source.read(catalog, state)
        assert isinstance(reading, GeneratorType)
        seen = 0
        for message in reading:
            yield message
            seen += len(message) if isinstance(message, Records) else 0
            if seen >= records:
                break
        with suppress(Stopped, StopIteration):
            yield reading.throw(Stopped())
            while True:
                yield next(reading)

    return result_of(messages(), catalog).ok()

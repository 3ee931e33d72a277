"""Headwater's own destinations, and how a URL names one."""

from __future__ import annotations

import os
from pathlib import Path

from headwater.bridge.sink import Sink
from headwater.bridge.sinks.options import SqlOptions
from headwater.errors import FlowError

FORMS = "sqlite:///FILE, duckdb:///FILE, postgresql://USER:PASSWORD@HOST:PORT/DATABASE, jsonl:///FOLDER, memory://"
_FILES = ("sqlite", "duckdb", "jsonl")
_POSTGRES = ("postgresql", "postgres")


def is_url(target: str) -> bool:
    """Whether a text is a URL that names a kind of destination of Headwater's."""
    scheme, found, _ = target.partition("://")
    return bool(found) and scheme in (*_FILES, *_POSTGRES, "memory")


def anchored(url: str, base: str | os.PathLike[str]) -> str:
    """A destination's URL whose relative path, if it has one, starts from a folder."""
    scheme, _, path = url.partition(":///")
    return f"{scheme}:///{Path(base).absolute() / path}" if path and scheme in _FILES else url


def open_sink(
    url: str, *, flow: str = "default", base: str | os.PathLike[str] = "", options: SqlOptions | None = None
) -> Sink:
    """The destination that a URL names, not opened yet.

    ``sqlite:///FILE``, ``duckdb:///FILE``, ``jsonl:///FOLDER``: as in SQLAlchemy, three slashes lead to a relative
    path and four to an absolute one. ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE?schema=NAME``. ``memory://``.

    :param flow: the name under which a destination with states of its own keeps them.
    :param base: the folder that relative paths start from; default: the current one.
    :param options: what a flow chooses of an SQL destination.
    :raises FlowError: for any other URL, where a database's driver is not installed, and for options of a
        destination that is no SQL database.
    """
    scheme, found, rest = url.partition("://")
    if scheme in ("memory", "jsonl") and options is not None and options != SqlOptions():
        raise FlowError(
            f"The options {', '.join(f'`{name}`' for name in options.chosen())} are for SQL databases; "
            f"{scheme}:// has none of them."
        )
    if scheme == "memory" and found:
        from headwater.bridge.sinks.memory import MemorySink

        return MemorySink()
    if scheme in _POSTGRES and found:
        from headwater.bridge.sinks.postgres import PostgresSink

        return PostgresSink(url, flow, options)
    if scheme not in _FILES or not rest.startswith("/") or not rest[1:]:
        raise FlowError(f"{_redacted(url)!r} names no destination of Headwater. Known are: {FORMS}.")
    path = Path(base) / rest[1:]
    if scheme == "jsonl":
        from headwater.bridge.sinks.jsonl import JsonlSink

        return JsonlSink(path)
    if scheme == "duckdb":
        from headwater.bridge.sinks.duckdb import DuckdbSink

        return DuckdbSink(path, flow, options)
    from headwater.bridge.sinks.sqlite import SqliteSink

    return SqliteSink(path, flow, options)


def _redacted(url: str) -> str:
    """A URL of another kind may have a password in it: only its beginning is shown."""
    scheme, found, _ = url.partition("://")
    return f"{scheme}://…" if found else url

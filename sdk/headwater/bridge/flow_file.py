"""Flows from a TOML file: the form of VDK's data-sources plugin, and what Headwater adds to it.

::

    [sources.hub]
    name = "github"                      # a connector, as `headwater list` shows it
    config = { token = "${GITHUB_TOKEN}", repositories = ["vmware/versatile-data-kit"] }

    [sources.shop]
    package = "airbyte-source-shopify==2.4.0"   # or command, manifest, image: somebody else's connector

    [destinations.db]
    target = "sqlite:///hub.db"          # or method = "sqlite", target = "hub.db"

    [[flows]]
    from = "hub"
    to = "db"
    streams = ["issues", "commits"]      # left out: all

What each word means is in docs/operate.md.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from headwater.bridge.choice import StreamOptions, listed
from headwater.bridge.flow import Flow
from headwater.bridge.flow_tables import defined, resolved, section, table_with
from headwater.bridge.foreign.opened import checked, kind_of
from headwater.bridge.sinks import FORMS
from headwater.bridge.sinks.options import CHOICES, SqlOptions
from headwater.errors import FlowError
from headwater.protocol.catalog import SyncMode

tomllib: Any = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

# Of the protocol's those that a destination here can do.
_MODES = ("append", "append_dedup", "overwrite", "overwrite_dedup")
_STREAM = ("columns", "sync_mode", "mode", "primary_key", "cursor_field")
_FLOW = ("from", "to", "name", "streams", "sync_mode", "mode", "state", *CHOICES)
# What a target looks like, by the method.
_METHODS = {
    "sqlite": "sqlite:///FILE",
    "duckdb": "duckdb:///FILE",
    "jsonl": "jsonl:///FOLDER",
    "memory": "memory://",
    **dict.fromkeys(("postgres", "postgresql"), "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"),
}


class _AsWritten(dict[str, str]):
    """An environment in which every variable stands for itself."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> str:
        return f"${{{name}}}"


def load_flows(
    path: str | os.PathLike[str],
    environ: Mapping[str, str] | None = None,
    *,
    sources: bool = True,
    names: Sequence[str] | None = None,
) -> list[Flow]:
    """The flows of a file.

    :param environ: where ``${NAME}`` is looked up; default: the process's environment.
    :param sources: False: no source is to be read, so that their ``${NAME}`` stay as they are.
    :param names: only these flows; default: all.
    :raises FlowError: naming the file and the place where it is wrong.
    """
    path = Path(path)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FlowError(f"{path} can't be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FlowError(f"{path} is not TOML: {error}.") from None
    try:
        flows = _flows(data, path.absolute().parent, os.environ if environ is None else environ, sources)
        return flows if names is None else _named(flows, names)
    except FlowError as error:
        raise FlowError(f"{path}: {error}") from None


def _named(flows: Iterable[Flow], names: Sequence[str]) -> list[Flow]:
    known = {flow.name: flow for flow in flows}
    missing = [name for name in names if name not in known]
    if missing:
        raise FlowError(f"there is no flow {listed(missing)}. There are: {listed(known)}.")
    return [flow for name, flow in known.items() if name in names]


def _flows(data: Mapping[str, Any], folder: Path, environ: Mapping[str, str], read: bool) -> list[Flow]:
    table_with(data, "the file", (), ("sources", "destinations", "flows"))
    sources = section(data, "sources")
    given = environ if read else _AsWritten()
    destinations = section(data, "destinations")
    found = data.get("flows") or []
    if not isinstance(found, list) or not found:
        raise FlowError("there is no flow. Add a table [[flows]] with `from` and `to`.")
    flows = [
        _flow(flow, f"flow {number}", sources, destinations, folder, environ, given)
        for number, flow in enumerate(found, start=1)
    ]
    names = [flow.name for flow in flows]
    for name in names:
        if names.count(name) > 1:
            raise FlowError(f"two flows are named {name!r}, but states are kept by that: give them a `name`.")
    return flows


def _flow(
    value: Any,
    where: str,
    sources: Mapping[str, Any],
    destinations: Mapping[str, Any],
    folder: Path,
    environ: Mapping[str, str],
    given: Mapping[str, str],
) -> Flow:
    flow = table_with(value, where, ("from", "to"), _FLOW[2:])
    source = defined(sources, flow["from"], "source", where)
    destination = defined(destinations, flow["to"], "destination", where)
    at = f"[sources.{flow['from']}]"
    connector, foreign = _connector(source, at, given)
    name = flow.get("name", f"{flow['from']}_{flow['to']}")
    if not isinstance(name, str) or not name:
        raise FlowError(f"{where}: `name` must be a text.")
    state = flow.get("state", os.path.join(".headwater", "state", re.sub(r"[^\w.-]", "_", name) + ".json"))
    if not isinstance(state, str) or not state:
        raise FlowError(f"{where}: `state` must be the path of a file.")
    return Flow(
        name=name,
        source=flow["from"],
        connector=connector,
        foreign=foreign,
        config=resolved(source.get("config", {}), given, f"{at}, config"),
        url=_url(destination, f"[destinations.{flow['to']}]", environ),
        streams=_streams(flow.get("streams"), where),
        options=_options({k: flow[k] for k in ("sync_mode", "mode") if k in flow}, where),
        state=folder / state,
        folder=folder,
        sql=_sql(flow, where),
    )


def _connector(source: Any, at: str, environ: Mapping[str, str]) -> tuple[str, dict[str, Any] | None]:
    """What a source is called, and what else is said of it where it is somebody else's connector."""
    foreign = isinstance(source, Mapping) and "name" not in source and kind_of(source)
    if not foreign:
        table_with(source, at, ("name",), ("config",))
    if not isinstance(source.get("name", ""), str) or not isinstance(source.get("config", {}), dict):
        raise FlowError(f"{at}: `name` must be a text, and `config` a table.")
    if not foreign:
        return source["name"], None
    settings = resolved({key: value for key, value in source.items() if key != "config"}, environ, at)
    checked(settings, at)
    return str(settings[foreign]), settings


def _sql(flow: Mapping[str, Any], where: str) -> SqlOptions:
    for name, allowed in CHOICES.items():
        _choice(flow, name, allowed, where)
    return SqlOptions(**{name: flow[name] for name in CHOICES if name in flow})


def _streams(value: Any, where: str) -> dict[str, StreamOptions] | None:
    """A list of names, a list of tables with a name, or a table of tables."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        value = [
            {**table_with(table, f"{where}, stream {name!r}", (), _STREAM), "name": name}
            for name, table in value.items()
        ]
    if not isinstance(value, list):
        raise FlowError(f"{where}: `streams` must be a list of names or of tables.")
    if not value:
        raise FlowError(f"{where}: `streams` is empty. Name some, or leave it out for all.")
    streams: dict[str, StreamOptions] = {}
    for entry in value:
        table = {"name": entry} if isinstance(entry, str) else entry
        table = table_with(table, f"{where}, an entry of `streams`", ("name",), _STREAM)
        name = str(table.pop("name"))
        if name in streams:
            raise FlowError(f"{where}: the stream {name!r} is named twice. Say all of it in one place.")
        streams[name] = _options(table, f"{where}, stream {name!r}")
    return streams


def _options(table: Mapping[str, Any], where: str) -> StreamOptions:
    _choice(table, "sync_mode", get_args(SyncMode), where)
    _choice(table, "mode", _MODES, where)
    key = table.get("primary_key")
    if key is not None:
        if not isinstance(key, list) or not key:
            raise FlowError(f"{where}: `primary_key` must be a list of columns, or of paths of names.")
        key = tuple((part,) if isinstance(part, str) else _names(part, "primary_key", where) for part in key)
    columns, cursor = table.get("columns"), table.get("cursor_field")
    if isinstance(cursor, str):
        cursor = [cursor]
    return StreamOptions(
        None if columns is None else _names(columns, "columns", where),
        table.get("sync_mode"),
        table.get("mode"),
        key,
        None if cursor is None else _names(cursor, "cursor_field", where),
    )


def _names(value: Any, name: str, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        raise FlowError(f"{where}: `{name}` must be a list of names.")
    return tuple(value)


def _choice(table: Mapping[str, Any], name: str, allowed: Iterable[str], where: str) -> None:
    if table.get(name) not in (None, *allowed):
        raise FlowError(f"{where}: `{name}` is {table[name]!r}; it must be one of {', '.join(allowed)}.")


def _url(destination: Any, where: str, environ: Mapping[str, str]) -> str:
    table = table_with(destination, where, (), ("method", "target"))
    method, target = table.get("method"), resolved(table.get("target", ""), environ, f"{where}, target")
    if not isinstance(target, str) or not isinstance(method, (str, type(None))):
        raise FlowError(f"{where}: `method` and `target` must be texts.")
    known = (method or "").lower().removeprefix("headwater").removeprefix("-")
    if known and known not in _METHODS:
        raise FlowError(
            f"{where}: the method {method!r} is not known here. Leave it out, and let `target` be a URL: {FORMS}."
        )
    scheme, is_url, _ = target.partition("://")
    form = _METHODS.get(known, "")
    if known == "memory" and not is_url:
        return form
    if not target or (not is_url and known in ("", "postgres", "postgresql")):
        there = "`target` is no URL" if target else "there is no `target`"  # it may have a password in it
        raise FlowError(f"{where}: {there}. Write it as {form or f'one of {FORMS}'}.")
    if known and is_url and not form.startswith(scheme.removesuffix("ql")):
        raise FlowError(f"{where}: the method {method!r} does not go with a target {scheme}://…. Leave `method` out.")
    return target if is_url else f"{known}:///{target}"

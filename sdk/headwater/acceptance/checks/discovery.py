"""D1, D2, D11 to D15 and D17: the catalog as a whole."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from headwater.acceptance.checks import check
from headwater.acceptance.connector import Connector
from headwater.acceptance.results import Finding, Severity
from headwater.acceptance.streams import name_of


def streams_of(connector: Connector) -> Iterator[tuple[str, dict[str, Any]]]:
    """The catalog's streams, with their full names."""
    for stream in connector.catalog["streams"]:
        if isinstance(stream, dict):
            yield name_of(stream), stream


def _found(connector: Connector, name: str, message: str) -> Finding:
    return Finding(f"{name}: {message}", connector.discover_run, stream=name)


@check("D1", "`discover` gives exactly one catalog, with streams")
def one_catalog(connector: Connector) -> Iterator[Finding]:
    """And exit code 0."""
    run = connector.discover_run
    lines = [(line, catalog) for line, catalog in run.of("CATALOG", "catalog")]
    if run.code != 0:
        error = next((str(error.get("message")) for _, error in run.traces("error")), run.said(300))
        yield Finding(f"`discover` {run.ending}: {error}", run)
    if not lines:
        yield Finding("`discover` gave no CATALOG message.", run)
    elif len(lines) > 1:
        yield Finding.at(lines[1][0], run, f"`discover` gave {len(lines)} CATALOG messages.")
    elif not lines[0][1].get("streams"):
        yield Finding.at(lines[0][0], run, "The catalog has no streams.")


@check("D2", "Streams have names of their own")
def unique_names(connector: Connector) -> Iterator[Finding]:
    """With their namespace."""
    names = Counter((stream.get("namespace") or None, stream.get("name")) for _, stream in streams_of(connector))
    for (namespace, name), count in names.items():
        if count > 1:
            yield _found(connector, name_of({"name": name, "namespace": namespace}), f"is there {count} times.")


@check("D11", "What is said of resuming and cursors fits together", Severity.WARNING)
def consistent(connector: Connector) -> Iterator[Finding]:
    """A stream whose cursor the source defines can be read incrementally; one that can be is resumable."""
    for name, stream in streams_of(connector):
        modes = stream.get("supported_sync_modes") or []
        if stream.get("source_defined_cursor") and "incremental" not in modes and not stream.get("is_resumable"):
            yield _found(connector, name, "`source_defined_cursor` without the sync mode incremental.")
        if "incremental" in modes and stream.get("is_resumable") is False:
            yield _found(connector, name, "incremental, but `is_resumable` is false.")


@check("D12", "An incremental stream has a cursor that can be known")
def cursor_known(connector: Connector) -> Iterator[Finding]:
    """The source defines it, or there is a default."""
    for name, stream in streams_of(connector):
        if "incremental" not in (stream.get("supported_sync_modes") or []):
            continue
        if not stream.get("source_defined_cursor") and not stream.get("default_cursor_field"):
            properties = (stream.get("json_schema") or {}).get("properties")
            if not properties:
                yield _found(connector, name, "no cursor is defined, and no field could be chosen as one.")


@check("D13", "`discover` says the same every time")
def deterministic(connector: Connector) -> Iterator[Finding]:
    """In the same order, also with another seed for hashes, another time zone and locale."""
    environment = {"PYTHONHASHSEED": "4242", "TZ": "Pacific/Auckland", "LC_ALL": "C"}
    arguments = ("discover", "--config", str(connector.config_file))
    first = connector.catalog
    run = connector.run(*arguments, what="discover again", environment=environment)
    for line, again in run.of("CATALOG", "catalog"):
        if json.dumps(again) == json.dumps(first):
            continue
        if json.dumps(again, sort_keys=True) == json.dumps(first, sort_keys=True):
            continue  # the order of an object's names means nothing
        yield Finding.at(line, run, "The catalog differs when `discover` is run again.")


@check("D14", "The catalog is compatible with the last accepted one")
def compatible(connector: Connector) -> Iterator[Finding]:
    """Streams, fields, types, cursors and keys stay: the baseline file is `catalog.json`."""
    from headwater.acceptance.baseline import baseline
    from headwater.acceptance.compatibility import catalog_breaks

    before = baseline(connector.settings, "catalog.json", connector.catalog)
    for name, message in catalog_breaks(before, connector.catalog):
        yield _found(connector, name, message)


@check("D15", "Each stream has sync modes")
def sync_modes(connector: Connector) -> Iterator[Finding]:
    """At least one."""
    for name, stream in streams_of(connector):
        if not stream.get("supported_sync_modes"):
            yield _found(connector, name, "no `supported_sync_modes`.")


@check("D17", "Each stream has a primary key", Severity.WARNING, suite="connector_attributes")
def primary_keys(connector: Connector) -> Iterator[Finding]:
    """So that its rows can be merged; `streams_without_primary_key` exempts some."""
    exempt = connector.settings.without_primary_key
    for name, stream in streams_of(connector):
        if not stream.get("source_defined_primary_key") and name not in exempt and stream.get("name") not in exempt:
            yield _found(connector, name, "no `source_defined_primary_key`.")

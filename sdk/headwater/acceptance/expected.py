"""Expected records: a file of ``{"stream", "data", "emitted_at"}`` a line, compared value by value."""

from __future__ import annotations

import fnmatch
import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from headwater.acceptance.recording import Recording
from headwater.acceptance.results import Skipped
from headwater.acceptance.settings import Settings
from headwater.acceptance.streams import Configured, full_name, value_at

UPDATED = 20
"""Records of each stream that ``--update`` keeps."""


@dataclass
class _Stream:
    """What is expected of a stream: by key if it has one, else by content."""

    key: list[list[str]]
    records: dict[bytes, dict[str, Any]] = field(default_factory=dict)
    order: deque[bytes] = field(default_factory=deque)
    found: set[bytes] = field(default_factory=set)


Expected = dict[str, _Stream]


def load(settings: Settings, recording: Recording, streams: Configured) -> Expected:
    """The file's records; with ``--update`` it is written first.

    :raises Skipped: there is none.
    """
    path = settings.expected_records
    if path is None:
        raise Skipped("no expected records were given: --expected-records FILE.")
    if settings.update:
        if recording.code != 0:  # else what was expected would be replaced by what came until then
            raise Skipped(f"{path.name} is not written anew, as the read {recording.ending}.")
        write(path, recording, settings)
    if not path.exists():
        raise Skipped(f"there is no {path.name} yet: --update writes it.")
    expected: Expected = {}
    for number, raw in enumerate(path.read_bytes().split(b"\n"), 1):
        if not raw.strip():
            continue
        try:
            record = json.loads(raw)
            name, data = full_name(record["stream"], record.get("namespace")), record["data"]
        except (ValueError, KeyError, TypeError):
            raise Skipped(f"{path.name}, line {number} is no object with `stream` and `data`.") from None
        stream = streams.get(name)
        one = expected.setdefault(name, _Stream(stream.primary_key if stream is not None else []))
        kept = without(data, settings.ignored_fields.get(name, ()))
        identity = _identity(one, kept)
        one.records[identity] = kept
        one.order.append(identity)
    return expected


def compare(expected: Expected, name: str, data: dict[str, Any], settings: Settings) -> str | None:
    """What is wrong with a record that came; None: nothing."""
    one = expected.get(name)
    if one is None:
        return None
    kept = without(data, settings.ignored_fields.get(name, ()))
    identity = _identity(one, kept)
    if settings.expected_order and one.order and identity in one.records and identity not in one.found:
        wanted = one.order.popleft()
        if wanted != identity:
            one.found.add(identity)
            return f"{name}: a record comes where another one is expected."
    wanted_data = one.records.get(identity)
    if wanted_data is None:
        return None
    one.found.add(identity)
    if wanted_data == kept:
        return None
    names = sorted(field for field in wanted_data.keys() | kept.keys() if wanted_data.get(field) != kept.get(field))
    return f"{name}: the record {identity.decode()[:80]} differs from the expected one in {', '.join(names[:5])}."


def missing(expected: Expected) -> Iterator[tuple[str, str]]:
    """The expected records that did not come."""
    for name, one in expected.items():
        for identity in one.records:
            if identity not in one.found:
                yield name, f"{name}: the expected record {identity.decode('utf-8', 'replace')[:200]} did not come."


def write(path: Path, recording: Recording, settings: Settings) -> None:
    """The first records of each stream, as what is expected from now on."""
    counts: dict[str, int] = {}
    lines = []
    for _, record in recording.of("RECORD", "record"):
        name = full_name(record.get("stream"), record.get("namespace"))
        counts[name] = counts.get(name, 0) + 1
        if counts[name] <= UPDATED:
            kept = {key: record[key] for key in ("stream", "namespace", "data", "emitted_at") if key in record}
            lines.append(json.dumps(kept, ensure_ascii=False))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def _identity(one: _Stream, data: Mapping[str, Any]) -> bytes:
    if one.key:
        return msgspec.json.encode([value_at(data, path) for path in one.key])
    return msgspec.json.encode(data, order="sorted")


def without(data: Any, ignored: Sequence[str], path: str = "") -> Any:
    """A record without the fields at these paths; a path's parts may be patterns: ``steps/*/started_at``."""
    if not ignored:
        return data
    if isinstance(data, dict):
        pairs: Any = data.items()
    elif isinstance(data, list):
        pairs = [(str(number), value) for number, value in enumerate(data)]
    else:
        return data
    kept = {}
    for name, value in pairs:
        here = f"{path}/{name}" if path else name
        if not any(_matches(here, pattern) for pattern in ignored):
            kept[name] = without(value, ignored, here)
    return kept if isinstance(data, dict) else list(kept.values())


def _matches(path: str, pattern: str) -> bool:
    parts, wanted = path.split("/"), pattern.replace(".", "/").strip("/").split("/")
    return len(parts) == len(wanted) and all(map(fnmatch.fnmatchcase, parts, wanted))

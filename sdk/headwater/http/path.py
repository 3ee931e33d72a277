"""A stream's path, filled with the values of a slice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from headwater.errors import ConfigError, SourceError


def fill(
    path: str,
    partition: Mapping[str, Any],
    parent: Mapping[str, Any] | None,
    stream: str,
    grandparent: Mapping[str, Any] | None = None,
) -> str:
    """The path with ``{name}`` replaced by a value of the partition (its slashes stay) and ``{parent[name]}``
    by a field of the parent's record (quoted whole), ``{grandparent[name]}`` of its parent's;
    ``{parent[owner][id]}`` leads into objects.

    :param stream: the stream's name, for errors.
    :raises SourceError: for a field or value that is missing, null, empty or not a scalar, and for one that
        would lead out of its place in the path (``..``).
    """
    if "{" not in path:
        return path
    values: dict[str, Any] = {name: _Value(value, name, stream, "/") for name, value in partition.items()}
    if parent is not None:
        values["parent"] = _Value(parent, "parent", stream, "")
    if grandparent is not None:
        values["grandparent"] = _Value(grandparent, "grandparent", stream, "")
    try:
        filled = path.format_map(_Values(values, path, stream))
    except (ValueError, AttributeError) as error:
        raise SourceError(f"Stream {stream}: its path {path!r} is not a template: {error}.", stream=stream) from None
    if any(part in (".", "..") for part in filled.split("/")):
        raise ConfigError(f"Stream {stream}: {filled!r} is no path; a name must not be '.' or '..'.", stream=stream)
    return filled


class _Values(dict[str, Any]):
    """The names of a path."""

    def __init__(self, values: Mapping[str, Any], path: str, stream: str) -> None:
        super().__init__(values)
        self._path, self._stream = path, stream

    def __missing__(self, name: str) -> Any:
        known = ", ".join(map(repr, self)) or "none"
        raise SourceError(
            f"Stream {self._stream}: its path {self._path!r} names {name!r}, which its slices don't have; "
            f"they have {known}.",
            stream=self._stream,
        )


class _Value:
    """A value on its way into a path: quoted only when it gets there."""

    __slots__ = ("_name", "_safe", "_stream", "_value")

    def __init__(self, value: Any, name: str, stream: str, safe: str) -> None:
        self._value, self._name, self._stream, self._safe = value, name, stream, safe

    def __getitem__(self, key: str) -> _Value:
        if not isinstance(self._value, Mapping) or key not in self._value:
            there = ", ".join(map(repr, list(self._value)[:20])) if isinstance(self._value, Mapping) else ""
            raise self._error(f"has no {key!r}{f'; it has {there}' if there else ''}")
        return _Value(self._value[key], f"{self._name}[{key}]", self._stream, self._safe)

    def __format__(self, spec: str) -> str:
        value = self._value
        if value is None or value == "":
            raise self._error("is null" if value is None else "is empty")
        if isinstance(value, (Mapping, list)):
            raise self._error("is not a single value")
        text = str(value).lower() if isinstance(value, bool) else format(value, spec)
        return quote(text, safe=self._safe)

    def _error(self, what: str) -> SourceError:
        kin = self._name.partition("[")[0]
        record = f"the {kin}'s record" if kin in ("parent", "grandparent") else "the slice's partition"
        return SourceError(
            f"Stream {self._stream}: its path needs a value that {record} does not give: {self._name} {what}.",
            stream=self._stream,
        )

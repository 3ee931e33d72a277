"""A stream's schema where it takes asking: once a source, and told with the stream's name if it fails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headwater.errors import HeadwaterError, SourceError

if TYPE_CHECKING:
    from headwater.stream import Stream


def schema_of(stream: Stream) -> dict[str, Any]:
    """What the stream's ``json_schema()`` says, asked once a source: a discover and a read of one source ask
    no API twice.

    :raises HeadwaterError: what it raised, with the stream's name; anything else as a SourceError.
    """
    kept = vars(stream.source).setdefault("_schemas", {}) if hasattr(stream.source, "__dict__") else {}
    key = (type(stream), stream.descriptor)
    found: dict[str, Any] | None = kept.get(key)
    if found is None:
        found = kept[key] = _asked(stream)
    return found


def _asked(stream: Stream) -> dict[str, Any]:
    where = f"Stream {stream.name!r}: its schema"
    try:
        found = stream.json_schema()
    except HeadwaterError as error:
        if error.stream is None:
            error.stream = stream.name
            error.message = f"{where} could not be had. {error.message}"
            error.args = (error.message,)
        raise
    except Exception as error:
        raise SourceError(
            f"{where} could not be made ({type(error).__name__}). This is a bug of the connector.",
            stream=stream.name,
            internal=f"{type(error).__name__}: {error}",
        ) from error
    if not isinstance(found, Mapping):
        raise SourceError(
            f"{where} must be a JSON Schema, an object; json_schema() gave a {type(found).__name__}.",
            stream=stream.name,
        )
    return {"type": "object", "properties": {}, **found}

"""A stream's JSON Schema: a dictionary, a file beside the connector, or a type.

::

    schema = {"type": "object", "properties": {"id": {"type": "integer"}}}
    schema = SchemaFile("schemas/{name}.json")    # {name} is the stream's
    schema = Issue                                # a dataclass, TypedDict or msgspec Struct
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Union

from headwater.errors import SourceError
from headwater.schemas.references import resolved

ANY: Mapping[str, Any] = {"type": "object", "properties": {}}
"""The schema of a stream about whose records nothing is known."""


class SchemaFile:
    """A JSON Schema in a file, relative to the module of the class that names it; read when asked for.

    :param path: ``{name}`` in it stands for the stream's name, so that a base class can say it for all.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._owner: type | None = None

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner = owner

    def load(self, name: str) -> dict[str, Any]:
        """The schema of the stream of this name.

        :raises SourceError: when the file is not there or is not JSON.
        """
        module = sys.modules[self._owner.__module__] if self._owner else None
        folder = Path(getattr(module, "__file__", None) or ".").parent
        path = folder / self.path.format(name=name)
        try:
            schema = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SourceError(
                f"Stream {name!r}: no usable schema file {path} ({error}). "
                "Add it, or give the stream a `schema` of its own.",
                stream=name,
            ) from error
        if not isinstance(schema, dict):
            raise SourceError(f"Stream {name!r}: {path} must hold a JSON object.", stream=name)
        return schema


Schema = Union[Mapping[str, Any], SchemaFile, type]  # noqa: UP007 - also evaluated at run time on Python 3.10


def json_schema(schema: Schema, name: str) -> dict[str, Any]:
    """The JSON Schema that a stream's ``schema`` stands for, with ``type: object`` and ``properties``, and
    without references: destinations want schemas whole.

    :param name: the stream's name.
    :raises SourceError: when there is none.
    """
    if isinstance(schema, SchemaFile):
        found = resolved(schema.load(name))
    elif isinstance(schema, Mapping):
        found = resolved(schema)
    else:
        found = _of_type(schema, name)
    return {"type": "object", "properties": {}, **found}


def _of_type(kind: type, name: str) -> dict[str, Any]:
    from headwater.schemas.types import schema_of_type

    try:
        found = schema_of_type(kind)
        if found.get("type") != "object":
            raise TypeError("it is not an object")
        return found
    except (TypeError, NameError) as error:
        raise SourceError(
            f"Stream {name!r}: no JSON Schema can be made of {getattr(kind, '__name__', kind)!r} ({error}). "
            "Use a dataclass, a TypedDict or a msgspec Struct of types that JSON has a form for.",
            stream=name,
        ) from error

"""Records inside of an API's JSON answers, found and changed without knowing the API."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from headwater.acceptance.proxy import Answer, Fault, Request
from headwater.acceptance.streams import value_at

if TYPE_CHECKING:
    from headwater.acceptance.connector import Connector

_MARK = "@@headwater-%d@@"


def exactly(text: str | bytes) -> Any:
    """JSON with its numbers as they are written."""
    return json.loads(text, parse_float=Decimal)


def items(value: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
    """What could be a record in an answer: the objects of its outermost lists, and the answer itself."""
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))
    elif isinstance(value, dict) and depth < 4:
        if depth == 0:
            yield value
        for inner in value.values():
            if isinstance(inner, (list, dict)):
                yield from items(inner, depth + 1)


@dataclass(frozen=True)
class Field:
    """A field that comes from the API into the records as it is.

    :ivar stream: the stream's full name.
    :ivar key: the name of its primary key, in both.
    """

    stream: str
    key: str
    name: str
    type: str


def passed_on(connector: Connector, kinds: tuple[str, ...]) -> list[Field]:
    """Fields of these types that the connector passes on unchanged, one of each stream that has one."""
    given: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for _, answer in connector.web.proxy.tape.all():
        if "json" not in answer.header("content-type"):
            continue
        try:
            value = exactly(answer.content())
        except ValueError:
            continue
        for item in items(value):
            for name in _keys(connector):
                if isinstance(item.get(name), (str, int)):
                    given.setdefault((name, str(item[name])), []).append(item)
    found: dict[str, Field] = {}
    refused: set[tuple[str, str]] = set()
    for _, record in connector.web.base.recording.of("RECORD", "record"):
        _look(connector, record, given, kinds, found, refused)
    return [field for field in found.values() if (field.stream, field.name) not in refused]


def _keys(connector: Connector) -> set[str]:
    paths = [stream.primary_key for stream in connector.streams.values()]
    return {path[0][0] for path in paths if len(path) == 1 and len(path[0]) == 1}


def _look(
    connector: Connector, record: Mapping[str, Any], given: Mapping[tuple[str, str], list[dict[str, Any]]],
    kinds: tuple[str, ...], found: dict[str, Field], refused: set[tuple[str, str]],
) -> None:  # fmt: skip
    for name, stream in connector.streams.items():
        path = stream.primary_key
        if stream.stream["name"] != record.get("stream") or len(path) != 1 or len(path[0]) != 1:
            continue
        data = record["data"]
        for item in given.get((path[0][0], str(data.get(path[0][0]))), ()):
            for field, schema in stream.properties.items():
                types = schema.get("type") if isinstance(schema, dict) else None
                words = types if isinstance(types, list) else [types]
                usual = field in stream.cursor or field == path[0][0] or schema.get("format") or schema.get("enum")
                if usual or not set(kinds) & set(words) or field not in item or data.get(field) is None:
                    continue
                kind = next(word for word in kinds if word in words)
                if data[field] != item[field]:
                    refused.add((name, field))
                elif name not in found and not _looks_used(data[field]):
                    found[name] = Field(name, path[0][0], field, kind)


def _looks_used(value: Any) -> bool:
    """Whether a value looks as if the connector did something with it: a URL, a time, a name in a path."""
    return isinstance(value, str) and (":" in value or "/" in value or value.isdigit())


def change_items(change: Callable[[dict[str, Any]], None]) -> Fault:
    """Every object in every list of an answer is changed."""

    def changed(request: Request, answer: Answer) -> Answer:
        if "json" not in answer.header("content-type"):
            return answer
        try:
            value = json.loads(answer.content())
        except ValueError:
            return answer
        for item in items(value):
            change(item)
        return answer.with_content(json.dumps(value).encode())

    return Fault("change", change=changed)


class Placed:
    """Puts raw JSON in place of a field's values, a different one in each record.

    :param field: which field; an object in an answer is of its stream if it has the same key as one of its records.
    :param tokens: raw JSON texts.
    :ivar placed: by key: the token that was put there.
    """

    def __init__(self, field: Field, tokens: list[str], keys: set[str]) -> None:
        self.field, self.tokens, self.keys = field, tokens, keys
        self.placed: dict[str, str] = {}

    def fault(self) -> Fault:
        """The change of answers."""
        return Fault("change", change=self._changed)

    def _changed(self, request: Request, answer: Answer) -> Answer:
        if "json" not in answer.header("content-type"):
            return answer
        try:
            value = json.loads(answer.content())
        except ValueError:
            return answer
        here: dict[int, str] = {}
        for item in items(value):
            key = str(item.get(self.field.key))
            if self.field.name not in item or key not in self.keys:
                continue
            if key not in self.placed and len(self.placed) >= len(self.tokens):
                continue
            token = self.placed.setdefault(key, self.tokens[len(self.placed) % len(self.tokens)])
            number = len(here)
            here[number] = token
            item[self.field.name] = _MARK % number
        text = json.dumps(value)
        for number, token in here.items():
            text = text.replace(f'"{_MARK % number}"', token)
        return answer.with_content(text.encode("utf-8", "surrogatepass"))


def keys_of(connector: Connector, field: Field) -> set[str]:
    """The keys of a stream's records."""
    return {
        str(value_at(record.get("data"), [field.key]))
        for _, record in connector.web.base.recording.of("RECORD", "record")
        if record.get("stream") == connector.streams[field.stream].stream["name"]
    }

"""From an answer's body to a page of records, touching as little of it as may be.

Where the records are a list of objects at a known place, each one's JSON is cut out of the body as it stands
(msgspec's Raw) and only the cursor field is decoded. What that can't do (NaN, lone surrogates, foreign
encodings, a parser of the author's) goes through Python objects.
"""

from __future__ import annotations

import hashlib
import json
import re
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec

from headwater.cursor import Cursor, Key, plain_key
from headwater.errors import SourceError
from headwater.http.session import Trouble
from headwater.projection import at_path, value_at
from headwater.stream import Page, Record

if TYPE_CHECKING:
    from requests import Response

_JSON = msgspec.json.Decoder()
_PIECE = 1 << 16
_NO_BODY = (204, 205, 304)
_CHARSET = re.compile(r"""charset\s*=\s*["']?([\w.:-]+)""", re.IGNORECASE)
_SCALAR = str | int | float | bool | None


class HttpPage:
    """An answer and its records: what a paginator sees, and what becomes a :class:`Page`.

    :ivar instead: a paginator's word on what is given in its place; None: itself.
    """

    instead: Sequence[HttpPage] | None = None

    def __init__(
        self,
        response: Response,
        page: Page,
        count: Callable[[], int | None] | None = None,
        key: Key = plain_key,
        last: Callable[[], Any] | None = None,
    ) -> None:
        self.response = response
        self.page = page
        self._last = last
        self.key = key
        self._count = count
        self._json: Any = None

    def __len__(self) -> int:
        """How many records the server gave; an author's ``parse`` may have dropped some, or made more."""
        found = self._count() if self._count is not None else None
        return len(self.page.data) if found is None else found

    def json(self) -> Any:
        """The body, decoded once."""
        if self._json is None:
            self._json = decode_json(self.response)
        return self._json

    def last(self) -> Any:
        """The last record that the server gave; None: it gave none."""
        found = self._last() if self._last is not None else None
        return next(rows_of(self.page.data[-1:]), None) if found is None else found

    def cursor_values(self) -> list[Any]:
        """The cursor value of each record, in order."""
        return list(self.page.cursors)

    def mark(self) -> bytes:
        """What another page has only if its records are the same, to the letter."""
        return _digest(b"\n".join(map(bytes, self.page.data)))

    def unseen(self, seen: set[bytes]) -> HttpPage:
        """The page without the records whose marks are there; adds those of the others."""
        marks = [_digest(bytes(record)) for record in self.page.data]
        keep = [place for place, mark in enumerate(marks) if mark not in seen]
        seen.update(marks)
        return HttpPage(self.response, self.page.only(keep), key=self.key)


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


class RawRecords:
    """Cuts the records out of a body.

    :param path: where their list is: names joined by dots; empty: the body is the list; with a dot at its end,
        one object is there, which is the record.
    :param cursor: the field whose value is decoded besides; None: none.
    """

    def __init__(self, path: str, cursor: str | None) -> None:
        names = [name for name in path.split(".") if name]
        field = cursor.split(".") if cursor is not None else ()
        self._depth, self._field_depth = len(names), len(field)
        self._is_one = path.endswith(".")
        of = at_path(_SCALAR, field)
        self._records = _one_decoder(names) if self._is_one else _decoder(list[msgspec.Raw], names)
        self._cursors = _decoder(of if self._is_one else list[of], names)  # type: ignore[valid-type]

    def page(self, body: bytes) -> Page:
        """The page in a body.

        :raises msgspec.DecodeError: when the body is not plain JSON of this shape; the slow way says why.
        :raises UnicodeDecodeError: when it is not UTF-8.
        """
        if not body.isascii():
            _check_utf8(body)  # msgspec does not look into what it passes over
        if b"\n" in body or b"\r" in body:  # only between tokens, never inside them
            body = msgspec.json.format(body, indent=-1)
        data = value_at(self._records.decode(body), self._depth)
        if data is None:  # missing or null, which is not the same as empty
            raise msgspec.DecodeError("no list of records")
        if self._is_one:
            data = [data]
            if not _are_objects(data):
                raise msgspec.DecodeError("no object")
        if not self._field_depth:
            if not _are_objects(data):
                raise msgspec.DecodeError("no list of objects")
            return Page(data)
        objects = value_at(self._cursors.decode(body), self._depth)
        if self._is_one:
            objects = [objects]
        if self._field_depth == 1:
            return Page(data, [item.value for item in objects])
        return Page(data, [value_at(item, self._field_depth) for item in objects])

    def count(self, body: bytes) -> int | None:
        """How many records there are in a body; None where it has no list of them."""
        try:
            data = value_at(self._records.decode(body), self._depth)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return None if data is None else 1 if self._is_one else len(data)

    def last(self, body: bytes) -> Any:
        """The last record in a body, decoded; None where it has none, or no list of them."""
        try:
            data = value_at(self._records.decode(body), self._depth)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return next(rows_of([data] if self._is_one else data[-1:]), None) if data is not None else None


@lru_cache(maxsize=1024)
def raw_records(path: str, cursor: str | None) -> RawRecords:
    """As :class:`RawRecords`, made once: streams are made anew for each slice of a child."""
    return RawRecords(path, cursor)


def _decoder(kind: Any, names: Sequence[str]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(at_path(kind, names))


def _one_decoder(names: Sequence[str]) -> msgspec.json.Decoder[Any]:
    """Of one object, which must be there: msgspec takes no Raw that may be missing."""
    kind: Any = msgspec.Raw
    for name in reversed(names):
        kind = msgspec.defstruct("At", [("value", kind)], rename={"value": name}, gc=False)
    return msgspec.json.Decoder(kind)


def _are_objects(data: Sequence[msgspec.Raw]) -> bool:
    """Whether each one begins as a JSON object does; that they are JSON is known."""
    return set(map(itemgetter(0), map(memoryview, data))) <= {ord("{")}  # type: ignore[arg-type]


def _check_utf8(body: bytes) -> None:
    """Decode piece by piece: a text of the whole body would take up to four times its memory, and its time.

    :raises UnicodeDecodeError: when it is not UTF-8.
    """
    decode = getincrementaldecoder("utf-8")().decode
    view = memoryview(body)
    for start in range(0, len(body), _PIECE):
        decode(view[start : start + _PIECE])
    decode(b"", True)


def records_of(response: Response, path: str) -> Iterator[Record]:
    """The records of an answer as dictionaries; none where it is 204 (No Content).

    :raises TransientError: when the body is not JSON: a page of a proxy, a cut answer.
    :raises SourceError: when it has no list of objects at the path.
    """
    body = decode_json(response)
    if body is None and response.status_code in _NO_BODY:
        return
    where = "the body"
    for name in filter(None, path.split(".")):
        if not isinstance(body, Mapping) or name not in body:
            raise SourceError(f"{where} of {place(response)} has no {name!r}; {_kind_of(body)}.")
        body, where = body[name], f"{where}.{name}"
    if body is None and path:
        return
    if path.endswith("."):
        if not isinstance(body, dict):
            raise SourceError(f"An object was due in {where} of {place(response)}; {_kind_of(body)}.")
        body = [body]
    if not isinstance(body, list):
        raise SourceError(f"A list was due in {where} of {place(response)}; {_kind_of(body)}.")
    for record in body:
        if not isinstance(record, dict):  # a quarter of what Mapping costs
            raise SourceError(f"A list of objects was due in {where} of {place(response)}; {_kind_of(record)} in it.")
        yield record


def rows_of(data: Sequence[bytes | msgspec.Raw]) -> Iterator[Record]:
    """Records as dictionaries."""
    for record in data:
        try:
            yield _JSON.decode(record)
        except msgspec.DecodeError:  # a number beyond a float, which the standard library takes
            yield json.loads(bytes(record), parse_int=_integer)


def rows_page(rows: Iterable[Record], cursor: Cursor | None) -> Page:
    """A page of what an author's ``parse`` gives."""
    return Page.of_rows(rows if isinstance(rows, list) else list(rows), cursor)


def decode_json(response: Response) -> Any:
    """The body as Python values; None where there is none and the status says so.

    JSON is UTF-8, whatever the answer's type says (RFC 8259, 8.1). What is not, is read in the character set
    that it names, if any; bytes that mean nothing become U+FFFD, and the record's changes tell so.

    :raises TransientError: when it is not JSON.
    :raises SourceError: when it is nested deeper than it can be read.
    """
    body = response.content
    if not body and response.status_code in _NO_BODY:
        return None
    try:
        return _JSON.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    except RecursionError:
        raise SourceError(f"The answer of {place(response)} is nested too deeply to be read.") from None
    try:
        return json.loads(_text(response), parse_int=_integer)
    except ValueError:
        pass
    except RecursionError:
        raise SourceError(f"The answer of {place(response)} is nested too deeply to be read.") from None
    kind = response.headers.get("Content-Type", "no content type").split(";")[0]
    what = "is empty" if not body else f"is not JSON ({kind}, {len(body)} bytes)"
    raise Trouble(f"The answer of {place(response)} {what}.", "not json", f"It begins: {body[:200]!r}")


def _text(response: Response) -> str:
    """The body's text. Lone surrogates stay in it: records are rid of them when they are encoded."""
    body = response.content
    for encoding in (json.detect_encoding(body), _charset(response)):
        try:
            return body.decode(encoding, "surrogatepass" if encoding.startswith("utf-8") else "strict")
        except (UnicodeError, LookupError):
            continue
    return body.decode("utf-8", "surrogateescape")


def _charset(response: Response) -> str:
    found = _CHARSET.search(response.headers.get("Content-Type", ""))
    return found[1] if found else "utf-8"


def _integer(digits: str) -> int | Decimal:
    """A whole number of any length: Python's own reader stops at 4300 digits, for the time that more take."""
    return int(digits) if len(digits) <= 4300 else Decimal(digits)


def place(response: Response) -> str:
    """Method and URL of an answer, for people."""
    from headwater.http.request import shown

    return f"{response.request.method} {shown(str(response.url))}"


def _kind_of(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"there is an object with {', '.join(map(repr, list(value)[:8])) or 'nothing in it'}"
    kinds: dict[type, str] = {list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return f"there is {kinds.get(type(value), 'a number')}"

"""Lines of JSON as they come out of a pipe: cut at ``\\n`` alone, decoded many at a time.

Decoding line by line costs several times what decoding a block of lines does. So a block is decoded as one JSON
array; where that fails, its halves are, down to the line at fault, which is looked at alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from headwater.errors import ForeignError

T = TypeVar("T")

LONGEST = 256 * 2**20
"""Bytes of the longest line that is taken."""

_BOM = b"\xef\xbb\xbf"
_SHARE = 4  # a stream's records keep their block in memory only where they are at least this part of it


@dataclass(frozen=True, slots=True)
class Noise:
    """A line that is no message: something printed, a banner, a fragment."""

    line: bytes


class Lines:
    """Cuts what comes from a pipe into blocks of whole lines.

    :param longest: bytes of the longest line that is taken.
    """

    def __init__(self, longest: int = LONGEST) -> None:
        self._longest = longest
        self._parts: list[bytes] = []
        self._size = 0
        self._begun = False

    def feed(self, chunk: bytes) -> bytes:
        """The lines that are whole now, without the last ``\\n``; empty where there are none.

        :raises ForeignError: when a line is longer than what is taken.
        """
        end = chunk.rfind(b"\n")
        if end < 0:
            self._keep(chunk)
            return b""
        self._parts.append(chunk[:end])
        block = self.rest()
        self._begun = True
        self._parts, self._size = [], 0
        self._keep(chunk[end + 1 :])
        return block

    def rest(self) -> bytes:
        """What came after the last ``\\n``."""
        found = b"".join(self._parts)
        return found if self._begun else found.removeprefix(_BOM)

    def _keep(self, chunk: bytes) -> None:
        if chunk:
            self._parts.append(chunk)
            self._size += len(chunk)
        if self._size > self._longest:
            raise ForeignError(
                f"The connector wrote a line of more than {self._longest // 2**20} MiB. Leave out the stream or the "
                "field that is so large, or tell its author."
            )


def decoded(block: bytes, decoder: msgspec.json.Decoder[list[T]]) -> Iterator[tuple[list[T], int] | bytes]:
    """The lines of a block in their order: many as what the decoder makes of them, with their bytes; one that it
    can't decode as it is."""
    todo = [block]
    while todo:
        part = todo.pop()
        count = part.count(b"\n") + 1
        try:
            if not part.isascii():
                part.decode()  # msgspec does not look into what it passes over
            found = decoder.decode(b"".join((b"[", part.replace(b"\n", b","), b"]")))
            if len(found) == count:
                yield found, len(part)
                continue
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass
        if count == 1:
            yield part
            continue
        middle = part.find(b"\n", len(part) // 2)
        middle = middle if middle >= 0 else part.rfind(b"\n")
        todo += [part[middle + 1 :], part[:middle]]


def parsed(line: bytes) -> Any:
    """A line as the standard library reads it, which takes NaN, numbers of any size and lone surrogates. Bytes that
    are not UTF-8 become lone surrogates.

    :raises ValueError: when it is not JSON.
    """
    try:
        return json.loads(line.decode("utf-8", "surrogateescape"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def loose(data: Sequence[msgspec.Raw], size: int, block: int) -> Sequence[bytes | msgspec.Raw]:
    """Records that don't keep the block they came in: copied, where they are only a small part of it.

    :param size: bytes of the stream's records in the block.
    """
    return data if size * _SHARE >= block else [bytes(record) for record in data]

"""What a source offers, when some of its streams can't say what they are.

A catalog that silently lacks a stream, or a stream's fields, is worse than none: the platform takes them for
removed. So a schema that can't be had fails the discovery, with two exceptions that leave the stream out, with
a warning, and keep the others: the stream says itself that there is nothing to read (SkipSlice), or it is
refused (ConfigError) while the API answers for another one, which tells a missing permission from a wrong
token. All are asked before the discovery fails, so that one run names them all.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from headwater.errors import ConfigError, HeadwaterError, SkipSlice
from headwater.protocol.catalog import CatalogStream
from headwater.stream import Stream

log = logging.getLogger("headwater")


def discovered(streams: Iterable[Stream]) -> tuple[CatalogStream, ...]:
    """The streams of a catalog, in their order.

    :raises HeadwaterError: when the schema of one can't be had; see this module's beginning.
    """
    found: list[CatalogStream] = []
    failed: list[HeadwaterError] = []
    answered = False
    for stream in streams:
        try:
            found.append(stream.to_catalog())
            answered = answered or type(stream).json_schema is not Stream.json_schema
        except HeadwaterError as error:
            failed.append(error)
    fatal = [each for each in failed if not _is_left_out(each, answered=answered)]
    if fatal:
        raise _named(fatal)
    for left_out in failed:
        log.warning("%s The catalog is without it.", left_out.message)
    return tuple(found)


def _is_left_out(error: HeadwaterError, *, answered: bool) -> bool:
    return isinstance(error, SkipSlice) or (answered and isinstance(error, ConfigError))


def _named(errors: list[HeadwaterError]) -> HeadwaterError:
    """The first error; its message names the streams of the others, too."""
    first = errors[0]
    if len(errors) > 1:
        first.message = f"{first.message} Likewise: {', '.join(_streams(errors[1:]))}."
        first.args = (first.message,)
    return first


def _streams(errors: Iterable[HeadwaterError]) -> Iterator[str]:
    for error in errors:
        yield f"{error.stream} ({type(error).__name__})"

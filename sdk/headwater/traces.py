"""A stream's failure, as it is told."""

from __future__ import annotations

import re

from headwater.errors import HeadwaterError, SourceError
from headwater.protocol.messages import ErrorTrace, StreamDescriptor


def exited(error: SystemExit) -> SourceError:
    """``sys.exit`` in the middle of a stream: some library's idea of an error."""
    exited = SourceError(f"The connector called sys.exit({error.code!r}). This is a bug of the connector.")
    exited.__cause__ = error
    return exited


def trace_of(error: Exception, stream: StreamDescriptor) -> ErrorTrace:
    """What a stream's failure is on the wire. A bug's own words may hold anything, so they go to where a
    developer looks."""
    import traceback

    stack = "".join(traceback.format_exception(error))
    stack = _without_queries(stack)
    if isinstance(error, HeadwaterError):
        internal = _without_queries(error.internal) if error.internal is not None else None
        return ErrorTrace(_without_queries(error.message), error.failure_type, stream, internal, stack)
    message = f"The connector failed in stream {stream}: {type(error).__name__}. This is a bug of the connector."
    internal = _without_queries(f"{type(error).__name__}: {error}")
    return ErrorTrace(message, "system_error", stream, internal, stack)


_URL = re.compile(r"""(\b[a-z][a-z0-9+.-]*://)(?:[^\s/?#@'"]*@)?([^\s?#'"<>]*)(?:[?#][^\s'"<>]*)?""", re.IGNORECASE)


def _without_queries(text: str) -> str:
    """The text with its URLs cut to host and path: user, password and query may be secrets, and the words of
    a library's error (requests', for one) hold the whole of them."""
    return _URL.sub(r"\1\2", text)

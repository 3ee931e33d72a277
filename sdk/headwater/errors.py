"""Every error Headwater raises on purpose, and whose turn it is.

::

    HeadwaterError
     +-- SourceError             system_error     the connector, or what it reads, is broken
     |    +-- ConfigError        config_error     the user: a setting, a catalog, a state or a permission
     |    +-- TransientError     transient_error  nobody: try again later
     |    +-- IncompleteError     as its causes    some streams of a read failed; each has told why
     +-- SkipSlice                                not a failure: this slice can't be read, go on with the next
     +-- BridgeError             system_error     between a source and a destination
          +-- DestinationError   system_error     the destination refused or failed
          |    +-- DestinationConfigError  config_error  its host, user, password, path or rights are wrong
          +-- ForeignError       system_error     a connector's process broke the protocol or died
          +-- StateError         system_error     a state could not be loaded or stored
          +-- FlowError          config_error     the flow's own configuration

``failure_type`` is what the Airbyte protocol calls it in an ERROR trace.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

FailureType = Literal["system_error", "config_error", "transient_error"]


class HeadwaterError(Exception):
    """Base of all errors raised on purpose.

    :param message: one sentence for the person whose turn it is: what is wrong, where, and what to do.
        It never contains a secret.
    :param stream: the name of the stream at fault, where there is one.
    :param internal: detail for the connector's author (an answer's excerpt, a line); also without secrets.
    """

    failure_type: FailureType = "system_error"

    def __init__(self, message: str, *, stream: str | None = None, internal: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.stream = stream
        self.internal = internal


class SourceError(HeadwaterError):
    """The connector or the system it reads is broken; its author must look."""


class ConfigError(SourceError):
    """The user must act: a wrong setting, credential, permission, catalog or state."""

    failure_type = "config_error"


class TransientError(SourceError):
    """It may work later: a time-out, a reset, a server's 5xx, a rate limit.

    :param retry_after: seconds the server asked to wait before the next try, where it said so.
    :param rate_limited: the server refused because of too many requests, so the wait is told to the platform.
    """

    failure_type = "transient_error"

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        rate_limited: bool = False,
        stream: str | None = None,
        internal: str | None = None,
    ) -> None:
        super().__init__(message, stream=stream, internal=internal)
        self.retry_after = retry_after
        self.rate_limited = rate_limited


class IncompleteError(SourceError):
    """Raised at the end of a read of which some streams failed, after all others were read.

    :ivar errors: each failed stream's error, by the stream's full name.
    """

    def __init__(self, errors: Mapping[str, Exception]) -> None:
        # a bug's own words may hold anything, a secret too: they are told in its stream's trace
        said = " ".join(
            error.message if isinstance(error, HeadwaterError) else f"{type(error).__name__} (a bug)."
            for error in errors.values()
        )
        super().__init__(f"Incomplete: {', '.join(errors)}. {said}")
        self.errors = dict(errors)
        kinds = {getattr(error, "failure_type", "system_error") for error in errors.values()}
        for kind in ("system_error", "transient_error", "config_error"):  # the gravest names them all
            if kind in kinds:
                self.failure_type = kind
                break


class SkipSlice(HeadwaterError):
    """Raised while a slice is read: there is nothing to read here (the repository is empty, the feature is
    off). The slice ends, its records so far stay, the next slice follows."""


class BridgeError(HeadwaterError):
    """Something between a source and a destination failed."""


class DestinationError(BridgeError):
    """The destination refused a batch, or could not be reached."""


class DestinationConfigError(DestinationError):
    """The destination lets nobody in that way: a wrong host, user, password, name, path or right. The user must act."""

    failure_type = "config_error"


class ForeignError(BridgeError):
    """A connector's process broke the protocol, stalled or died."""


class StateError(BridgeError):
    """A state could not be loaded or stored."""


class FlowError(BridgeError):
    """The flow's own configuration is wrong: an unknown source, destination, stream or column."""

    failure_type = "config_error"


class Stopped(BaseException):
    """The read was asked to stop (a signal, a closed output). Not an Exception, so that nothing on the way
    takes it for a failure and tries again."""

    @classmethod
    def is_behind(cls, error: BaseException | None) -> bool:
        """Whether an exception is one, or was raised on the way of one: by what cleans up, or by a library that made
        it one of its own. What it says is no failure then."""
        left, seen = [error], set[int]()
        while left:
            found = left.pop()
            if isinstance(found, cls):
                return True
            if found is not None and id(found) not in seen:
                seen.add(id(found))
                left += found.__cause__, found.__context__
        return False

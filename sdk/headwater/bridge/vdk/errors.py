"""What goes wrong in a data job, and whose turn VDK says it is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from vdk.internal.core import errors as vdk_errors  # type: ignore[import-untyped]

from headwater.errors import FlowError, HeadwaterError, SourceError

_HIDDEN = "******"


class DefinitionError(FlowError, ValueError):
    """A flow's definition is wrong. Also a ValueError, which is what VDK's own parser raises."""


_Error = TypeVar("_Error", bound=BaseException)


def classified(error: _Error) -> _Error:
    """The same error, marked with who must act on it, as ``vdk run`` reports it.

    A configuration (ConfigError, FlowError) is the user's; everything else that Headwater raises (a transient
    failure, a destination, a broken connector) is the platform's. An error of somebody else that VDK already
    classified keeps its mark; one that nobody did gets none, so that VDK looks at where it comes from.
    """
    by = resolvable_by(error)
    if by is not None:
        vdk_errors.set_exception_resolvable_by(error, by)
    return error


def resolvable_by(error: BaseException) -> Any:
    """VDK's ``ResolvableBy`` of an error; None where nothing is known."""
    marked = vdk_errors.get_exception_resolvable_by(error)
    if marked is None and isinstance(error, HeadwaterError):
        if error.failure_type == "config_error":
            return vdk_errors.ResolvableBy.USER_ERROR
        return vdk_errors.ResolvableBy.PLATFORM_ERROR
    return marked


def classified_together(whole: BaseException, parts: Mapping[str, BaseException]) -> BaseException:
    """Mark an error that stands for several: one of them the user's makes the whole the user's, as in VDK."""
    kinds = [resolvable_by(part) for part in parts.values()]
    for kind in (
        vdk_errors.ResolvableBy.USER_ERROR,
        vdk_errors.ResolvableBy.CONFIG_ERROR,
        vdk_errors.ResolvableBy.PLATFORM_ERROR,
    ):
        if kind in kinds:
            vdk_errors.set_exception_resolvable_by(whole, kind)
            break
    return whole


def without_secrets(error: _Error, secrets: Iterable[str]) -> _Error | SourceError:
    """The error itself, or, where its text shows a secret, a SourceError with the text blackened.

    Somebody else's message may quote a request with its token. VDK writes messages into the log, also those of
    the errors that caused them, and with LOG_EXECUTION_RESULT all that hangs on the error (an HTTP error's
    request, with its headers).
    """
    # A shorter one would blacken half of any message and protects nothing.
    known = sorted({secret for secret in secrets if len(secret) >= 4}, key=len, reverse=True)
    if not any(secret in text for text in _chain(error) for secret in known):
        return error
    text = str(error)
    for secret in known:
        text = text.replace(secret, _HIDDEN)
    clean = SourceError(
        text if isinstance(error, HeadwaterError) else f"{type(error).__name__}: {text}",
        stream=getattr(error, "stream", None),
    )
    clean.failure_type = getattr(error, "failure_type", "system_error")
    return clean


def _dumped(error: BaseException) -> str:
    """What VDK's summary of a run would show of an error, found in the same way."""
    try:
        return json.dumps(vars(error), default=lambda one: getattr(one, "__dict__", None) or str(one))
    except (TypeError, ValueError, RecursionError):
        return ""


def _chain(error: BaseException) -> list[str]:
    texts: list[str] = []
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        texts += [str(one), repr(one), _dumped(one)]
        todo += [one.__cause__, one.__context__]
    return texts

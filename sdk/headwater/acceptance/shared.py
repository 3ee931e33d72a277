"""Values that are worked out once, whoever asks first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

_Value = TypeVar("_Value")
_Owner = TypeVar("_Owner")
_guard = threading.Lock()
_making = threading.local()


def shared() -> bool:
    """Whether this thread is working out a value that is for whoever asks."""
    return bool(getattr(_making, "depth", 0))


class once(Generic[_Value]):
    """As ``functools.cached_property``, for several threads; an exception that was raised is raised again."""

    def __init__(self, function: Callable[[Any], _Value]) -> None:
        self._function = function
        self._name = function.__name__
        self.__doc__ = function.__doc__

    @overload
    def __get__(self, owner: None, kind: Any = None) -> once[_Value]: ...

    @overload
    def __get__(self, owner: object, kind: Any = None) -> _Value: ...

    def __get__(self, owner: object | None, kind: Any = None) -> once[_Value] | _Value:
        """The value."""
        if owner is None:
            return self
        with _guard:
            kept = owner.__dict__.setdefault(f"_once_{self._name}", _Kept())
        with kept.lock:
            if not kept.done:
                _making.depth = getattr(_making, "depth", 0) + 1
                try:
                    kept.value = self._function(owner)
                except Exception as error:  # noqa: BLE001 - it is raised again
                    kept.error = error
                finally:
                    _making.depth -= 1
                kept.done = True
        if kept.error is not None:
            raise kept.error
        value: _Value = kept.value
        return value


class _Kept:
    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.done = False
        self.value: Any = None
        self.error: Exception | None = None

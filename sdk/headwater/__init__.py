"""Headwater: connectors as classes, and the bridge that lands what they read.

What a connector's author imports. Everything else is found in the subpackages. The names are looked up when
they are first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headwater.config import Config, Secret, Setting
    from headwater.cursor import Cursor
    from headwater.errors import ConfigError, HeadwaterError, SkipSlice, SourceError, TransientError
    from headwater.http.auth import ApiKey, Auth, Basic, Bearer, OAuth2, RotatingTokens
    from headwater.http.paginate import (
        Keyset,
        LinkHeader,
        NextUrl,
        OffsetPages,
        PageNumbers,
        SinglePage,
        TokenPages,
    )
    from headwater.http.ratelimit import RateLimit
    from headwater.http.request import Request
    from headwater.http.retry import RetryPolicy
    from headwater.http.source import HttpSource
    from headwater.http.stream import HttpStream
    from headwater.schema import ANY, SchemaFile
    from headwater.source import Source
    from headwater.stream import Record, Slice, Stream

__version__ = "0.1.0"

_WHERE = {
    "headwater.config": ("Config", "Secret", "Setting"),
    "headwater.cursor": ("Cursor",),
    "headwater.errors": ("ConfigError", "HeadwaterError", "SkipSlice", "SourceError", "TransientError"),
    "headwater.http.auth": ("ApiKey", "Auth", "Basic", "Bearer", "OAuth2", "RotatingTokens"),
    "headwater.http.paginate": (
        "Keyset",
        "LinkHeader",
        "NextUrl",
        "OffsetPages",
        "PageNumbers",
        "SinglePage",
        "TokenPages",
    ),
    "headwater.http.ratelimit": ("RateLimit",),
    "headwater.http.request": ("Request",),
    "headwater.http.retry": ("RetryPolicy",),
    "headwater.http.source": ("HttpSource",),
    "headwater.http.stream": ("HttpStream",),
    "headwater.schema": ("ANY", "SchemaFile"),
    "headwater.source": ("Source",),
    "headwater.stream": ("Record", "Slice", "Stream"),
}
_MODULES = {name: module for module, exported in _WHERE.items() for name in exported}

__all__ = [  # noqa: RUF022 - in the order of the table above
    "ANY",
    "ApiKey",
    "Auth",
    "Basic",
    "Bearer",
    "Config",
    "ConfigError",
    "Cursor",
    "HeadwaterError",
    "HttpSource",
    "HttpStream",
    "Keyset",
    "LinkHeader",
    "NextUrl",
    "OAuth2",
    "OffsetPages",
    "PageNumbers",
    "RateLimit",
    "Record",
    "Request",
    "RetryPolicy",
    "RotatingTokens",
    "SchemaFile",
    "Secret",
    "Setting",
    "SinglePage",
    "SkipSlice",
    "Slice",
    "Source",
    "SourceError",
    "Stream",
    "TokenPages",
    "TransientError",
]


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module 'headwater' has no attribute {name!r}")
    value = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

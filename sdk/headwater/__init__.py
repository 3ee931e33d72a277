"""Headwater: connectors as classes, and the bridge that lands what they read.

What a connector's author imports. Everything else is found in the subpackages. It costs less than 0.1 CPU
seconds, and neither requests nor any optional extra is imported before it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from headwater.config import Config, Setting
from headwater.cursor import Cursor
from headwater.errors import ConfigError, HeadwaterError, SkipSlice, SourceError, TransientError
from headwater.schema import ANY, SchemaFile
from headwater.secrets import Secret
from headwater.source import Source
from headwater.stream import Record, Slice, Stream

if TYPE_CHECKING:
    from headwater.http.auth import ApiKey, Auth, Basic, Bearer
    from headwater.http.auth_jwt import Jwt, JwtBearer
    from headwater.http.auth_oauth import ConfigTokens, JwtGrant, OAuth2
    from headwater.http.auth_session import SessionLogin
    from headwater.http.auth_tokens import RotatingTokens
    from headwater.http.faults import Fault
    from headwater.http.keyset import Keyset
    from headwater.http.manners import Manners
    from headwater.http.paginate import (
        LastRecord,
        LinkHeader,
        NextUrl,
        OffsetPages,
        PageNumbers,
        SinglePage,
        StopWhen,
        TokenPages,
    )
    from headwater.http.ratelimit import RateLimit
    from headwater.http.request import Request
    from headwater.http.retry import RetryPolicy
    from headwater.http.source import HttpSource
    from headwater.http.stream import HttpStream

__version__ = "0.1.0"

# Imported when they are asked for: a connector of a database needs none of them, and they are half of what all cost.
_HTTP = {
    "auth": ("ApiKey", "Auth", "Basic", "Bearer"),
    "auth_jwt": ("Jwt", "JwtBearer"),
    "auth_oauth": ("ConfigTokens", "JwtGrant", "OAuth2"),
    "auth_session": ("SessionLogin",),
    "auth_tokens": ("RotatingTokens",),
    "faults": ("Fault",),
    "keyset": ("Keyset",),
    "manners": ("Manners",),
    "paginate": (
        "LastRecord", "LinkHeader", "NextUrl", "OffsetPages", "PageNumbers", "SinglePage", "StopWhen", "TokenPages"
    ),
    "ratelimit": ("RateLimit",),
    "request": ("Request",),
    "retry": ("RetryPolicy",),
    "source": ("HttpSource",),
    "stream": ("HttpStream",),
}  # fmt: skip
_HOMES = {name: f"headwater.http.{module}" for module, names in _HTTP.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = [
    "ANY",
    "ApiKey",
    "Auth",
    "Basic",
    "Bearer",
    "Config",
    "ConfigError",
    "ConfigTokens",
    "Cursor",
    "Fault",
    "HeadwaterError",
    "HttpSource",
    "HttpStream",
    "Jwt",
    "JwtBearer",
    "JwtGrant",
    "Keyset",
    "LastRecord",
    "LinkHeader",
    "Manners",
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
    "SessionLogin",
    "Setting",
    "SinglePage",
    "SkipSlice",
    "Slice",
    "Source",
    "SourceError",
    "StopWhen",
    "Stream",
    "TokenPages",
    "TransientError",
]

"""Headwater: connectors as classes, and the bridge that lands what they read.

What a connector's author imports. Everything else is found in the subpackages. It costs less than 0.1 CPU
seconds, and neither requests nor any optional extra is imported before it is used.
"""

from headwater.config import Config, Setting
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
from headwater.secrets import Secret
from headwater.source import Source
from headwater.stream import Record, Slice, Stream

__version__ = "0.1.0"

__all__ = [
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

"""Headwater: connectors as classes, and the bridge that lands what they read.

What a connector's author imports. Everything else is found in the subpackages. It costs less than 0.1 CPU
seconds, and neither requests nor any optional extra is imported before it is used.
"""

from headwater.config import Config, Setting
from headwater.cursor import Cursor
from headwater.errors import ConfigError, HeadwaterError, SkipSlice, SourceError, TransientError
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

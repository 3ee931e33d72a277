"""Answers on disk, for those who make a connector: the same read again, without the API."""

from __future__ import annotations

import base64
import binascii
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qsl, urlsplit

import msgspec

from headwater.errors import ConfigError
from headwater.http.cache import Kept, Turns, hashed
from headwater.http.request import Request, shown

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

log = logging.getLogger("headwater")

_FILE = "answers.sqlite"
_SHORTEST = 4
"""A text of fewer characters is found everywhere."""
_ORDINARY = frozenset(("accept", "accept-encoding", "connection", "content-length", "content-type", "user-agent"))


class Secrets(Protocol):
    """Replaces the secrets that it knows, in all forms in which they travel."""

    def __call__(self, text: str) -> str:
        """The text without them."""

    def add(self, secrets: Iterable[str]) -> None:
        """Know these as well."""


class OnDisk(Turns):
    """Answers in a file that only its owner can read, kept for good: delete it to ask anew.

    No credentials are in it: neither the request, nor cookies, nor an answer that repeats a secret of the config or
    what went with the request. Keys are digests of the request without secrets.

    :param directory: where the file is; made, if it isn't there.
    :param secrets: knows the config's, and learns those that go with requests.
    :param ordinary: headers of the source that are no credentials.
    :raises ConfigError: when requests-cache is not installed, or the directory can't be used.
    """

    def __init__(self, directory: str, secrets: Secrets, ordinary: Iterable[str] = ()) -> None:
        super().__init__()
        self._secrets = secrets
        self._ordinary = list(ordinary)
        self._told = False
        try:
            from requests_cache.backends.sqlite import SQLiteDict
        except ImportError:
            raise ConfigError(
                "--http-cache needs requests-cache, which is not installed: pip install 'headwater[cache]'."
            ) from None
        path = Path(directory, _FILE)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # before SQLite makes it; its journals get the same rights
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600))
            path.chmod(0o600)
            self._answers: Any = SQLiteDict(path, "answers", serializer=None, busy_timeout=10_000)
        except (OSError, RuntimeError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise ConfigError(f"--http-cache: {directory} can't be used: {reason}.") from None
        except Exception as error:  # noqa: BLE001 - of SQLite: no database, no room
            raise ConfigError(f"--http-cache: {path} can't be used: {error}.") from None
        log.info("Answers are kept in %s, and taken from there. Delete it to ask anew.", path)

    def get(self, key: str) -> Kept | None:
        """What is kept."""
        try:
            return msgspec.msgpack.decode(self._answers[self._place(key)], type=Kept)
        except (KeyError, msgspec.DecodeError):
            return None

    def keep(self, key: str, response: Response, request: Request, name: str) -> None:
        """Keep an answer, unless there is a secret in it."""
        if repeats_secret(self._secrets, response, request, self._ordinary):
            level = logging.DEBUG if self._told else logging.WARNING
            log.log(level, "%s is not kept: the answer repeats a credential.", shown(str(response.url)))
            self._told = True
            return
        self._answers[self._place(key)] = msgspec.msgpack.encode(Kept.of(response))

    def close(self) -> None:
        """Close the file."""
        self._answers.close()

    def _place(self, key: str) -> str:
        return hashed(self._secrets(key))


def repeats_secret(secrets: Secrets, response: Response, request: Request, ordinary: Iterable[str]) -> bool:
    """Whether an answer has a secret in it: of those that are known, or what went with its request.

    :param secrets: learns what went with the request.
    :param ordinary: headers of the source that are no credentials.
    """
    secrets.add(_carried(request, response.request, _ORDINARY | {name.lower() for name in ordinary}))
    kept = Kept.of(response)
    texts = [f"{key}: {value}" for key, value in kept.headers] + list(_texts(kept.body))
    return any(secrets(text) != text for text in texts)


def _texts(body: bytes) -> Iterator[str]:
    """A body as texts in which a secret would be seen: as it is, in UTF-16, and with JSON's escapes undone."""
    yield body.decode("utf-8", "replace")
    if b"\0" in body:
        yield body.replace(b"\0", b"").decode("utf-8", "replace")
    if b"\\" in body:
        try:
            yield msgspec.json.encode(msgspec.json.decode(body)).decode()
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return


def _carried(request: Request, sent: PreparedRequest, ordinary: frozenset[str]) -> Iterator[str]:
    """What went with a request that its stream did not ask for: the credentials, whatever scheme put them there."""
    asked = {name.lower() for name in request.headers}
    for name, value in sent.headers.items():
        if name.lower() not in ordinary and name.lower() not in asked:
            yield from _parts(str(value), name.lower())
    own = {*map(str, request.params), *(name for name, _ in parse_qsl(urlsplit(request.path).query))}
    for name, value in parse_qsl(urlsplit(str(sent.url)).query):
        if name not in own and len(value) >= _SHORTEST:
            yield value


def _parts(value: str, name: str) -> Iterator[str]:
    """A header's credentials: the token behind the scheme, the password, the cookies."""
    if name == "cookie":
        cookies = (pair.partition("=")[2] for pair in value.split("; "))
        yield from (cookie for cookie in cookies if len(cookie) >= 2 * _SHORTEST)  # not a language
        return
    scheme, _, token = value.partition(" ")
    token = token or scheme
    if len(token) >= _SHORTEST:
        yield token
    if scheme.lower() == "basic":
        try:
            yield base64.b64decode(token).decode("utf-8", "replace").partition(":")[2] or token
        except (binascii.Error, ValueError):
            return

"""Answers of the real API, recorded once into a file beside the tests."""

from __future__ import annotations

import base64
import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

import msgspec

from headwater.errors import SourceError
from headwater.http.cache import Kept, Turns, hashed
from headwater.http.cache_disk import repeats_secret
from headwater.process.masking import Mask
from headwater.secrets import secrets_of

if TYPE_CHECKING:
    from requests import Response

    from headwater.http.request import Request
    from headwater.http.source import HttpSource

S = TypeVar("S", bound="HttpSource")

RECORD = "HEADWATER_RECORD"
"""The environment variable that has the API itself asked."""

log = logging.getLogger("headwater")


@contextmanager
def recorded(source: S, file: str | Path) -> Iterator[S]:
    """The source, with the answers of a file: it needs no network, no server and no credentials.

    ::

        def test_orders() -> None:
            source = AcmeSource.from_config({"token": os.environ.get("ACME_TOKEN", "none")})
            with recorded(source, Path(__file__).with_name("orders.json")):
                result = read(source, "orders").ok()

    Where ``HEADWATER_RECORD=1`` is in the environment, the API itself is asked, and the file is written anew: only
    good answers, and none that repeats a secret of the config or what was sent as credentials. It may be written by
    hand as well: a list of objects with ``request`` (``GET https://api.acme.test/orders?page=2``) and ``body``, and
    ``status`` and ``headers``, if they matter.

    :raises SourceError: in the read, for a request that the file has no answer to.
    """
    path = Path(file)
    recording = bool(os.environ.get(RECORD))
    shelf = _Recording(path, Mask(secrets_of(source.config)), source.headers, recording)
    source.answers, before = shelf, source.answers
    try:
        yield source
    finally:
        source.answers = before
    if recording:
        shelf.write()


class _Recording(Turns):
    def __init__(self, path: Path, mask: Mask, ordinary: Mapping[str, str], recording: bool) -> None:
        super().__init__()
        self._path, self._mask, self._ordinary, self._recording = path, mask, ordinary, recording
        self._answers: dict[str, Kept] = {}
        if not recording:
            self._answers = {entry["request"]: _kept(entry) for entry in _entries(path)}

    def get(self, key: str) -> Kept | None:
        """What the file has."""
        line = self._line(key)
        found = self._answers.get(line)
        if found is None and not self._recording:
            raise SourceError(f"{self._path} has no answer to {line}. Record it with {RECORD}=1, or write it.")
        return found

    def keep(self, key: str, response: Response, request: Request, name: str) -> None:
        """Record it, unless there is a secret in it."""
        if repeats_secret(self._mask, response, request, self._ordinary):
            log.warning("%s is not recorded: the answer repeats a credential.", self._line(key))
            return
        self._answers[self._line(key)] = Kept.of(response)

    def write(self) -> None:
        """The file, in the order of the requests' lines: so a second recording differs where the API does."""
        entries = [_entry(line, kept) for line, kept in sorted(self._answers.items())]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(entries, indent=1, ensure_ascii=False) + "\n", "utf-8")

    def _line(self, key: str) -> str:
        """The request as it stands in the file, with a digest of what it has besides a method and a URL."""
        method, url, query, *more = msgspec.json.decode(key)
        pairs = [
            (name, item) for name, value in query.items() for item in (value if isinstance(value, list) else [value])
        ]
        line = f"{method} {url}{'&' if '?' in url else '?'}{urlencode(pairs)}" if pairs else f"{method} {url}"
        return self._mask(f"{line} #{hashed(self._mask(key))[:12]}" if any(more) else line)


def _entries(path: Path) -> list[Mapping[str, Any]]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise SourceError(f"{path} is not there. Record it with {RECORD}=1, or write it.") from None
    except ValueError as error:
        raise SourceError(f"{path} is not JSON: {error}.") from None
    if not isinstance(found, list) or not all(isinstance(entry, dict) and "request" in entry for entry in found):
        raise SourceError(f"{path} must be a list of objects with a `request` each.")
    return found


def _kept(entry: Mapping[str, Any]) -> Kept:
    body = entry.get("body", "")
    text = body if isinstance(body, str) else json.dumps(body)
    data = base64.b64decode(entry["base64"]) if "base64" in entry else text.encode()
    headers = entry.get("headers") or {"Content-Type": "application/json"}
    return Kept(int(entry.get("status", 200)), "", list(headers.items()), data)


def _entry(line: str, kept: Kept) -> dict[str, Any]:
    entry: dict[str, Any] = {"request": line, "status": kept.status, "headers": dict(kept.headers)}
    try:
        entry["body"] = kept.body.decode("utf-8")
    except UnicodeDecodeError:
        entry["base64"] = base64.b64encode(kept.body).decode()
    return entry

"""The base class of connectors to HTTP APIs: what belongs to the host. Shape belongs to the stream."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from headwater.errors import ConfigError, SourceError, TransientError
from headwater.http.auth import Auth
from headwater.http.cache import InMemory, Shelf, is_good, key_of, readers
from headwater.http.decode import place
from headwater.http.faults import fault_of
from headwater.http.limits import quota, retry_after, wait_asked
from headwater.http.manners import Manners
from headwater.http.paginate import Paginator, SinglePage
from headwater.http.request import Request
from headwater.http.transport import Transport
from headwater.protocol.catalog import ConfiguredCatalog
from headwater.protocol.messages import Message, State, Status, StreamDescriptor, StreamStatus
from headwater.source import Source
from headwater.stream import Stream

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

T = TypeVar("T")
_OPENING = threading.RLock()


class HttpSource(Source):
    """A connector to an HTTP API.

    ::

        class AcmeSource(HttpSource):
            name = "acme"
            config: AcmeConfig
            paginator = LinkHeader()

            def base_url(self):
                return "https://api.acme.test/v1"

            def auth(self):
                return Bearer(self.config.token)

            def streams(self):
                return [Orders(self)]

    Methods to override, besides :meth:`streams` and :meth:`check`: :meth:`base_url`, :meth:`auth` and, rarely,
    :meth:`raise_for_status`. Facts:

    :cvar headers: sent with every request to the API's own host.
    :cvar paginator: how pages follow each other, for every stream that does not say otherwise.
    :cvar manners: what answers mean (``faults``), how often and how long a failing request is tried again
        (``retry``), the budget of requests (``rate_limit``) and the ``timeout``: see
        :class:`~headwater.http.manners.Manners`.

    These are all. Six slices are read at the same time, where :attr:`Source.concurrency` says nothing else.
    """

    headers: Mapping[str, str] = {}
    paginator: Paginator = SinglePage()
    manners: Manners = Manners()
    concurrency: int = 6  # as many as a browser opens to one host

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        for name in ("faults", "retry", "rate_limit", "timeout"):
            if name in vars(cls):
                raise TypeError(f"{cls.__name__}.{name} does nothing: say manners = Manners({name}=...).")

    def base_url(self) -> str:
        """The API's URL, to which a stream's path is added. Called once. Credentials go to its host alone."""
        raise NotImplementedError(f"{type(self).__name__} needs a base_url().")

    def auth(self) -> Auth | Callable[[PreparedRequest], PreparedRequest] | None:
        """The credentials: an :class:`~headwater.http.auth.Auth`, or anything that requests takes. Called
        once; None: the API wants none."""
        return None

    def raise_for_status(self, response: Response) -> None:
        """Say what an answer means, by raising; returning means that it is good. Called for every answer but
        a redirect.

        May raise ConfigError (the user must act), TransientError (try again, after ``retry_after`` seconds
        if it is given), SkipSlice (there is nothing to read) or SourceError. The default asks the ``faults`` of
        :attr:`manners` and then knows the statuses of RFC 9110, and the headers that tell of limits; a child, for
        what takes more than a rule, deals with its own first and then calls ``super()``.
        """
        faults = self.manners.faults
        found = fault_of(faults, response) if faults else None
        if found is not None:
            raise found
        status = response.status_code
        if status < 400:
            return
        where = place(response)
        if status == 401:
            raise ConfigError(f"{where}: the credentials are refused (401). Check them in the config.")
        if status == 403:
            raise ConfigError(f"{where}: not allowed (403). The credentials lack a permission.")
        if status in (404, 410):
            raise ConfigError(f"{where}: not found ({status}). Check the names in the config, and the access.")
        if status == 429 or (status == 503 and quota(response).left == 0):
            said = f"{where}: too many requests ({status})."
            raise TransientError(said, rate_limited=True, retry_after=wait_asked(response))
        if status in (408, 425) or status >= 500:
            raise TransientError(f"{where}: the server failed ({status}).", retry_after=retry_after(response))
        raise SourceError(f"{where}: the request was refused ({status}).", internal=excerpt(response))

    # --- for the SDK and its streams ----------------------------------------------------------------------

    answers: Shelf | None = None
    """Where all answers are kept, and taken from: ``--http-cache``."""
    _shared: InMemory | None = None
    _reading: ConfiguredCatalog | None = None

    @property
    def transport(self) -> Transport:
        """Sends this source's requests."""
        found: Transport | None = self.__dict__.get("_transport")
        if found is not None:
            return found
        with _OPENING:  # not twice: with two of it, two would renew one refresh token
            if "_transport" not in self.__dict__:
                self.__dict__["_transport"] = Transport(
                    self.base_url(),
                    auth=self.auth(),
                    headers=dict(self.headers),
                    manners=self.manners,
                    judge=self._judge,
                )
            made: Transport = self.__dict__["_transport"]
            return made

    def _judge(self, response: Response) -> None:
        from requests import HTTPError

        try:
            self.raise_for_status(response)
        except HTTPError:  # of the answer's own method of the same name: it means what the status means
            HttpSource.raise_for_status(self, response)
            raise

    def check(self) -> None:
        """As :meth:`Source.check`, with few tries."""
        with self.transport.impatient():
            super().check()

    def get(self, path: str, **params: Any) -> Any:
        """One GET's body, decoded: for what is not a stream's record (an account's name, a list of groups)."""
        from headwater.http.decode import decode_json

        return self.send(Request(path, params=params), decode_json)

    def send(self, request: Request, read: Callable[[Response], T], stream: StreamDescriptor | None = None) -> T:
        """Send a request with this source's credentials, patience and manners.

        :param read: makes of the answer what the caller wants; a TransientError of it is tried again.
        :param stream: for which stream, so that a wait can be told.
        """

        def waiting(seconds: float) -> None:
            if stream is not None:
                reset = int((time.time() + seconds) * 1000)
                self.emit(StreamStatus(stream, Status.RUNNING, rate_limited=True, quota_reset=reset))

        shelf = self._shelf(request, stream)
        key = key_of(request, self.transport.address(request)) if shelf is not None else None
        if shelf is None or key is None:
            return self.transport.send(request, read, waiting)
        with shelf.turn(key):
            return self._send_or_take(shelf, key, request, read, waiting, stream.name if stream is not None else "")

    def _send_or_take(
        self,
        shelf: Shelf,
        key: str,
        request: Request,
        read: Callable[[Response], T],
        waiting: Callable[[float], None],
        name: str,
    ) -> T:
        kept = shelf.get(key)
        if kept is not None:
            with suppress(TransientError):  # then the API knows better
                return self.transport.taken(kept.response(request, self.transport.base), read)

        def keep(response: Response) -> None:
            if is_good(response):
                shelf.keep(key, response, request, name)

        return self.transport.send(request, read, waiting, keep)

    def _shelf(self, request: Request, stream: StreamDescriptor | None) -> Shelf | None:
        """Where an answer is kept, if anywhere; of a POST only a stream's, as others may do something."""
        if request.method != "GET" and (request.method != "POST" or stream is None):
            return None
        if self.answers is not None:
            return self.answers
        shared = self._shared
        return shared if shared is not None and stream is not None and shared.serves(stream.name) else None

    def read(self, catalog: ConfiguredCatalog, state: Sequence[State] = ()) -> Iterator[Message]:
        """As :meth:`Source.read`; a parent of several streams is asked for once."""
        from headwater.http import connections, prepare  # noqa: F401 - requests takes its time, so before the first slice

        self._reading = catalog
        try:
            yield from super().read(catalog, state)
        finally:
            self._reading = self._shared = None

    def _streams(self) -> dict[StreamDescriptor, Stream]:
        found = super()._streams()
        if self._reading is not None and self._shared is None:
            self._shared = InMemory(readers(found, self._reading))
        return found


def excerpt(response: Response) -> str:
    """The beginning of an answer's body, for a developer."""
    return f"The answer begins: {response.content[:300]!r}"

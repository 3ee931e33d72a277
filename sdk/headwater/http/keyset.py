"""Pages by value, of lists that change while they are read."""

from __future__ import annotations

import logging
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from headwater.cursor import Key, is_ascending, is_before
from headwater.http.paginate import Answer, Paginator, Requests
from headwater.http.request import Request

if TYPE_CHECKING:
    from headwater.http.resume import Resumable

log = logging.getLogger("headwater")

_TRIES = 100


@dataclass(frozen=True)
class Keyset:
    """The next page starts where the last records' cursor stands: for APIs that sort by the cursor, ascending,
    and take a lower bound for it.

    Numbered pages of a list that is being changed lose records: what is updated moves to the end, everything
    behind it moves up by one, and the first record of the next page is now the last of this one. Asking by
    value can't lose any; the records at the boundary come twice. The bound is the last value but one, so that
    it may be inclusive or not. Where the order is not what it should be, the inner paginator goes on from there. So
    it does where a page has too few values, a page at a time, of which each is asked for twice: so it is known that
    nothing has moved from one to the other in between.

    :ivar param: the query parameter of the lower bound.
    :ivar inner: how the API itself pages.
    """

    param: str
    inner: Paginator

    def requests(self, first: Request) -> Requests:
        """Ask on from the last cursor values, until the inner paginator says that there is no more.

        When a page shows that the server does not sort, or ignores the bound, the listing without a bound goes
        on where it was left: with a bound, a list in no order would lose records.
        """
        pages = self.inner.requests(first)
        return self._from(first, pages, next(pages))

    def resumed(self, first: Request, request: Request) -> Requests:
        """As :class:`~headwater.http.resume.Resumable`. Where the server does not sort, all begins anew."""
        asked = request.params.get(self.param)
        bounded = first if asked is None else first.with_params(**{self.param: asked})
        pages = cast("Resumable", self.inner).resumed(bounded, request)
        again = self.inner.requests(first)
        return self._from(first, pages, next(pages), asked, (again, next(again)))

    def _from(
        self,
        first: Request,
        pages: Requests,
        request: Request,
        asked: Any = None,
        unbounded: tuple[Requests, Request] | None = None,
    ) -> Requests:
        """The requests from one on.

        :param asked: the bound that it was made with.
        :param unbounded: the listing without one, and its request that is due.
        """
        trusted = True
        tie: _Tie | None = None
        page = yield request
        while True:
            following = _after(pages, page)
            key = page.key
            values = [value for value in page.cursor_values() if key(value) is not None]
            if trusted and not _as_asked(values, asked, key):
                trusted = False
                if unbounded is not None:
                    pages, request = unbounded
                    page = yield request
                    continue
            if following is None:
                return
            bound = _last_bound(values, key) if trusted else None
            if bound is not None and bound != asked:
                unbounded = unbounded or (pages, following)
                asked, tie = bound, None
                pages = self.inner.requests(first.with_params(**{self.param: bound}))
                request = next(pages)
                page = yield request
            elif trusted and values:
                tie = tie or _Tie(request, page)
                request, page = yield from tie.follow(following)
            else:
                request = following
                page = yield request


class _Tie:
    """The pages from one bound on, where there is no later bound to ask by.

    What is updated moves to the end of the list, and all behind it moves up: so a page is given only when the one
    before it, asked for once more, has not changed, as nothing can have moved in between then. Where it has, the
    pages before it are asked for until one has not, and those behind that are read again. Records that were not
    seen yet are always later than those that were.
    """

    def __init__(self, request: Request, page: Answer) -> None:
        self._pages = [(request, page.mark())]
        self._seen: set[bytes] = set()
        self._tries = 0
        page.unseen(self._seen)

    def follow(self, following: Request) -> Generator[Request, Answer, tuple[Request, Answer]]:
        """The next page of it."""
        ahead = [following]
        while True:
            request = ahead[0]
            page = carrier = yield request
            page.instead = ()
            place = len(self._pages) - 1
            while place >= 0:
                carrier = yield self._again(place)
                carrier.instead = ()
                if carrier.mark() == self._pages[place][1]:
                    break
                place -= 1
            if place < len(self._pages) - 1 and self._goes_on():
                ahead = [*(self._again(changed) for changed in range(place + 1, len(self._pages))), request.again(),
                         *ahead[1:]]  # fmt: skip
                del self._pages[place + 1 :]
                continue
            carrier.instead = (page.unseen(self._seen),)
            self._pages.append((request, page.mark()))
            del ahead[0]
            if not ahead:
                return request, page

    def _again(self, place: int) -> Request:
        request, mark = self._pages[place]
        self._pages[place] = request.again(), mark
        return self._pages[place][0]

    def _goes_on(self) -> bool:
        self._tries += 1
        if self._tries == _TRIES:
            log.warning(
                "A list changes faster than it is read where many records have one cursor value; some may be missed."
            )
        return self._tries < _TRIES


def _after(pages: Requests, page: Answer) -> Request | None:
    """The next request; None: there are no more."""
    try:
        return pages.send(page)
    except StopIteration:
        return None


def _as_asked(values: list[Any], asked: Any, key: Key) -> bool:
    """Whether a page is in ascending order and not before the bound that it was asked for with."""
    return is_ascending(values, key) and not (values and asked is not None and is_before(values[0], asked, key))


def _last_bound(values: list[Any], key: Key) -> Any:
    """The value from which on to ask: of ascending ones the last but one; None where they are all alike."""
    return next((value for value in reversed(values) if is_before(value, values[-1], key)), None)

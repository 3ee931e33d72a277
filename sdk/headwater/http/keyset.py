"""Pages by value, of lists that change while they are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from headwater.cursor import Key, is_ascending, is_before
from headwater.http.paginate import Answer, Paginator, Requests
from headwater.http.request import Request

if TYPE_CHECKING:
    from headwater.http.resume import Resumable


@dataclass(frozen=True)
class Keyset:
    """The next page starts where the last records' cursor stands: for APIs that sort by the cursor, ascending,
    and take a lower bound for it.

    Numbered pages of a list that is being changed lose records: what is updated moves to the end, everything
    behind it moves up by one, and the first record of the next page is now the last of this one. Asking by
    value can't lose any; the records at the boundary come twice. The bound is the last value but one, so that
    it may be inclusive or not. Where a page has too few values, or the order is not what it should be, the
    inner paginator goes on from there.

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
        while True:
            page = yield request
            following = _after(pages, page)
            key = page.key
            values = [value for value in page.cursor_values() if key(value) is not None]
            if trusted and not _as_asked(values, asked, key):
                trusted = False
                if unbounded is not None:
                    pages, request = unbounded
                    continue
            if following is None:
                return
            bound = _last_bound(values, key) if trusted else None
            if bound is None or bound == asked:
                request = following
                continue
            if unbounded is None:
                unbounded = pages, following
            asked = bound
            pages = self.inner.requests(first.with_params(**{self.param: bound}))
            request = next(pages)


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

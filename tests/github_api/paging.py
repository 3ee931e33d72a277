"""Filters, orders, pages and the Link header, the way GitHub's listings have them."""

from __future__ import annotations

import base64
import datetime
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from .clock import stamp_of
from .messages import Answer, Request, error
from .payloads import Json

Key = Callable[[Json], tuple[str | int, int]]


def whole(text: str | None, default: int) -> int:
    """A positive number from the query, or the default where GitHub would take it too."""
    return int(text) if text and text.isdigit() and int(text) > 0 else default


def moment(text: str) -> str | None:
    """A query's ISO 8601 time in GitHub's own form, so that strings compare; None when it is none."""
    try:
        at = datetime.datetime.fromisoformat(text.replace("Z", "+00:00").replace(" ", "+"))
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=datetime.timezone.utc)
    return stamp_of(at.timestamp())


def within(stamp: str, span: str) -> bool:
    """Whether a timestamp is in a search range: `>=X`, `<X`, `X..Y`, `*..Y` or a plain day."""
    if ".." in span:
        low, high = span.split("..", 1)
        return (low == "*" or within(stamp, f">={low}")) and (high == "*" or within(stamp, f"<={high}"))
    sign = next((sign for sign in (">=", "<=", ">", "<") if span.startswith(sign)), "")
    bound = span[len(sign) :]
    # A bound that is only a day covers the whole of it.
    part = stamp[: len(bound)] if len(bound) <= 10 else stamp
    bound = bound if len(bound) <= 10 else moment(bound) or bound
    tests = {
        ">=": part >= bound,
        "<=": part <= bound,
        ">": part > bound,
        "<": part < bound,
        "": part == bound,
    }
    return tests[sign]


@dataclass(frozen=True)
class Listing:
    """The filtered and ordered items of a request, ready to be cut into pages.

    `key` is what they are ordered by (needed where paging by cursor is possible).
    """

    items: Sequence[Json]
    key: Key | None = None
    descending: bool = False


@dataclass(frozen=True)
class Pager:
    """Cuts listings into pages.

    `page_size_cap` is GitHub's 100; `cursor_after` makes a page number above it a 422, with links that
    carry an `after` cursor, which is what GitHub does with large issue listings.
    """

    base_url: str
    page_size_cap: int = 100
    cursor_after: int | None = None

    def cut(self, listing: Listing, request: Request, link_path: str) -> tuple[Sequence[Json], dict[str, str]] | Answer:
        """The items of the page asked for and its Link header, or the 422 of a page that is too far."""
        size = min(whole(request.query.get("per_page"), 30), self.page_size_cap)
        page, total = whole(request.query.get("page"), 1), len(listing.items)
        if self.cursor_after is not None and listing.key is not None:
            return self._by_cursor(listing, request, link_path, size)
        last = max(1, -(-total // size))
        ways: dict[str, int] = {}
        if page > 1:
            ways["prev"] = min(page - 1, last)
        if page < last:
            ways |= {"next": page + 1, "last": last}
        if page > 1:
            ways["first"] = 1
        if last == 1 and page == 1:
            ways = {}
        links = {rel: self._url(request, link_path, page=str(number)) for rel, number in ways.items()}
        return listing.items[(page - 1) * size : page * size], self._header(links)

    def _by_cursor(
        self, listing: Listing, request: Request, link_path: str, size: int
    ) -> tuple[Sequence[Json], dict[str, str]] | Answer:
        page, after, key = whole(request.query.get("page"), 1), request.query.get("after"), listing.key
        assert key is not None and self.cursor_after is not None
        start = (page - 1) * size
        if after:
            cursor = tuple(json.loads(base64.urlsafe_b64decode(after + "==")))
            down = listing.descending
            start = sum(key(item) >= cursor if down else key(item) <= cursor for item in listing.items)
        elif page > self.cursor_after:
            text = (
                "Pagination with the page parameter is not supported for large datasets, "
                "please use cursor based pagination (after/before)"
            )
            return error(422, text, "/rest/issues/issues#list-repository-issues")
        found = listing.items[start : start + size]
        links = {}
        if start + size < len(listing.items):
            cursor_text = base64.urlsafe_b64encode(json.dumps(key(found[-1])).encode()).decode().rstrip("=")
            links["next"] = self._url(request, link_path, page=str(page + 1), after=cursor_text)
        return found, self._header(links)

    def same_page(self, request: Request, link_path: str) -> str:
        """A Link header whose next page is the page that was asked for."""
        page = request.query.get("page", "1")
        return self._header({"next": self._url(request, link_path, page=page)})["Link"]

    def _url(self, request: Request, link_path: str, **changes: str) -> str:
        return f"{self.base_url}{link_path}?{urlencode({**request.query, **changes})}"

    @staticmethod
    def _header(links: dict[str, str]) -> dict[str, str]:
        return {"Link": ", ".join(f'<{url}>; rel="{rel}"' for rel, url in links.items())} if links else {}


def ordered(items: Sequence[Json], field: str, descending: bool) -> Listing:
    """Items by a field, those with the same value by their id."""

    def key(item: Json) -> tuple[str | int, int]:
        value = item.get(field)
        return ("" if value is None else value, item["id"])

    return Listing(sorted(items, key=key, reverse=descending), key, descending)

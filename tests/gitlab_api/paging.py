"""Orders and pages of a listing, and the headers that come with them, the way GitLab has them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from headwater.testing.upstream import Answer

from .items import Json

NOT_OFFERED = "Keyset pagination is not yet available for this type of request"
TOO_FAR = "Offset pagination has a maximum allowed offset of {} for requests that return objects of this type."


@dataclass(frozen=True)
class Listing:
    """The filtered items of a request, before they are ordered.

    :ivar orders: which ``order_by`` there are; the first is the default. None: the items are in order.
    :ivar sort: the default of ``sort``.
    :ivar keyset: the ``order_by`` that keyset paging is offered for.
    :ivar key: what tells items apart that are equal in the order.
    """

    items: Sequence[Json]
    orders: tuple[str, ...] = ("id",)
    sort: str = "desc"
    keyset: tuple[str, ...] = ()
    key: str = "id"


@dataclass(frozen=True)
class Pager:
    """Cuts listings into pages.

    :ivar base_url: of the API, for the links.
    :ivar cap: the most items a page (GitLab's 100).
    :ivar total_limit: longer listings come without their total.
    :ivar offset_limit: offset pages beyond it are refused.
    """

    base_url: str
    cap: int = 100
    total_limit: int = 10_000
    offset_limit: int = 50_000

    def answer(self, listing: Listing, path: str, query: Mapping[str, str]) -> Answer:
        """The page that a query asks for."""
        order, sort = query.get("order_by", (*listing.orders, "")[0]), query.get("sort") or listing.sort
        if listing.orders and order not in listing.orders:
            return refusal(400, {"error": "order_by does not have a valid value"})
        ranked = listing.items
        if listing.orders:
            ranked = sorted(ranked, key=lambda item: _rank(item, order, listing.key), reverse=sort == "desc")
        size = min(_whole(query.get("per_page"), 20), self.cap)
        if query.get("pagination") == "keyset":
            if order not in listing.keyset:
                return refusal(405, {"error": NOT_OFFERED})
            return self._keyset(ranked, path, query, size, (order, listing.key), sort == "desc")
        page = _whole(query.get("page"), 1)
        if (page - 1) * size > self.offset_limit:
            return refusal(405, {"error": TOO_FAR.format(self.offset_limit)})
        return self._offset(ranked, path, query, size, page)

    def _offset(self, ranked: Sequence[Json], path: str, query: Mapping[str, str], size: int, page: int) -> Answer:
        last = max(1, -(-len(ranked) // size))
        after, before = (page + 1 if page < last else None), (page - 1 if page > 1 else None)
        ways: dict[str, int | None] = {"prev": before, "next": after, "first": 1, "last": last}
        headers = {
            "X-Page": str(page),
            "X-Per-Page": str(size),
            "X-Next-Page": str(after or ""),
            "X-Prev-Page": str(before or ""),
        }
        if len(ranked) > self.total_limit:
            del ways["last"]
        else:
            headers |= {"X-Total": str(len(ranked)), "X-Total-Pages": str(last)}
        links = [
            f'<{self._url(path, {**query, "page": str(number), "per_page": str(size)})}>; rel="{rel}"'
            for rel, number in ways.items()
            if number is not None
        ]
        return ok(ranked[(page - 1) * size : page * size], {**headers, "Link": ", ".join(links)})

    def _keyset(
        self, ranked: Sequence[Json], path: str, query: Mapping[str, str], size: int, by: tuple[str, str], down: bool
    ) -> Answer:
        rest = list(ranked)
        if "cursor" in query:
            after = tuple(json.loads(base64.urlsafe_b64decode(query["cursor"])))
            rest = [item for item in ranked if (_rank(item, *by) < after if down else _rank(item, *by) > after)]
        found = rest[:size]
        headers = {}
        if found:  # the last full page has a next one too, which is empty
            cursor = base64.urlsafe_b64encode(json.dumps(_rank(found[-1], *by)).encode()).decode()
            if len(rest) > size or len(found) == size:
                url = self._url(path, {**query, "per_page": str(size), "cursor": cursor})
                headers["Link"] = f'<{url}>; rel="next"'
        return ok(found, headers)

    def _url(self, path: str, query: Mapping[str, str]) -> str:
        return f"{self.base_url}{path}?{urlencode(sorted(query.items()))}"


def ok(value: Any, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer with a JSON body."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return Answer(200, {"Content-Type": "application/json", **(headers or {})}, text)


def refusal(status: int, body: Mapping[str, Any]) -> Answer:
    """A refusal, with the JSON that says why."""
    return Answer(status, {"Content-Type": "application/json"}, json.dumps(body).encode())


def not_found(what: str = "") -> Answer:
    """GitLab's 404."""
    return refusal(404, {"message": f"404 {what + ' ' if what else ''}Not Found"})


def _rank(item: Json, order: str, key: str) -> tuple[Any, Any]:
    value = item.get(order)
    return ("" if value is None else value, item[key])


def _whole(text: str | None, default: int) -> int:
    return int(text) if text and text.isdigit() and int(text) > 0 else default

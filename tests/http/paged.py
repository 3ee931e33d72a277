"""A listing in pages, asked for in all the ways that there are, by a source that fails after so many."""

from __future__ import annotations

import itertools
from typing import Any
from urllib.parse import urlencode

from headwater import (
    Cursor,
    HttpStream,
    Keyset,
    LastRecord,
    LinkHeader,
    NextUrl,
    OffsetPages,
    PageNumbers,
    SourceError,
    StopWhen,
    TokenPages,
)
from headwater.testing import Upstream
from headwater.testing.upstream import Received

from .apis import Api, Items

TOTAL, SIZE = 23, 5
PAGES = {
    "link": LinkHeader(),
    "next": NextUrl("next"),
    "token": TokenPages("token", "after"),
    "numbers": PageNumbers(size=SIZE, size_param="size"),
    "offset": OffsetPages(SIZE),
    "last": LastRecord("behind"),
    "rule": StopWhen(PageNumbers(), lambda page: page.json()["next"] is None),
    "keyset": Keyset("since", PageNumbers(size=SIZE)),
    "keyset by link": Keyset("since", LinkHeader()),
}


class Flaky(Api):
    """Fails after so many pages."""

    pages_until_failure = 10**9
    failure: Exception = SourceError("broken")

    def __init__(self, *arguments: Any, **constants: Any) -> None:
        super().__init__(*arguments, **constants)
        self._pages = itertools.count(1)  # several threads count

    def raise_for_status(self, response: Any) -> None:
        super().raise_for_status(response)
        if next(self._pages) > self.pages_until_failure:
            raise self.failure


def listing(api: Upstream, path: str = "/items", total: int = TOTAL) -> list[dict[str, Any]]:
    """Rows that are given in pages, by whatever the request asks for."""
    rows = [{"id": number, "at": number} for number in range(total)]

    def found(request: Received) -> list[dict[str, Any]]:
        query = request.query
        since = [row for row in rows if row["at"] >= int(query.get("since", 0))]
        size = int(query.get("size", query.get("limit", SIZE)))
        if "behind" in query:
            return since[int(query["behind"]) + 1 :][:size]
        start = int(query.get("after", query.get("offset", (int(query.get("page", 1)) - 1) * size)))
        return since[start : start + size]

    def body(request: Received) -> Any:
        page = found(request)
        query = request.query
        number = int(query.get("page", 1)) + 1
        more = bool(page) and page[-1]["id"] < total - 1
        link = f"{path}?{urlencode({**query, 'page': number})}"
        after = int(query.get("after", 0)) + SIZE
        return {"items": page, "next": link if more else None, "token": after if more else None}

    api.on(path, body=body)
    return rows


class Linked(Flaky):
    """The next page as a Link header, made of what the body says."""

    def raise_for_status(self, response: Any) -> None:
        super().raise_for_status(response)
        if (link := response.json()["next"]) is not None:
            response.headers["Link"] = f'<{link}>; rel="next"'


def stream(name: str) -> type[HttpStream]:
    """One that is paged in this way."""
    cursor = Cursor("at", "ascending") if "keyset" in name else None
    return type("Paged", (Items,), {"paginator": PAGES[name], "records": "items", "cursor": cursor})


def asked(api: Upstream) -> int:
    """How many requests there were since the last time."""
    count = len(api.requests)
    api.requests.clear()
    return count

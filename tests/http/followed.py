"""A paginator driven by hand, and the pages that it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from headwater import Request
from headwater.cursor import Key, plain_key
from headwater.http.paginate import Paginator

PAGE = "https://api.test/v1/items"


@dataclass
class Page:
    """A page that came back."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    url: str = PAGE
    key: Key = plain_key
    instead: Any = None

    def mark(self) -> Any:
        return tuple(map(repr, self.rows))

    def unseen(self, seen: set[Any]) -> Any:
        new = Page([row for row in self.rows if repr(row) not in seen])
        seen.update(map(repr, self.rows))
        return new

    def given(self) -> list[dict[str, Any]]:
        """The rows that come of it."""
        return self.rows if self.instead is None else [row for page in self.instead for row in page.rows]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def response(self) -> Any:
        return SimpleNamespace(headers=self.headers, url=self.url)

    def json(self) -> Any:
        return self.body

    def last(self) -> Any:
        return self.rows[-1] if self.rows else None

    def cursor_values(self) -> list[Any]:
        return [row.get("at") for row in self.rows]


def follow(
    paginator: Paginator,
    serve: Callable[[Request], Page],
    first: Request | None = None,
    given: list[dict[str, Any]] | None = None,
) -> list[Request]:
    """Every request of a listing; fails where one is asked for twice, or where it does not end.

    :param given: gets the rows that come of it.
    """
    pages = paginator.requests(first or Request("items", {"a": 1}))
    asked: list[Request] = []
    request = next(pages)
    while True:
        assert len(asked) < 500, "it does not end"
        assert request.identity not in {other.identity for other in asked}, f"asked for twice: {request}"
        asked.append(request)
        page = serve(request)
        try:
            request = pages.send(page)
        except StopIteration:
            return asked
        finally:
            if given is not None:
                given.extend(page.given())


def rows(count: int) -> list[dict[str, Any]]:
    """So many records."""
    return [{"id": number} for number in range(count)]

"""What the toy connector's streams have in common, and its settings."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from headwater import Config, Secret, Setting, Stream
from headwater.stream import Page, Slice
from tests.connectors import grace  # noqa: F401 - it is set

if TYPE_CHECKING:
    from tests.connectors.toy import ToySource

if os.environ.get("TOY_PRINTS_EARLY"):
    print("printed while the connector is imported")
STALE = logging.StreamHandler(sys.stderr)  # captured before anybody could take stderr over
logging.getLogger("stale").addHandler(STALE)
logging.basicConfig(stream=sys.stdout, level=logging.DEBUG)
log = logging.getLogger("toy")


class Key(Config, tag_field="kind", tag="key"):
    key: Secret


class Login(Config, tag_field="kind", tag="login"):
    user: str
    password: Secret


class ToyConfig(Config):
    """Settings of the toy."""

    token: Annotated[Secret, Setting("Token", "A token, or several with commas.")]
    login: Annotated[Login | Key | None, Setting("Login")] = None
    check: Annotated[str, Setting("Check", "How the check ends.")] = "ok"
    pages: Annotated[int, Setting("Pages", minimum=0)] = 3
    folder: Annotated[str | None, Setting("Folder", "For what a stream has to say on the side.")] = None
    many: Annotated[int, Setting("Many")] = 0
    num_workers: Annotated[int, Setting("Workers", minimum=1)] = 1


class ToyStream(Stream):
    """A stream that gives its pages as they are ready."""

    source: ToySource
    primary_key = ("id",)
    schema = {
        "type": "object",
        "properties": {"id": {"type": "integer"}, "at": {"type": "string"}, "text": {"type": "string"}},
    }

    def read(self, slice: Slice) -> Iterator[dict[str, Any]]:
        for page in self.rows(slice):
            yield from page

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        yield self.page(0)

    def page(self, number: int, size: int = 3) -> list[dict[str, Any]]:
        first = number * size
        return [
            {"id": i, "at": f"2024-01-01T{i // 3600 % 24:02}:{i // 60 % 60:02}:{i % 60:02}Z", "text": f"text {i}"}
            for i in range(first, first + size)
        ]

    def pages(self, slice: Slice) -> Iterator[Page]:
        for rows in self.rows(slice):
            yield Page.of_rows(rows, self.cursor)

    def note(self, text: str) -> None:
        if self.source.config.folder:
            (Path(self.source.config.folder) / self.name).write_text(text)

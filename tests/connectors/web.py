"""A connector to an HTTP server that lets it wait: ``hanging`` without an answer, ``limited`` with a 429."""

from __future__ import annotations

from headwater import Config, HttpSource, HttpStream
from headwater.stream import Stream
from tests.connectors import grace  # noqa: F401 - it is set


class WebConfig(Config):
    """Where the server is."""

    url: str
    token: str = ""


class Hanging(HttpStream):
    name = "hanging"
    path = "hang"


class Limited(HttpStream):
    name = "limited"
    path = "limit"


class WebSource(HttpSource):
    name = "web"
    config: WebConfig

    def base_url(self) -> str:
        return self.config.url

    def streams(self) -> list[Stream]:
        return [Hanging(self), Limited(self)]


if __name__ == "__main__":
    WebSource.main()

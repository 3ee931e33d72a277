"""The stand-in of GitHub's API, and reads of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from headwater.http.retry import RetryPolicy
from headwater.protocol.catalog import ConfiguredCatalog
from headwater.protocol.messages import Message, Records, State, StreamDescriptor
from source_github import GithubSource
from tests.github_api import TOKEN, GithubApi, Repo


class Read:
    """What one read gave."""

    def __init__(self, messages: list[Message]) -> None:
        self.messages = messages
        self.states = list({m.stream: m for m in messages if isinstance(m, State)}.values())

    def rows(self, stream: str) -> list[dict[str, Any]]:
        """The stream's records, in order."""
        return [
            row
            for message in self.messages
            if isinstance(message, Records) and message.stream == StreamDescriptor(stream)
            for row in message.rows()
        ]


class Hurried(GithubSource):
    """The connector with the shortest of waits."""

    retry = RetryPolicy(first_delay=0.01, longest_delay=0.05, longest_wait=5 * 3600.0)


def source(api: GithubApi, **config: Any) -> Hurried:
    """The connector, pointed at the stand-in."""
    return Hurried.from_config(
        {
            "credentials": {"personal_access_token": TOKEN},
            "repositories": list(api.repos),
            "api_url": api.url,
            **config,
        }
    )


def catalog(of: GithubSource, *names: str) -> ConfiguredCatalog:
    """All streams, or those named; incremental where they can be."""
    return of.discover().configured(names or None)


def read(of: GithubSource, *names: str, states: list[State] | None = None) -> Read:
    """Read streams to their end."""
    return Read(list(of.read(catalog(of, *names), states or [])))


@pytest.fixture
def api() -> Iterator[GithubApi]:
    """Two repositories with everything in them."""
    with GithubApi(repos={"octo/alpha": Repo(250), "octo/beta": Repo(60)}, seed=3) as served:
        yield served

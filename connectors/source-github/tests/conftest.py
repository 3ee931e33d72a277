"""The stand-in of GitHub's API, and reads of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from headwater import testing
from headwater.http.retry import RetryPolicy
from headwater.protocol.catalog import ConfiguredCatalog
from headwater.testing import ReadResult
from source_github import GithubSource
from tests.github_api import TOKEN, GithubApi, Repo


class Hurried(GithubSource):
    """The connector with the shortest of waits."""

    manners = GithubSource.manners.but(retry=RetryPolicy(first_delay=0.01, longest_delay=0.05, longest_wait=5 * 3600.0))


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


def read(of: GithubSource, *names: str, state: ReadResult | None = None) -> ReadResult:
    """Read streams to their end; raises what stops it."""
    return testing.read(of, *names, state=state).ok()


@pytest.fixture
def api() -> Iterator[GithubApi]:
    """Two repositories with everything in them."""
    with GithubApi(repos={"octo/alpha": Repo(250), "octo/beta": Repo(60)}, seed=3) as served:
        yield served

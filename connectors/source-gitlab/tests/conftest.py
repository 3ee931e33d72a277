"""The stand-in of GitLab's API, and the connector pointed at it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from headwater import RetryPolicy
from source_gitlab import GitlabSource
from tests.gitlab_api import TOKEN, GitlabApi, Project


class Hurried(GitlabSource):
    """The connector with the shortest of waits."""

    manners = GitlabSource.manners.but(retry=RetryPolicy(first_delay=0.01, longest_delay=0.05))


def source(api: GitlabApi, **config: Any) -> Hurried:
    """The connector, pointed at the stand-in; without other settings it reads the group acme."""
    if not {"groups_list", "projects_list", "groups", "projects"} & set(config):
        config["groups_list"] = ["acme"]
    return Hurried.from_config({"credentials": {"access_token": TOKEN}, "api_url": api.url, **config})


@pytest.fixture
def api() -> Iterator[GitlabApi]:
    """Two projects with everything in them, one in a subgroup; a third in another group."""
    projects = {
        "acme/api": Project(250, pipelines=110, jobs=2),
        "acme/web/site": Project(40),
        "other/thing": Project(5),
    }
    with GitlabApi(projects, seed=3) as served:
        yield served

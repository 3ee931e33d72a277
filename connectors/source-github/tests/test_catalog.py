"""The catalog: Airbyte's names, keys and cursors (facts of its source-github 2.7.1)."""

from __future__ import annotations

from headwater.secrets import secrets_of
from source_github import GithubSource
from tests.github_api import TOKEN

AIRBYTE = {
    "repositories": ([["id"]], ["updated_at"]),
    "issues": ([["id"]], ["updated_at"]),
    "comments": ([["id"]], ["updated_at"]),
    "pull_requests": ([["id"]], ["updated_at"]),
    "commits": ([["sha"]], ["created_at"]),
    "releases": ([["id"]], ["created_at"]),
    "stargazers": ([["user_id"]], ["starred_at"]),
    "issue_labels": ([["id"]], None),
    "issue_milestones": ([["id"]], ["updated_at"]),
    "branches": ([["repository"], ["name"]], None),
    "tags": ([["repository"], ["name"]], None),
    "collaborators": ([["id"]], None),
    "reviews": ([["id"]], ["updated_at"]),
    "workflow_runs": ([["id"]], ["updated_at"]),
}


def source() -> GithubSource:
    return GithubSource.from_config({"credentials": {"personal_access_token": TOKEN}, "repositories": ["a/b"]})


def test_names_keys_and_cursors() -> None:
    catalog = source().discover().to_json()
    found = {
        stream["name"]: (stream["source_defined_primary_key"], stream.get("default_cursor_field"))
        for stream in catalog["streams"]
    }
    assert found == AIRBYTE
    for stream in catalog["streams"]:
        properties = stream["json_schema"]["properties"]
        for path in [*stream["source_defined_primary_key"], stream.get("default_cursor_field") or ["repository"]]:
            assert path[0] in properties or stream["name"] == "repositories", (stream["name"], path)
        incremental = "incremental" in stream["supported_sync_modes"]
        assert incremental == ("default_cursor_field" in stream)
        # also of a stream that is only resumable: "synthetic cursors" are the source's (Airbyte protocol)
        resumable = stream.get("is_resumable", False)
        assert stream.get("source_defined_cursor", False) == (incremental or resumable)


def test_a_person_in_two_repositories_is_two_rows() -> None:
    """A sync's key is the source's within the repository, where that alone does not tell records apart."""
    configured = {stream.stream.name: stream for stream in source().discover().configured().streams}
    assert configured["stargazers"].primary_key == (("repository",), ("user_id",))
    assert configured["collaborators"].primary_key == (("repository",), ("id",))
    assert configured["issues"].primary_key == (("id",),)


def test_discover_asks_nothing_and_is_the_same_each_time() -> None:
    assert source().discover().to_json() == source().discover().to_json()
    assert list(secrets_of(source().config)) == [TOKEN]

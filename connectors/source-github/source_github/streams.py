"""The streams: names, keys and cursors as in Airbyte's GitHub source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from headwater import Cursor, HttpStream, Keyset, LinkHeader, Record, Request, SchemaFile, Slice
from headwater.stream import Page

if TYPE_CHECKING:
    from requests import Response

    from source_github.source import GithubSource


class GithubStream(HttpStream):
    """A resource of each configured repository; its state is kept per repository."""

    source: GithubSource
    primary_key: tuple[str | tuple[str, ...], ...] = ("id",)
    params: Mapping[str, Any] = {"per_page": 100}
    schema = SchemaFile("schemas/{name}.json")

    def partitions(self) -> Iterable[Mapping[str, Any]]:
        """One for each repository."""
        return [{"repository": repository.full_name} for repository in self.source.repositories]

    def start(self) -> str | None:
        """The config's ``start_date``."""
        return self.source.config.start_date

    def parse(self, response: Response, slice: Slice) -> Iterator[Record]:
        """Each record with the repository it is of."""
        for record in super().parse(response, slice):
            yield {**record, "repository": slice.partition["repository"]}


class Issues(GithubStream):
    """Issues and pull requests: for GitHub the second are a kind of the first."""

    name = "issues"
    path = "repos/{repository}/issues"
    cursor = Cursor("updated_at", order="ascending")
    params = {**GithubStream.params, "state": "all", "sort": "updated", "direction": "asc"}
    paginator = Keyset("since", LinkHeader())

    def request(self, slice: Slice) -> Request:
        """What was updated since."""
        return super().request(slice).with_params(since=_just_before(slice.start))

    def parse(self, response: Response, slice: Slice) -> Iterator[Record]:
        """With the reactions named as columns can be."""
        for record in super().parse(response, slice):
            reactions = record.get("reactions")
            if isinstance(reactions, dict):
                for sign, word in (("+1", "plus_one"), ("-1", "minus_one")):
                    if sign in reactions:
                        reactions[word] = reactions.pop(sign)
            yield record


class Comments(Issues):
    """Comments on issues and pull requests."""

    name = "comments"
    path = "repos/{repository}/issues/comments"
    params = {**GithubStream.params, "sort": "updated", "direction": "asc"}


class PullRequests(GithubStream):
    """Pull requests, the last updated first: GitHub has no lower bound for them."""

    name = "pull_requests"
    path = "repos/{repository}/pulls"
    cursor = Cursor("updated_at", order="descending")
    params = {**GithubStream.params, "state": "all", "sort": "updated", "direction": "desc"}

    def parse(self, response: Response, slice: Slice) -> Iterator[Record]:
        """Without the whole repository that the head is in; with both repositories' ids."""
        for record in super().parse(response, slice):
            head, base = record.get("head"), record.get("base")
            if isinstance(head, dict):
                head["repo_id"] = (head.pop("repo", None) or {}).get("id")
            if isinstance(base, dict):
                base["repo_id"] = (base.get("repo") or {}).get("id")
            yield record


class Reviews(GithubStream):
    """Reviews of the pull requests that were updated since."""

    name = "reviews"
    path = "repos/{repository}/pulls/{parent[number]}/reviews"
    parent = PullRequests
    cursor = Cursor("updated_at")

    def parse(self, response: Response, slice: Slice) -> Iterator[Record]:
        """With the cursor that Airbyte's source has: when the review was submitted."""
        for record in super().parse(response, slice):
            submitted = record.get("submitted_at")
            yield {**record, "created_at": submitted, "updated_at": submitted}


class Commits(GithubStream):
    """Commits of the configured branches, or of each repository's default branch."""

    name = "commits"
    path = "repos/{repository}/commits"
    primary_key = ("sha",)
    primary_key_scope = ("repository",)  # a fork has its parent's commits
    # GitHub's bound is on the committer's date, the cursor is the author's, which may be older.
    cursor = Cursor("created_at", drops_earlier=False)

    def partitions(self) -> Iterable[Mapping[str, Any]]:
        """One for each repository and branch."""
        for repository in self.source.repositories:
            prefix = f"{repository.full_name}/".lower()
            branches = [
                entry[len(prefix) :] for entry in self.source.config.branches if entry.lower().startswith(prefix)
            ]
            for branch in branches or [repository.default_branch]:
                yield {"repository": repository.full_name, "branch": branch}

    def request(self, slice: Slice) -> Request:
        """What was committed since."""
        bound = _just_before(slice.start)
        return super().request(slice).with_params(sha=slice.partition["branch"], since=bound)

    def parse(self, response: Response, slice: Slice) -> Iterator[Record]:
        """With the branch, and the author's date as ``created_at``."""
        for record in super().parse(response, slice):
            author = (record.get("commit") or {}).get("author") or {}
            yield {**record, "branch": slice.partition["branch"], "created_at": author.get("date")}


class Releases(GithubStream):
    """Releases."""

    name = "releases"
    path = "repos/{repository}/releases"
    # A release has its commit's date, so one made today may be "created" long ago.
    cursor = Cursor("created_at", drops_earlier=False)

    def parse(self, response: Response, slice: Slice) -> Iterator[Record]:
        """What was created or published since."""
        for record in super().parse(response, slice):
            dates = [record.get("created_at") or "", record.get("published_at") or ""]
            if slice.start is None or max(dates) >= slice.start or not any(dates):
                yield record


class Stargazers(GithubStream):
    """Who starred the repository, and when."""

    name = "stargazers"
    path = "repos/{repository}/stargazers"
    primary_key = ("user_id",)
    primary_key_scope = ("repository",)  # one user may star several
    cursor = Cursor("starred_at")

    def request(self, slice: Slice) -> Request:
        """In the form that tells when."""
        request = super().request(slice)
        return Request(request.path, request.params, {"Accept": "application/vnd.github.v3.star+json"})

    def parse(self, response: Response, slice: Slice) -> Iterator[Record]:
        """With the user's id beside it."""
        for record in super().parse(response, slice):
            if "user" in record:
                yield {**record, "user_id": (record["user"] or {}).get("id")}
            else:  # a server that does not know the form gives the user alone
                user = {name: value for name, value in record.items() if name != "repository"}
                yield {"repository": record["repository"], "starred_at": None, "user": user, "user_id": user["id"]}


class IssueLabels(GithubStream):
    """Labels."""

    name = "issue_labels"
    path = "repos/{repository}/labels"


class IssueMilestones(GithubStream):
    """Milestones; GitHub does not sort them by their update."""

    name = "issue_milestones"
    path = "repos/{repository}/milestones"
    cursor = Cursor("updated_at")
    params = {**GithubStream.params, "state": "all"}


class Branches(GithubStream):
    """Branches."""

    name = "branches"
    path = "repos/{repository}/branches"
    primary_key = ("repository", "name")


class Tags(GithubStream):
    """Tags."""

    name = "tags"
    path = "repos/{repository}/tags"
    primary_key = ("repository", "name")


class Collaborators(GithubStream):
    """Collaborators of the repositories that the token may push to."""

    name = "collaborators"
    path = "repos/{repository}/collaborators"
    primary_key_scope = ("repository",)


class WorkflowRuns(GithubStream):
    """Runs of GitHub Actions, the last created first. A run can be repeated for 30 days, so those younger
    than that are read again. The bound that GitHub offers would cut its list at 1,000."""

    name = "workflow_runs"
    path = "repos/{repository}/actions/runs"
    records = "workflow_runs"
    cursor = Cursor("updated_at")
    rerun_window = timedelta(days=32)

    def parse(self, response: Response, slice: Slice) -> Iterator[Record]:
        """As they come: ``repository`` is GitHub's own object."""
        yield from HttpStream.parse(self, response, slice)

    def pages(self, slice: Slice) -> Iterator[Page]:
        """Until the runs are too old to have changed since."""
        oldest = None
        if slice.start is not None:
            oldest = _earlier(slice.start, self.rerun_window)
        for page in super().pages(slice):
            yield page
            if oldest is not None and page.data:
                created = msgspec.json.decode(page.data[-1]).get("created_at")
                if created is not None and created < oldest:
                    return


class Repositories(GithubStream):
    """The configured repositories themselves; their state is kept per owner."""

    name = "repositories"
    cursor = Cursor("updated_at")

    def partitions(self) -> Iterable[Mapping[str, Any]]:
        """One for each owner."""
        owners = (pattern.split("/", 1)[0] for pattern in self.source.config.repositories)
        return [{"organization": owner} for owner in dict.fromkeys(owners)]

    def read(self, slice: Slice) -> Iterator[Record]:
        """Each repository once, also where several entries of the config mean it."""
        owner = slice.partition["organization"]
        seen = set()
        for pattern in self.source.config.repositories:
            if pattern.split("/", 1)[0] == owner:
                for found in self.source.find(pattern):
                    if found["id"] not in seen:
                        seen.add(found["id"])
                        yield {**found, "organization": (found.get("owner") or {}).get("login", owner)}


def _just_before(start: str | None) -> str | None:
    """GitHub's documentation says that ``since`` gives what was updated after it, its servers give what was
    updated at that second too. A second earlier is right for both."""
    return None if start is None else _earlier(start, timedelta(seconds=1))


def _earlier(moment: str, by: timedelta) -> str:
    return (msgspec.convert(moment, datetime) - by).strftime("%Y-%m-%dT%H:%M:%SZ")


ALL: tuple[type[GithubStream], ...] = (
    Repositories,
    Issues,
    Comments,
    PullRequests,
    Commits,
    Releases,
    Stargazers,
    IssueLabels,
    IssueMilestones,
    Branches,
    Tags,
    Collaborators,
    Reviews,
    WorkflowRuns,
)

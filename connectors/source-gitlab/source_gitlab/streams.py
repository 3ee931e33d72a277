"""The streams: names, keys, cursors and added fields as in Airbyte's GitLab source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from headwater import ConfigError, Cursor, HttpStream, Keyset, LinkHeader, Record, Request, SchemaFile, Slice

if TYPE_CHECKING:
    from requests import Response

    from source_gitlab.source import GitlabSource

Found = Mapping[str, Any]
"""A group or a project, as GitLab gives it."""

_OLDEST_UPDATE_FIRST = {"order_by": "updated_at", "sort": "asc"}


class GitlabStream(HttpStream):
    """A resource of each configured project; its state is kept per project.

    :cvar ids: objects whose id is also given beside them (``author``: ``author_id``).
    :cvar only_ids: lists of objects of which only the ids are given.
    :cvar of_project: the project's id is added.
    """

    source: GitlabSource
    primary_key: tuple[str | tuple[str, ...], ...] = ("id",)
    params: Mapping[str, Any] = {"per_page": 100}
    schema = SchemaFile("schemas/{name}.json")
    ids: tuple[str, ...] = ()
    only_ids: tuple[str, ...] = ()
    of_project = False

    def found(self) -> Mapping[Any, Found | ConfigError]:
        """What this is a resource of, by id; where something is not found, what there is to tell of it."""
        return self.source.projects

    def partitions(self) -> Iterable[Mapping[str, Any]]:
        """One for each project."""
        return [{"id": ident} for ident in self.found()]

    def start(self) -> str | None:
        """The config's ``start_date``."""
        return self.source.config.start_date

    def request(self, slice: Slice) -> Request:
        """The list, unless the project could not be found."""
        if isinstance(missing := self.found().get(slice.partition.get("id")), ConfigError):
            raise missing
        return super().request(slice)


class ShapedStream(GitlabStream):
    """A resource whose records are given with more than GitLab gives."""

    def parse(self, response: Response, slice: Slice) -> Iterator[Record]:
        """With :attr:`ids`, :attr:`only_ids` and the project."""
        for record in super().parse(response, slice):
            ids = {f"{name}_id": (record.get(name) or {}).get("id") for name in self.ids}
            lists = {name: [item.get("id") for item in record.get(name) or ()] for name in self.only_ids}
            project = {"project_id": slice.partition["id"]} if self.of_project else {}
            yield {**record, **ids, **lists, **project}


class Groups(GitlabStream):
    """The configured groups and their subgroups."""

    name = "groups"
    path = "groups/{id}"
    params: Mapping[str, Any] = {}
    records = "."

    def found(self) -> Mapping[Any, Found | ConfigError]:
        """The groups."""
        return self.source.groups

    def parse(self, response: Response, slice: Slice) -> Iterator[Record]:
        """Of a group's projects, who they are."""
        for group in super().parse(response, slice):
            projects = group.get("projects") or ()
            short = [{name: project.get(name) for name in ("id", "path_with_namespace")} for project in projects]
            yield {**group, "projects": short}


class Projects(GitlabStream):
    """The projects, with their statistics where the token's user may see them."""

    name = "projects"
    path = "projects/{id}"
    params: Mapping[str, Any] = {"statistics": 1}
    records = "."


class Issues(ShapedStream):
    """Issues."""

    name = "issues"
    path = "projects/{id}/issues"
    cursor = Cursor("updated_at", order="ascending")
    params = {**GitlabStream.params, "scope": "all", **_OLDEST_UPDATE_FIRST}
    paginator = Keyset("updated_after", LinkHeader())
    ids: tuple[str, ...] = ("author", "assignee", "closed_by", "milestone")
    only_ids = ("assignees",)

    def request(self, slice: Slice) -> Request:
        """What was updated since; GitLab's bound is inclusive."""
        return super().request(slice).with_params(updated_after=slice.start)


class MergeRequests(Issues):
    """Merge requests."""

    name = "merge_requests"
    path = "projects/{id}/merge_requests"
    ids = (*Issues.ids, "merged_by")


class Commits(ShapedStream):
    """Commits of each project's default branch. GitLab's bound is on the committer's date, which
    ``created_at`` is; a commit that was made before it and merged later is not found by it."""

    name = "commits"
    path = "projects/{id}/repository/commits"
    cursor = Cursor("created_at")
    params = {**GitlabStream.params, "with_stats": "true"}
    of_project = True

    def request(self, slice: Slice) -> Request:
        """What was committed since."""
        return super().request(slice).with_params(since=slice.start)


class Pipelines(GitlabStream):
    """Pipelines, without those that another pipeline made."""

    name = "pipelines"
    path = "projects/{id}/pipelines"
    cursor = Issues.cursor
    params = {**GitlabStream.params, **_OLDEST_UPDATE_FIRST}
    paginator = Issues.paginator

    def request(self, slice: Slice) -> Request:
        """What was updated since."""
        return super().request(slice).with_params(updated_after=slice.start)


class Jobs(ShapedStream):
    """Jobs of the pipelines that were updated since. A job has no date of its update, so its pipeline's is
    added."""

    name = "jobs"
    path = "projects/{id}/pipelines/{parent[id]}/jobs"
    parent = Pipelines
    cursor = Cursor("pipeline_updated_at", order="ascending")
    ids = ("user", "pipeline", "runner", "commit")
    of_project = True

    def parse(self, response: Response, slice: Slice) -> Iterator[Record]:
        """With the cursor."""
        updated = cast("Record", slice.parent)["updated_at"]
        for record in super().parse(response, slice):
            yield {**record, "pipeline_updated_at": updated}


class Users(GitlabStream):
    """The users who take part in a project. Airbyte's key is the name, which two may share."""

    name = "users"
    path = "projects/{id}/users"
    primary_key = ("name",)
    primary_key_scope = ("id",)


class Releases(ShapedStream):
    """Releases. Airbyte's key is the name, which those of several projects may share."""

    name = "releases"
    path = "projects/{id}/releases"
    primary_key = ("name",)
    primary_key_scope = ("project_id", "tag_name")
    params = {**GitlabStream.params, "order_by": "created_at", "sort": "asc"}
    ids = ("author", "commit")
    only_ids = ("milestones",)
    of_project = True


class Tags(ShapedStream):
    """Tags, by their names."""

    name = "tags"
    path = "projects/{id}/repository/tags"
    primary_key = ("project_id", "name")
    params = {**GitlabStream.params, "pagination": "keyset", "order_by": "name", "sort": "asc"}
    ids = ("commit",)
    of_project = True


class OwnGroups(GitlabStream):
    """All groups of the token's user; not a stream of the catalog."""

    name = "own_groups"
    path = "groups"

    def found(self) -> Mapping[Any, Found | ConfigError]:
        """It is how they are found."""
        return {}


class Descendants(OwnGroups):
    """The groups below a group; not a stream of the catalog."""

    name = "descendants"
    path = "groups/{id}/descendant_groups"


class GroupProjects(OwnGroups):
    """A group's projects and its subgroups'; not a stream of the catalog."""

    name = "group_projects"
    path = "groups/{id}/projects"
    params = {
        **GitlabStream.params,
        "include_subgroups": "true",
        "with_shared": "false",
        "order_by": "id",
        "sort": "asc",
    }


ALL: tuple[type[GitlabStream], ...] = (
    Groups,
    Projects,
    Issues,
    MergeRequests,
    Commits,
    Pipelines,
    Jobs,
    Users,
    Releases,
    Tags,
)

"""The routes of GitLab's REST API, below ``/api/v4``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import unquote

from headwater.testing.upstream import Answer

from .items import Json
from .paging import Listing, Pager, not_found, ok, refusal
from .project import Project
from .project_item import statistics

Query = Mapping[str, str]
FORBIDDEN: Json = {"message": "403 Forbidden"}


class Routes:
    """Answers requests from groups and projects; knows nothing of tokens, limits or faults."""

    def __init__(self, groups: Mapping[str, Json], projects: Mapping[str, Project], pager: Pager) -> None:
        self.groups, self.projects, self.pager = groups, projects, pager
        # by number, and by name in any case
        self._group_paths = {key: path for path, item in groups.items() for key in (str(item["id"]), path.lower())}
        self._project_paths = {
            key: path for path, project in projects.items() for key in (str(project.item["id"]), path.lower())
        }

    def canonical(self, raw_path: str) -> str:
        """The path by names, of a path with numbers or with encoded names."""
        kind, *rest = [unquote(part) for part in raw_path.strip("/").split("/")]
        names = {"groups": self._group_paths, "projects": self._project_paths}.get(kind, {})
        return "/".join(["", kind, *(names.get(part.lower(), part) for part in rest[:1]), *rest[1:]])

    def answer(self, raw_path: str, query: Query) -> Answer:
        """The answer to a request that is let through.

        :param raw_path: as it was sent: a name with a slash in it must be encoded, as GitLab has it.
        """
        kind, *rest = [unquote(part) for part in raw_path.strip("/").split("/")]
        if kind == "user":
            return ok({"id": 1, "username": "root", "name": "Administrator", "state": "active"})
        if kind == "groups":
            return self._groups(raw_path, rest, query)
        if kind == "users" and not rest:
            people = {user["id"]: user for project in self.projects.values() for user in project.listed("users")}
            found = Listing(list(people.values()), ("id", "name", "username"), keyset=("id",))
            return self._page(found, raw_path, query)
        if kind == "projects" and not rest:
            every = [project.item for project in self.projects.values() if project.access == 200]
            return self._page(Listing(every, ("created_at", "id"), keyset=("id",)), raw_path, query)
        if kind == "projects":
            return self._project(raw_path, rest, query)
        return refusal(404, {"error": "404 Not Found"})

    def _page(self, listing: Listing, raw_path: str, query: Query) -> Answer:
        return self.pager.answer(listing, raw_path, query)

    def _groups(self, raw_path: str, rest: list[str], query: Query) -> Answer:
        orders = ("name", "path", "id")
        if not rest:
            found = [item for item in self.groups.values() if not (query.get("top_level_only") and item["parent_id"])]
            return self._page(Listing(found, orders, sort="asc", keyset=("name",)), raw_path, query)
        path = self._group_paths.get(rest[0].lower(), rest[0])
        if path not in self.groups:
            return not_found("Group")
        below = [item for name, item in self.groups.items() if name.startswith(f"{path}/")]
        owned = {
            name: project.item
            for name, project in self.projects.items()
            if name.startswith(f"{path}/") and project.access == 200
        }
        direct = [item for name, item in owned.items() if name.rsplit("/", 1)[0] == path]
        if len(rest) == 1:
            detail = {**self.groups[path]}
            if query.get("with_projects") != "false":
                detail |= {"projects": direct[:100], "shared_projects": []}
            return ok(detail)
        if rest[1] == "descendant_groups":
            return self._page(Listing(below, orders, sort="asc"), raw_path, query)
        if rest[1] == "subgroups":
            children = [item for item in below if item["parent_id"] == self.groups[path]["id"]]
            return self._page(Listing(children, orders, sort="asc"), raw_path, query)
        if rest[1] == "projects":
            found = list(owned.values()) if query.get("include_subgroups") == "true" else direct
            return self._page(Listing(found, ("created_at", "id", "name", "path")), raw_path, query)
        return refusal(404, {"error": "404 Not Found"})

    def _project(self, raw_path: str, rest: list[str], query: Query) -> Answer:
        if len(rest) > 1 and "/".join(rest[1:]) not in RESOURCES and not _is_jobs(rest[1:]):
            return refusal(404, {"error": "404 Not Found"})
        project = self.projects.get(self._project_paths.get(rest[0].lower(), ""))
        if project is None or project.access == 404:
            return not_found("Project")
        if project.access != 200:
            return refusal(project.access, {"message": f"{project.access} Forbidden"})
        with project.lock:
            if len(rest) == 1:
                return ok({**project.item, **({"statistics": statistics()} if query.get("statistics") else {})})
            return self._resource(project, raw_path, rest[1:], query)

    def _resource(self, project: Project, raw_path: str, rest: list[str], query: Query) -> Answer:
        name = "/".join(rest)
        if _is_jobs(rest):
            if _hidden(project, "builds"):
                return refusal(403, FORBIDDEN)
            jobs = project.of_pipeline(int(rest[1])) if rest[1].isdigit() else None
            return not_found() if jobs is None else self._page(Listing(jobs), raw_path, query)
        feature, make = RESOURCES[name]
        if feature == "repository":
            if project.levels.get("repository") == "disabled":
                return not_found("Repository")
            if project.empty:
                return not_found("Repository") if name.endswith("commits") else not_found()
        if feature and _hidden(project, feature):
            return ok([]) if feature == "issues" else refusal(403, FORBIDDEN)
        return self._page(make(project, query), raw_path, query)


def _is_jobs(rest: list[str]) -> bool:
    return len(rest) == 3 and (rest[0], rest[2]) == ("pipelines", "jobs")


def _hidden(project: Project, feature: str) -> bool:
    level = project.levels.get(feature)
    return level == "disabled" or (level == "private" and not project.member)


def _updated(stream: str, orders: tuple[str, ...], keyset: tuple[str, ...] = ()) -> Callable[[Project, Query], Listing]:
    """A listing with bounds for ``updated_at``, both inclusive."""

    def make(project: Project, query: Query) -> Listing:
        low, high = _moment(query.get("updated_after")), _moment(query.get("updated_before"))
        wanted = query.get("state", "all")
        found = [
            item
            for item in project.listed(stream)
            if (low is None or _moment(item["updated_at"]) >= low)  # type: ignore[operator]
            and (high is None or _moment(item["updated_at"]) <= high)  # type: ignore[operator]
            and wanted in ("all", item.get("state"))
        ]
        return Listing(found, orders, keyset=keyset)

    return make


def _commits(project: Project, query: Query) -> Listing:
    low, high = _moment(query.get("since")), _moment(query.get("until"))
    found = [
        item if query.get("with_stats") == "true" else {key: value for key, value in item.items() if key != "stats"}
        for item in reversed(project.listed("commits"))
        if (low is None or _moment(item["committed_date"]) >= low)  # type: ignore[operator]
        and (high is None or _moment(item["committed_date"]) <= high)  # type: ignore[operator]
    ]
    return Listing(found, ())


def _branches(project: Project, query: Query) -> Listing:
    """The one branch there is."""
    names = ("merged", "developers_can_push", "developers_can_merge", "can_push")
    branch = {"name": "main", "protected": True, "default": True, **dict.fromkeys(names, False)}
    return Listing([{**branch, "commit": commit} for commit in project.listed("commits")[-1:]], ("name",), key="name")


def _plain(stream: str, *orders: str, key: str = "id", **options: object) -> Callable[[Project, Query], Listing]:
    return lambda project, query: Listing(project.listed(stream), orders or ("id",), key=key, **options)  # type: ignore[arg-type]


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text.replace("Z", "+00:00"))


Maker = Callable[[Project, Query], Listing]
ISSUE_ORDERS = ("created_at", "updated_at", "title", "id")
RESOURCES: dict[str, tuple[str, Maker]] = {
    "issues": ("issues", _updated("issues", ISSUE_ORDERS, keyset=ISSUE_ORDERS)),
    "merge_requests": ("merge_requests", _updated("merge_requests", ("created_at", "updated_at", "title"))),
    "pipelines": ("builds", _updated("pipelines", ("id", "updated_at", "status", "ref", "user_id"))),
    "jobs": ("builds", _plain("jobs", keyset=("id",))),
    "repository/commits": ("repository", _commits),
    "repository/branches": ("repository", _branches),
    "milestones": ("", lambda project, query: Listing([])),
    "repository/tags": ("repository", _plain("tags", "updated", "name", "version", key="name", keyset=("name",))),
    "releases": ("releases", _plain("releases", "released_at", "created_at", key="tag_name")),
    "users": ("", _plain("users")),
    "members/all": ("", _plain("users")),
}

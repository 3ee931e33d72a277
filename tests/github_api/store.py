"""What a repository of the stand-in holds, and how its listings order it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Sequence
from typing import Any

from .clock import LogicalClock
from .git_items import branch
from .payloads import Json, account, repository

STREAMS = (
    "repositories", "issues", "comments", "pull_requests", "commits", "releases", "stargazers",
    "issue_labels", "issue_milestones", "branches", "tags", "collaborators", "reviews", "workflow_runs",
)  # fmt: skip


def encoded(value: object) -> bytes:
    """Compact JSON in UTF-8, as GitHub sends it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


class RepoStore:
    """The items of one repository and the conditions it is served under.

    `access` other than 200 makes every route of the repository answer that status (403, 404 or 451);
    `visible_to` names the tokens that may see it at all.
    """

    def __init__(
        self,
        size: int = 120,
        *,
        pulls: int | None = None,
        comments: int | None = None,
        commits: int | None = None,
        stargazers: int | None = None,
        workflow_runs: int | None = None,
        releases: int = 8,
        tags: int = 12,
        labels: int = 9,
        milestones: int = 5,
        collaborators: int = 6,
        reviews_per_pull: int = 3,
        branches: Sequence[str] = ("main", "develop"),
        shared_second: int = 5,
        owner_type: str = "Organization",
        private: bool = False,
        empty: bool = False,
        has_issues: bool = True,
        push_access: bool = True,
        access: int = 200,
        visible_to: Sequence[str] | None = None,
    ) -> None:
        self.counts = {
            "issues": size,
            "pulls": size * 3 // 10 if pulls is None else pulls,
            "comments": size if comments is None else comments,
            "commits": 0 if empty else size if commits is None else commits,
            "stargazers": size if stargazers is None else stargazers,
            "workflow_runs": size // 2 if workflow_runs is None else workflow_runs,
            "releases": 0 if empty else releases,
            "tags": 0 if empty else tags,
            "labels": labels,
            "milestones": milestones,
            "collaborators": collaborators,
            "reviews_per_pull": reviews_per_pull,
        }
        self.branch_names = tuple(branches)
        self.shared_second, self.owner_type, self.private = shared_second, owner_type, private
        self.has_issues, self.push_access, self.access = has_issues, push_access, access
        self.visible_to = None if visible_to is None else frozenset(visible_to)
        self._start_empty()

    def _start_empty(self) -> None:
        self.full_name = ""
        self.clock = LogicalClock()
        self.lock = threading.RLock()
        self.issues: dict[int, Json] = {}
        self.pulls: dict[int, Json] = {}
        self.comments: dict[int, Json] = {}
        self.reviews: dict[int, list[Json]] = {}
        self.commits: dict[str, Json] = {}
        self.heads: dict[str, list[str]] = {}
        self.releases: dict[int, Json] = {}
        self.tags: list[Json] = []
        self.stars: list[Json] = []
        self.labels: list[Json] = []
        self.milestones: dict[int, Json] = {}
        self.collaborators: list[Json] = []
        self.runs: dict[int, Json] = {}
        self.repository: Json = {}
        self._json: dict[int, tuple[Json, bytes]] = {}
        self._branches: dict[tuple[str, str, bool], Json] = {}

    @property
    def default_branch(self) -> str:
        """The branch that commits come from when none is asked for."""
        return str(self.repository["default_branch"])

    @property
    def repository_id(self) -> int:
        """The number the Link header names this repository by."""
        return int(self.repository["id"])

    def own(self, full_name: str) -> None:
        """Gives the repository its name and its own payload."""
        self.full_name = full_name
        login = full_name.split("/")[0]
        main = self.branch_names[0] if self.branch_names else "main"
        extra: dict[str, Any] = {
            "private": self.private,
            "has_issues": self.has_issues,
            "default_branch": main,
        }
        access = {"admin": False, "maintain": False, "push": self.push_access, "triage": True, "pull": True}
        self.repository = repository(
            full_name,
            account(login, self.owner_type),
            "2021-05-01T00:00:00Z",
            self.clock.now(),
            permissions=access,
            **extra,
        )

    def refresh(self) -> None:
        """Brings the counters of the repository's own payload up to date."""
        opened = sum(issue["state"] == "open" for issue in self.issues.values())
        self.repository |= {
            "open_issues": opened,
            "open_issues_count": opened,
            "stargazers_count": len(self.stars),
            "watchers_count": len(self.stars),
            "watchers": len(self.stars),
        }
        self.changed(self.repository)

    def detail(self) -> Json:
        """The repository as `GET /repos/{owner}/{repo}` gives it, with what the listing leaves out."""
        self.refresh()
        detail = {**self.repository, "temp_clone_token": None, "network_count": 3, "subscribers_count": 2}
        owner = self.repository["owner"]
        if owner.get("type") == "Organization":
            detail["organization"] = owner
        return detail

    def changed(self, *items: Json) -> None:
        """Forgets the encoded form of items that changed."""
        for item in items:
            self._json.pop(id(item), None)

    def item_bytes(self, item: Json) -> bytes:
        """The JSON of one item, encoded once until it changes."""
        found = self._json.get(id(item))
        if found is None:
            # The item is kept beside its bytes so that its id is not given to another object.
            found = self._json[id(item)] = (item, encoded(item))
        return found[1]

    def branch_items(self) -> list[Json]:
        """The branches, by name."""
        found: list[Json] = []
        for name, shas in sorted(self.heads.items()):
            key = (name, shas[-1], name == self.default_branch)
            if key not in self._branches:
                self._branches[key] = branch(self.full_name, *key)
            found.append(self._branches[key])
        return found

    def commit_items(self, ref: str | None = None) -> list[Json] | None:
        """The commits of a branch or behind a commit, newest first; None when there is no such reference."""
        if not ref:
            ref = self.default_branch
        if ref in self.heads:
            return [self.commits[sha] for sha in reversed(self.heads[ref])]
        for shas in self.heads.values():
            if ref in shas:
                return [self.commits[sha] for sha in reversed(shas[: shas.index(ref) + 1])]
        return None

    def listed(self, stream: str) -> Iterable[Json]:
        """Everything a stream has, in the order its listing starts from when nothing is asked for."""
        if stream == "repositories":
            self.refresh()
            return [self.repository]
        if stream == "reviews":
            return [review for number in sorted(self.reviews) for review in self.reviews[number]]
        if stream == "commits":
            return self.commit_items() or []
        if stream == "branches":
            return self.branch_items()
        if stream in ("tags", "stargazers", "issue_labels", "collaborators"):
            return {
                "tags": self.tags,
                "stargazers": self.stars,
                "issue_labels": self.labels,
                "collaborators": self.collaborators,
            }[stream]
        held: dict[int, Json] = {
            "issues": self.issues,
            "pull_requests": self.pulls,
            "comments": self.comments,
            "releases": self.releases,
            "issue_milestones": self.milestones,
            "workflow_runs": self.runs,
        }[stream]
        newest_first = stream in ("issues", "pull_requests", "releases", "workflow_runs")
        return sorted(held.values(), key=lambda item: (item["created_at"], item["id"]), reverse=newest_first)

    def truth(self, stream: str, branch: str | None = None) -> list[Json]:
        """The items of a stream as the API would list them now: all states, nothing filtered."""
        with self.lock:
            items = self.commit_items(branch) or [] if branch else self.listed(stream)
            return [json.loads(self.item_bytes(item)) for item in items]

"""A repository of the stand-in: generated, or recorded from the real API."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .changes import RepoChanges
from .clock import stamp_of
from .generate import fill
from .payloads import Json
from .store import STREAMS

RECORDED_NAME = "PyGithub/PyGithub"


def read_lines(folder: Path, name: str) -> list[Json]:
    """The JSON objects of one recorded file; none when there is no such file."""
    path = folder / f"{name}.jsonl"
    if not path.exists():
        return []
    # str.splitlines would break a record at the U+2028 inside it.
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line.strip()]


class Repo(RepoChanges):
    """A repository whose items can be listed, changed and compared with what a reader got."""

    _folder: Path | None = None

    @classmethod
    def recorded(cls, folder: str | Path, **conditions: Any) -> Repo:
        """The recorded PyGithub/PyGithub; what was never recorded (reviews, runs, ...) is empty."""
        repo = cls(0, **conditions)
        repo._folder = Path(folder)
        return repo

    def bind(self, full_name: str, seed: object) -> None:
        """Names the repository and fills it, once."""
        if self.full_name:
            return
        self.own(full_name)
        if self._folder is None:
            fill(self, seed)
        else:
            self._load(self._folder)

    def _load(self, folder: Path) -> None:
        for item in read_lines(folder, "repositories"):
            if item["full_name"] == self.full_name:
                self.repository = item
                break
        for name, held, key in (
            ("issues", self.issues, "number"),
            ("pulls", self.pulls, "number"),
            ("issue_comments", self.comments, "id"),
            ("releases", self.releases, "id"),
            ("milestones", self.milestones, "number"),
        ):
            for item in read_lines(folder, name):
                if item.get("updated_at", "") >= held.get(item[key], {}).get("updated_at", ""):
                    held[item[key]] = item
        self.labels, self.tags = read_lines(folder, "labels"), read_lines(folder, "tags")
        for n, user in enumerate(read_lines(folder, "stargazers")):
            # Stars were recorded before GitHub gave their time.
            at = user.get("starred_at") or stamp_of(1_330_000_000 + n * 86_400)
            self.stars.append({"starred_at": at, "user": user.get("user", user)})
        commits = {item["sha"]: item for item in read_lines(folder, "commits")}
        rank = sorted(commits.values(), key=lambda item: item["commit"]["committer"]["date"])
        self.commits = {item["sha"]: item for item in rank}
        self.heads = {self.default_branch: list(self.commits)} if self.commits else {}
        for item in [*self.issues.values(), *self.comments.values(), *self.releases.values()]:
            self.clock.jump_past(item.get("updated_at") or item["created_at"])

    def touch(self, stream: str, count: int = 1) -> list[Any]:
        """Edits the `count` items of a stream that changed longest ago, and gives their keys."""
        edit: dict[str, tuple[Callable[..., str], dict[int, Json], str]] = {
            "issues": (self.touch_issue, self.issues, "number"),
            "pull_requests": (self.touch_pull, self.pulls, "number"),
            "comments": (self.touch_comment, self.comments, "id"),
            "releases": (self.touch_release, self.releases, "id"),
            "issue_milestones": (self.touch_milestone, self.milestones, "number"),
            "workflow_runs": (self.touch_workflow_run, self.runs, "id"),
        }
        if stream not in edit:
            raise ValueError(f"{stream} cannot be touched; these can: {', '.join(edit)}")
        change, held, key = edit[stream]
        with self.lock:
            oldest = sorted(held.values(), key=lambda item: (item.get("updated_at", ""), item[key]))[:count]
            keys = [item[key] for item in oldest]
            for found in keys:
                change(found)
            return keys

    def grow(self, stream: str, count: int = 1) -> list[Any]:
        """Adds `count` items to a stream and gives their keys."""
        add: dict[str, Callable[[], int | str]] = {
            "issues": self.add_issue,
            "pull_requests": self.add_pull,
            "comments": self.add_comment,
            "commits": self.add_commit,
            "releases": self.add_release,
            "stargazers": self.add_stargazer,
            "issue_labels": self.add_label,
            "issue_milestones": self.add_milestone,
            "tags": self.add_tag,
            "collaborators": self.add_collaborator,
            "reviews": self.add_review,
            "workflow_runs": self.add_workflow_run,
        }
        if stream not in add:
            raise ValueError(f"{stream} cannot grow; these can: {', '.join(add)}")
        with self.lock:
            return [add[stream]() for _ in range(count)]

    def sizes(self) -> dict[str, int]:
        """How many items each stream has."""
        with self.lock:
            return {stream: len(list(self.listed(stream))) for stream in STREAMS}

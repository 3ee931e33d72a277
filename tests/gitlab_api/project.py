"""A project of the stand-in: generated, and changed while it is served."""

from __future__ import annotations

import copy
import random
import threading
from collections.abc import Mapping

from . import items, work_items
from .items import STATUSES, Json, stamp
from .project_item import project

STREAMS = (
    "groups", "projects", "issues", "merge_requests", "commits", "pipelines", "jobs", "users", "releases", "tags",
)  # fmt: skip
BEGIN = 1_672_531_200_000  # 2023-01-01
END = 1_704_067_200_000  # 2024-01-01


class Project:
    """The items of one project and the conditions it is served under.

    :param size: issues; the other counts follow from it where they are not given.
    :param shared: how many neighbours have the very same ``updated_at``.
    :param empty: its repository has no commit.
    :param levels: features that are ``disabled`` or ``private``, by GitLab's name (``builds``).
    :param member: whether the token's user sees what is ``private``.
    :param access: a status other than 200 that every route of the project answers with.
    """

    def __init__(
        self,
        size: int = 60,
        *,
        merge_requests: int | None = None,
        commits: int | None = None,
        pipelines: int | None = None,
        jobs: int = 3,
        releases: int = 4,
        tags: int = 12,
        users: int = 8,
        shared: int = 4,
        empty: bool = False,
        levels: Mapping[str, str] | None = None,
        member: bool = True,
        access: int = 200,
    ) -> None:
        self.counts = {
            "issues": size,
            "merge_requests": size // 2 if merge_requests is None else merge_requests,
            "commits": 0 if empty else size if commits is None else commits,
            "pipelines": 0 if empty else size // 3 if pipelines is None else pipelines,
            "jobs": jobs,
            "releases": 0 if empty else releases,
            "tags": 0 if empty else tags,
            "users": users,
        }
        self.shared, self.empty, self.member, self.access = shared, empty, member, access
        self.levels = dict(levels or {})
        self.lock = threading.RLock()
        self.now = END
        self._held: dict[str, list[Json]] = {name: [] for name in STREAMS}

    def bind(self, ident: int, full_path: str, namespace: Json, seed: object) -> None:
        """Give the project its name and its items; the same seed gives the same ones."""
        self.item = project(ident, full_path, namespace, self.levels, empty=self.empty)
        chance = random.Random(f"{seed}/{full_path}")
        self._held["projects"] = [self.item]
        self._held["users"] = [items.user(n) for n in range(self.counts["users"])]
        for n, at in enumerate(_moments(chance, self.counts["commits"])):
            self._add_commit(n, at)
        for kind in ("issues", "merge_requests", "pipelines"):
            for at in _moments(chance, self.counts[kind]):
                self._add(kind, at, at + chance.randrange(max(1, min(30 * 86_400_000, END - at))))
            self._share(kind)
        for pipeline in self._held["pipelines"]:
            self._add_jobs(pipeline)
        for n in range(self.counts["tags"]):
            self._add_tag(f"v{n}" if n % 4 else f"release/{n}.0+β")
        for n in range(self.counts["releases"]):
            self._add_release(n, BEGIN + n * 86_400_000)

    # --- what is there ------------------------------------------------------------------------------------

    def listed(self, stream: str) -> list[Json]:
        """Everything a stream has, in the order of its making."""
        return self._held[stream]

    def truth(self, stream: str) -> list[Json]:
        """A copy of it, as the API would give it now."""
        with self.lock:
            return copy.deepcopy(self._held[stream])

    def of_pipeline(self, ident: int) -> list[Json] | None:
        """The jobs of a pipeline; None where there is no such pipeline."""
        if all(pipeline["id"] != ident for pipeline in self._held["pipelines"]):
            return None
        return [job for job in self._held["jobs"] if job["pipeline"]["id"] == ident]

    # --- changes ------------------------------------------------------------------------------------------

    def add(self, stream: str) -> Json:
        """A new item; its moment is later than everything before."""
        with self.lock:
            at = self._tick()
            if stream == "commits":
                return self._add_commit(len(self._held["commits"]), at)
            if stream == "tags":
                return self._add_tag(f"new-{len(self._held['tags'])}")
            if stream == "releases":
                return self._add_release(len(self._held["releases"]), at)
            if stream == "users":
                self._held["users"].append(items.user(len(self._held["users"])))
                return self._held["users"][-1]
            made = self._add(stream, at, at)
            if stream == "pipelines":
                self._add_jobs(made)
            return made

    def touch(self, stream: str, place: int) -> Json:
        """Change the item at a place: an issue, a merge request, or a pipeline together with its jobs."""
        with self.lock:
            item, at = self._held[stream][place], stamp(self._tick())
            item["updated_at"] = at
            if stream == "pipelines":
                item["status"] = "success" if item["status"] != "success" else "failed"
                self._held["jobs"] = [job for job in self._held["jobs"] if job["pipeline"]["id"] != item["id"]]
                self._add_jobs(item)
            else:
                item["title"] = f"{item['title']}, changed at {at}"
            return item

    def _tick(self) -> int:
        self.now += 1_001
        return self.now

    def _add(self, stream: str, created: int, updated: int) -> Json:
        held = self._held[stream]
        iid, times = len(held) + 1, {"created_at": stamp(created), "updated_at": stamp(updated)}
        people = self._held["users"]
        author = people[iid % len(people)]
        if stream == "pipelines":
            commits = self._held["commits"]
            sha = commits[iid % len(commits)]["id"] if commits else items.sha_of(iid)
            status = STATUSES[iid % len(STATUSES)]
            held.append(items.pipeline(self.item, iid, sha, times["created_at"], times["updated_at"], status))
            return held[-1]
        more: Json = {**times, "milestone": work_items.milestone(self.item["id"], 1) if iid % 4 == 0 else None}
        if iid % 3 == 0:
            more.update(state="closed", closed_at=times["updated_at"], closed_by=author)
        if stream == "merge_requests":
            more["prepared_at"] = times["created_at"]
            if iid % 3 == 1:
                more.update(state="merged", merged_at=times["updated_at"], merged_by=author, merge_user=author)
        make = work_items.issue if stream == "issues" else work_items.merge_request
        held.append(make(self.item, iid, author, people[: iid % 3], **more))
        return held[-1]

    def _share(self, stream: str) -> None:
        """Give runs of neighbours one and the same moment."""
        ranked = sorted(self._held[stream], key=lambda item: str(item["updated_at"]))
        for first in (len(ranked) // 3, len(ranked) // 2, len(ranked) - self.shared):
            for item in ranked[max(first, 0) : max(first, 0) + self.shared]:
                item["updated_at"] = ranked[max(first, 0)]["updated_at"]

    def _add_commit(self, n: int, at: int) -> Json:
        held = self._held["commits"]
        parents = [held[-1]["id"]] if held else []
        people = self._held["users"]
        held.append(items.commit(self.item, n, parents, at, people[n % len(people)]))
        return held[-1]

    def _add_jobs(self, pipeline: Json) -> None:
        commit = {"id": pipeline["sha"], "short_id": pipeline["sha"][:8], "title": "Change"}
        who = self._held["users"][0]
        jobs = [items.job(pipeline, n, commit, who if n else None) for n in range(self.counts["jobs"])]
        self._held["jobs"] += jobs

    def _add_tag(self, name: str) -> Json:
        commits = self._held["commits"]
        self._held["tags"].append(items.tag(name, commits[len(self._held["tags"]) % len(commits)]))
        return self._held["tags"][-1]

    def _add_release(self, n: int, at: int) -> Json:
        tag = self._held["tags"][n % len(self._held["tags"])]
        milestones = [work_items.milestone(self.item["id"], place + 1) for place in range(n % 3)]
        author = self._held["users"][n % len(self._held["users"])]
        made = items.release(self.item, tag["name"], stamp(at), author, tag["commit"], milestones)
        self._held["releases"].append(made)
        return made


def _moments(chance: random.Random, count: int) -> list[int]:
    """Rising moments spread over the generated year."""
    step = (END - BEGIN) // max(count, 1)
    return [BEGIN + n * step + chance.randrange(min(step, 7_200_000)) for n in range(count)]

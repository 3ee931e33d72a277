"""Changes to a repository while it is served; each one is later than everything before it."""

from __future__ import annotations

from typing import Any

from . import git_items, items
from .payloads import Json, account, label, people
from .store import RepoStore


class RepoChanges(RepoStore):
    """Adds, touches and removes items, with the side effects GitHub has."""

    def _author(self, n: int) -> Json:
        return people()[n % len(people())]

    def _mirror(self, number: int, **changes: Any) -> None:
        """Writes changes to an issue and, where it is one, to its pull request."""
        issue, pull = self.issues.get(number), self.pulls.get(number)
        if issue is not None:
            issue.update(changes)
            self.changed(issue)
        if pull is not None:
            pull.update({key: value for key, value in changes.items() if key in items.SHARED})
            self.changed(pull)

    def _next_number(self) -> int:
        return max([0, *self.issues, *self.pulls]) + 1

    def add_issue(self, **fields: Any) -> int:
        """Opens an issue and gives its number."""
        with self.lock:
            number, now = self._next_number(), self.clock.tick()
            title = {"title": f"New item {number} ✨"}
            made = {"created_at": now, "updated_at": now, **title, **fields}
            self.issues[number] = items.issue(self.full_name, number, self._author(number), **made)
            return number

    def add_pull(self, **fields: Any) -> int:
        """Opens a pull request, which is an issue too, and gives its number."""
        with self.lock:
            number = self._next_number()
            link = items.pull_link(self.full_name, number, None)
            self.add_issue(pull_request=link, draft=False, **fields)
            self.pulls[number] = items.pull(self.full_name, self.issues[number], self.repository, False)
            return number

    def touch_issue(self, number: int, **fields: Any) -> str:
        """Edits an issue (and its pull request) and gives the new updated_at."""
        with self.lock:
            now = self.clock.tick()
            self._mirror(number, **{"title": f"Edited at {now}", **fields, "updated_at": now})
            return now

    def touch_pull(self, number: int, **fields: Any) -> str:
        """Edits a pull request (and its issue) and gives the new updated_at."""
        return self.touch_issue(number, **fields)

    def close_issue(self, number: int, merged: bool = False) -> str:
        """Closes an issue or a pull request and gives the new updated_at."""
        with self.lock:
            now = self.clock.tick()
            self._mirror(number, state="closed", state_reason="completed", closed_at=now, updated_at=now)
            if merged and number in self.pulls:
                self.pulls[number]["merged_at"] = now
                self.issues[number]["pull_request"] = items.pull_link(self.full_name, number, now)
            return now

    def delete_issue(self, number: int) -> None:
        """Removes an issue with its pull request and its comments."""
        with self.lock:
            url = self.issues[number]["url"]
            gone = [self.issues.pop(number), self.pulls.pop(number, {})]
            gone += [self.comments.pop(i) for i, item in list(self.comments.items()) if item["issue_url"] == url]
            gone += self.reviews.pop(number, [])
            self.changed(*gone)

    def add_comment(self, number: int | None = None, body: str = "A new comment") -> int:
        """Comments on an issue, which touches it, and gives the comment's id."""
        with self.lock:
            number = max(self.issues) if number is None else number
            now, n = self.clock.tick(), len(self.comments) + 1
            made = {"created_at": now, "updated_at": now}
            item = items.comment(self.full_name, n, number, self._author(n), body, **made)
            while item["id"] in self.comments:
                n += 1
                item = items.comment(self.full_name, n, number, self._author(n), body, **made)
            self.comments[item["id"]] = item
            if number in self.issues:
                self._mirror(number, comments=self.issues[number]["comments"] + 1, updated_at=now)
            return int(item["id"])

    def touch_comment(self, ident: int, **fields: Any) -> str:
        """Edits a comment and gives the new updated_at."""
        return self._touch(self.comments[ident], {"body": "edited", **fields})

    def touch_release(self, ident: int, **fields: Any) -> str:
        """Edits a release and gives the new updated_at; its created_at stays."""
        return self._touch(self.releases[ident], {"body": "edited", **fields})

    def touch_milestone(self, number: int, **fields: Any) -> str:
        """Edits a milestone and gives the new updated_at."""
        return self._touch(self.milestones[number], {"description": "edited", **fields})

    def touch_workflow_run(self, ident: int, **fields: Any) -> str:
        """Runs a workflow run again and gives the new updated_at; its created_at stays."""
        run = self.runs[ident]
        return self._touch(run, {"run_attempt": run.get("run_attempt", 1) + 1, **fields})

    def _touch(self, item: Json, fields: Json) -> str:
        with self.lock:
            now = self.clock.tick()
            item.update({**fields, "updated_at": now})
            self.changed(item)
            return now

    def add_commit(self, branch: str | None = None, message: str = "A new commit") -> str:
        """Commits to a branch (a new one starts at the default branch's head) and gives the sha."""
        with self.lock:
            name, now = branch or self.default_branch, self.clock.tick()
            shas = self.heads.setdefault(name, list(self.heads.get(self.default_branch, [])))
            sha = items.sha_of(self.full_name, "added", name, len(self.commits))
            author = self._author(len(self.commits))
            self.commits[sha] = git_items.commit(
                self.full_name, sha, shas[-1:], author, message, authored=now, committed=now
            )
            shas.append(sha)
            self.repository["pushed_at"] = now
            return sha

    def add_tag(self, name: str | None = None) -> str:
        """Tags the default branch's head and gives the tag's name."""
        with self.lock:
            name = name or f"v9.{len(self.tags)}"
            self.tags.insert(0, git_items.tag(self.full_name, name, self.heads[self.default_branch][-1]))
            return name

    def add_branch(self, name: str) -> str:
        """Creates a branch at the default branch's head and gives its name."""
        with self.lock:
            self.heads[name] = list(self.heads[self.default_branch])
            return name

    def add_release(self, body: str = "Notes") -> int:
        """Publishes a release and gives its id."""
        with self.lock:
            n = len(self.releases) + 1
            item = git_items.release(self.full_name, n, self._author(n), body, self.clock.tick())
            self.releases[item["id"]] = item
            return int(item["id"])

    def add_stargazer(self, login: str | None = None) -> str:
        """Stars the repository and gives the account's login."""
        with self.lock:
            login = login or f"fan-{len(self.stars)}"
            self.stars.append({"starred_at": self.clock.tick(), "user": account(login)})
            return login

    def remove_stargazer(self, login: str) -> None:
        """Takes a star back."""
        with self.lock:
            self.changed(*[star for star in self.stars if star["user"]["login"] == login])
            self.stars = [star for star in self.stars if star["user"]["login"] != login]

    def add_label(self) -> str:
        """Adds a label and gives its name."""
        with self.lock:
            self.labels.append(label(self.full_name, len(self.labels)))
            return str(self.labels[-1]["name"])

    def add_milestone(self) -> int:
        """Opens a milestone and gives its number."""
        with self.lock:
            number, now = max([0, *self.milestones]) + 1, self.clock.tick()
            self.milestones[number] = items.milestone(self.full_name, number, self._author(number), "open", now, now)
            return number

    def add_collaborator(self, login: str | None = None) -> str:
        """Invites a collaborator and gives the login."""
        with self.lock:
            login = login or f"member-{len(self.collaborators)}"
            rights = {"admin": False, "maintain": False, "push": True, "triage": True, "pull": True}
            self.collaborators.append({**account(login), "permissions": rights, "role_name": "write"})
            return login

    def add_review(self, number: int | None = None, state: str = "APPROVED") -> int:
        """Reviews a pull request, which touches it, and gives the review's id."""
        with self.lock:
            number = max(self.pulls) if number is None else number
            n, now = sum(map(len, self.reviews.values())) + 1, self.clock.tick()
            item = items.review(self.full_name, n, self.pulls[number], self._author(n), state, "New review", now)
            self.reviews.setdefault(number, []).append(item)
            self._mirror(number, updated_at=now)
            return int(item["id"])

    def add_workflow_run(self, **fields: Any) -> int:
        """Starts a workflow run and gives its id."""
        with self.lock:
            n, now = len(self.runs) + 1, self.clock.tick()
            owner = self.repository["owner"]
            item = git_items.workflow_run(self.full_name, n, owner, self._author(n), now, **fields)
            self.runs[item["id"]] = item
            return int(item["id"])

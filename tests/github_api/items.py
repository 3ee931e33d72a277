"""The items of a repository's listings, one builder a resource."""

from __future__ import annotations

import hashlib
from typing import Any

from .payloads import API, WEB, Json, node_id, number_of, reactions


def large_id(full_name: str, kind: str, n: int) -> int:
    """An id above 2**32, as GitHub's own are by now."""
    return number_of(full_name, kind) * 1_000_000 + n * 3


def sha_of(*parts: object) -> str:
    """A commit-like hash of some words."""
    return hashlib.sha1("/".join(map(str, parts)).encode()).hexdigest()


def milestone(full_name: str, number: int, creator: Json, state: str, created: str, updated: str) -> Json:
    """A milestone."""
    ident, url = large_id(full_name, "milestone", number), f"{API}/repos/{full_name}/milestones/{number}"
    return {
        "url": url,
        "html_url": f"{WEB}/{full_name}/milestone/{number}",
        "labels_url": f"{url}/labels",
        "id": ident,
        "node_id": node_id("MI", ident),
        "number": number,
        "title": f"v{number}.0",
        "description": None if number % 2 else f"Everything for v{number}.0\r\n— and a bit more",
        "creator": creator,
        "open_issues": number,
        "closed_issues": number * 2,
        "state": state,
        "created_at": created,
        "updated_at": updated,
        "due_on": f"2025-{number % 12 + 1:02d}-01T07:00:00Z" if number % 3 else None,
        "closed_at": updated if state == "closed" else None,
    }


def issue(full_name: str, number: int, user: Json | None, **more: Any) -> Json:
    """An issue; pass `pull_request` to make it the issue of a pull request."""
    pull = bool(more.get("pull_request"))
    ident, url = large_id(full_name, "issue", number), f"{API}/repos/{full_name}/issues/{number}"
    item: Json = {
        "url": url,
        "repository_url": f"{API}/repos/{full_name}",
        "labels_url": f"{url}/labels{{/name}}",
        "comments_url": f"{url}/comments",
        "events_url": f"{url}/events",
        "html_url": f"{WEB}/{full_name}/{'pull' if pull else 'issues'}/{number}",
        "id": ident,
        "node_id": node_id("PR" if pull else "I", ident),
        "number": number,
        "title": f"Item {number}",
        "user": user,
        "labels": [],
        "state": "open",
        "locked": False,
        "assignee": None,
        "assignees": [],
        "milestone": None,
        "comments": 0,
        "created_at": None,
        "updated_at": None,
        "closed_at": None,
        "author_association": "NONE",
        "active_lock_reason": None,
        "body": None,
        "closed_by": None,
        "reactions": reactions(url, {}),
        "timeline_url": f"{url}/timeline",
        "performed_via_github_app": None,
        "state_reason": None,
    }
    if not pull:
        item |= {
            "type": None,
            "sub_issues_summary": {"total": 0, "completed": 0, "percent_completed": 0},
            "issue_dependencies_summary": {
                "blocked_by": 0, "total_blocked_by": 0, "blocking": 0, "total_blocking": 0,
            },
        }  # fmt: skip
    return item | more


def pull_link(full_name: str, number: int, merged: str | None) -> Json:
    """What an issue says of the pull request it is."""
    web = f"{WEB}/{full_name}/pull/{number}"
    return {
        "url": f"{API}/repos/{full_name}/pulls/{number}",
        "html_url": web,
        "diff_url": f"{web}.diff",
        "patch_url": f"{web}.patch",
        "merged_at": merged,
    }


SHARED = (
    "title", "user", "body", "labels", "milestone", "active_lock_reason", "state", "locked", "created_at",
    "updated_at", "closed_at", "assignee", "assignees", "author_association",
)  # fmt: skip


def pull(full_name: str, of: Json, repository: Json, fork: bool) -> Json:
    """A pull request, from the issue it is; `fork` makes its head a repository that is gone."""
    number = of["number"]
    ident, url = large_id(full_name, "pull", number), f"{API}/repos/{full_name}/pulls/{number}"
    issues, web = f"{API}/repos/{full_name}/issues/{number}", f"{WEB}/{full_name}/pull/{number}"
    head, owner = sha_of(full_name, "head", number), repository["owner"]
    user = of["user"]
    side = {"ref": f"topic-{number}", "sha": head, "user": user, "repo": None if fork else repository}
    review_comments, statuses = f"{url}/comments", f"{API}/repos/{full_name}/statuses/{head}"
    return {
        "url": url,
        "id": ident,
        "node_id": node_id("PR", ident),
        "html_url": web,
        "diff_url": f"{web}.diff",
        "patch_url": f"{web}.patch",
        "issue_url": issues,
        "number": number,
        **{key: of[key] for key in SHARED},
        "merged_at": of["pull_request"]["merged_at"],
        "merge_commit_sha": sha_of(full_name, "merge", number),
        "requested_reviewers": [],
        "requested_teams": [],
        "draft": of.get("draft", False),
        "commits_url": f"{url}/commits",
        "review_comments_url": review_comments,
        "review_comment_url": f"{API}/repos/{full_name}/pulls/comments{{/number}}",
        "comments_url": f"{issues}/comments",
        "statuses_url": statuses,
        "head": {"label": f"{user['login'] if user else 'ghost'}:topic-{number}", **side},
        "base": {
            "label": f"{owner['login']}:{repository['default_branch']}",
            "ref": repository["default_branch"],
            "sha": sha_of(full_name, "base", number),
            "user": owner,
            "repo": repository,
        },
        "_links": {
            "self": {"href": url},
            "html": {"href": web},
            "issue": {"href": issues},
            "comments": {"href": f"{issues}/comments"},
            "review_comments": {"href": review_comments},
            "review_comment": {"href": f"{API}/repos/{full_name}/pulls/comments{{/number}}"},
            "commits": {"href": f"{url}/commits"},
            "statuses": {"href": statuses},
        },
        "auto_merge": None,
    }


def comment(full_name: str, n: int, number: int, user: Json | None, body: str, **more: Any) -> Json:
    """The n-th comment of a repository, on the issue with that number."""
    ident = large_id(full_name, "comment", n)
    url = f"{API}/repos/{full_name}/issues/comments/{ident}"
    return {
        "url": url,
        "html_url": f"{WEB}/{full_name}/issues/{number}#issuecomment-{ident}",
        "issue_url": f"{API}/repos/{full_name}/issues/{number}",
        "id": ident,
        "node_id": node_id("IC", ident),
        "user": user,
        "created_at": None,
        "updated_at": None,
        "body": body,
        "author_association": "NONE",
        "reactions": reactions(url, {"heart": n % 3, "+1": n % 2}),
        "performed_via_github_app": None,
        **more,
    }


def review(full_name: str, n: int, pull_item: Json, user: Json, state: str, body: str, at: str) -> Json:
    """The n-th review of a repository, on a pull request."""
    ident = large_id(full_name, "review", n)
    html = f"{pull_item['html_url']}#pullrequestreview-{ident}"
    return {
        "id": ident,
        "node_id": node_id("PRR", ident),
        "user": user,
        "body": body,
        "state": state,
        "html_url": html,
        "pull_request_url": pull_item["url"],
        "author_association": "MEMBER",
        "_links": {"html": {"href": html}, "pull_request": {"href": pull_item["url"]}},
        "submitted_at": at,
        "commit_id": pull_item["head"]["sha"],
    }

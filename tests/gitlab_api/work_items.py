"""Issues, merge requests, and the milestones that they name."""

from __future__ import annotations

from typing import Any

from .items import TEXTS, WEB, Json, sha_of, stamp


def milestone(project_id: int, n: int) -> Json:
    """A milestone as other items name it."""
    return {
        "id": project_id * 1000 + n,
        "iid": n,
        "project_id": project_id,
        "title": f"v{n}.0",
        "description": "",
        "state": "active",
        "created_at": stamp(1_650_000_000_000 + n),
        "updated_at": stamp(1_650_000_000_000 + n),
        "due_date": None,
        "start_date": None,
        "expired": False,
        "web_url": f"{WEB}/-/milestones/{n}",
    }


def _counts() -> Json:
    return {
        "upvotes": 0,
        "downvotes": 0,
        "user_notes_count": 1,
        "time_stats": {
            "time_estimate": 0,
            "total_time_spent": 0,
            "human_time_estimate": None,
            "human_total_time_spent": None,
        },
        "task_completion_status": {"count": 0, "completed_count": 0},
    }


def issue(project: Json, iid: int, author: Json, assignees: list[Json], **more: Any) -> Json:
    """An issue."""
    full, ident = project["path_with_namespace"], project["id"] * 100_000 + iid
    url = f"{WEB}/api/v4/projects/{project['id']}/issues/{iid}"
    return {
        "id": ident,
        "iid": iid,
        "project_id": project["id"],
        "title": f"Issue {iid}",
        "description": TEXTS[iid % len(TEXTS)],
        "state": "opened",
        "closed_at": None,
        "closed_by": None,
        "labels": ["bug", "área::λ"][: iid % 3],
        "milestone": None,
        "assignees": assignees,
        "author": author,
        "type": "ISSUE",
        "assignee": assignees[0] if assignees else None,
        "merge_requests_count": 0,
        "due_date": None,
        "confidential": False,
        "discussion_locked": None,
        "issue_type": "issue",
        "web_url": f"{WEB}/{full}/-/issues/{iid}",
        "weight": None,
        "blocking_issues_count": 0,
        "has_tasks": False,
        "task_status": "",
        "_links": {"self": url, "notes": f"{url}/notes", "award_emoji": f"{url}/award_emoji", "project": url[:-7]},
        "references": {"short": f"#{iid}", "relative": f"#{iid}", "full": f"{full}#{iid}"},
        "severity": "UNKNOWN",
        "moved_to_id": None,
        "imported": False,
        "imported_from": "none",
        "service_desk_reply_to": None,
        **_counts(),
        **more,
    }


def merge_request(project: Json, iid: int, author: Json, assignees: list[Json], **more: Any) -> Json:
    """A merge request."""
    full, ident = project["path_with_namespace"], project["id"] * 100_000 + iid
    return {
        "id": ident,
        "iid": iid,
        "project_id": project["id"],
        "title": f"Merge request {iid}",
        "description": TEXTS[iid % len(TEXTS)],
        "state": "opened",
        "merged_by": None,
        "merge_user": None,
        "merged_at": None,
        "closed_by": None,
        "closed_at": None,
        "target_branch": "main",
        "source_branch": f"feature-{iid}",
        "author": author,
        "assignees": assignees,
        "assignee": assignees[0] if assignees else None,
        "reviewers": [author],
        "source_project_id": project["id"],
        "target_project_id": project["id"],
        "labels": [],
        "draft": False,
        "work_in_progress": False,
        "imported": False,
        "imported_from": "none",
        "milestone": None,
        "merge_when_pipeline_succeeds": False,
        "merge_status": "can_be_merged",
        "detailed_merge_status": "mergeable",
        "sha": sha_of(full, "mr", iid),
        "merge_commit_sha": None,
        "squash_commit_sha": None,
        "discussion_locked": None,
        "should_remove_source_branch": None,
        "force_remove_source_branch": True,
        "reference": f"!{iid}",
        "references": {"short": f"!{iid}", "relative": f"!{iid}", "full": f"{full}!{iid}"},
        "web_url": f"{WEB}/{full}/-/merge_requests/{iid}",
        "squash": False,
        "squash_on_merge": False,
        "has_conflicts": False,
        "blocking_discussions_resolved": True,
        "approvals_before_merge": None,
        **_counts(),
        **more,
    }

"""The items of GitLab's listings, one builder a resource, with the fields that the API documents."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta, timezone
from typing import Any

Json = dict[str, Any]

WEB = "https://gitlab.example.test"
NAMES = (
    "Ada Lovelace", "Grace Hopper", "Katherine Johnson", "Радия Перлман", "Hedy Lamarr", "王 小云", "Edsger \"E\" D.",
    "Donald Knuth", "Björn Ævarsson", "Barbara Liskov", "Alan Kay", "Niklaus Wirth",
)  # fmt: skip
TEXTS = (
    None,
    "",
    "Short and plain.",
    'Quotes "inside" and a \\ backslash\nand a new line\r\nand a tab\t.',
    "A line separator\u2028 and a next line \u0085 are legal in JSON strings. 🎉",
    "長い本文。" * 60,
    "2024-01-01T00:00:00Z",
)
STATUSES = ("success", "failed", "canceled", "skipped", "running")


def stamp(milliseconds: int) -> str:
    """A moment as GitLab writes it: UTC, to the millisecond."""
    moment = datetime.fromtimestamp(milliseconds // 1000, timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def zoned(milliseconds: int, hours: int) -> str:
    """A commit's moment: whole seconds, in the committer's own time zone."""
    moment = datetime.fromtimestamp(milliseconds // 1000, timezone(timedelta(hours=hours)))
    return moment.isoformat(timespec="milliseconds")


def sha_of(*parts: object) -> str:
    """A commit-like hash of some words."""
    return hashlib.sha1("/".join(map(str, parts)).encode()).hexdigest()


def user(n: int) -> Json:
    """A user as other items name it."""
    return {
        "id": 1000 + n,
        "username": f"user{n}",
        "public_email": "",
        "name": NAMES[n % len(NAMES)] if n < len(NAMES) else f"User {n}",
        "state": "active",
        "locked": False,
        "avatar_url": None if n % 3 else f"{WEB}/uploads/-/system/user/avatar/{n}/avatar.png",
        "web_url": f"{WEB}/user{n}",
    }


def group(ident: int, full_path: str, parent: Json | None) -> Json:
    """A group."""
    path = full_path.rsplit("/", 1)[-1]
    return {
        "id": ident,
        "web_url": f"{WEB}/groups/{full_path}",
        "name": path.title(),
        "path": path,
        "description": f"Everything of {path}",
        "visibility": "private",
        "share_with_group_lock": False,
        "require_two_factor_authentication": False,
        "two_factor_grace_period": 48,
        "project_creation_level": "developer",
        "auto_devops_enabled": None,
        "subgroup_creation_level": "maintainer",
        "emails_disabled": False,
        "emails_enabled": True,
        "mentions_disabled": None,
        "lfs_enabled": True,
        "default_branch": None,
        "default_branch_protection": 2,
        "default_branch_protection_defaults": {
            "allowed_to_push": [{"access_level": 40}],
            "allow_force_push": False,
            "allowed_to_merge": [{"access_level": 40}],
        },
        "avatar_url": None,
        "request_access_enabled": True,
        "full_name": f"{parent['full_name']} / {path.title()}" if parent else path.title(),
        "full_path": full_path,
        "created_at": stamp(1_600_000_000_000 + ident * 86_400_000),
        "parent_id": parent["id"] if parent else None,
        "organization_id": 1,
        "shared_runners_setting": "enabled",
        "ldap_cn": None,
        "ldap_access": None,
        "wiki_access_level": "enabled",
        "marked_for_deletion_on": None,
    }


def commit(project: Json, n: int, parents: list[str], at: int, committer: Json) -> Json:
    """A commit, with its statistics."""
    sha, when = sha_of(project["path_with_namespace"], "commit", n), zoned(at, (n % 5) - 2)
    return {
        "id": sha,
        "short_id": sha[:8],
        "created_at": when,
        "parent_ids": parents,
        "title": f"Change {n}",
        "message": f"Change {n}\n\n{TEXTS[n % len(TEXTS)] or ''}",
        "author_name": committer["name"],
        "author_email": f"{committer['username']}@example.test",
        "authored_date": zoned(at - 3_600_000, (n % 5) - 2),
        "committer_name": committer["name"],
        "committer_email": f"{committer['username']}@example.test",
        "committed_date": when,
        "trailers": {},
        "extended_trailers": {},
        "web_url": f"{WEB}/{project['path_with_namespace']}/-/commit/{sha}",
        "stats": {"additions": n, "deletions": 1, "total": n + 1},
    }


def pipeline(project: Json, iid: int, sha: str, created: str, updated: str, status: str) -> Json:
    """A pipeline as a listing has it."""
    ident = project["id"] * 100_000 + iid
    return {
        "id": ident,
        "iid": iid,
        "project_id": project["id"],
        "sha": sha,
        "ref": "main",
        "status": status,
        "source": "push",
        "created_at": created,
        "updated_at": updated,
        "web_url": f"{WEB}/{project['path_with_namespace']}/-/pipelines/{ident}",
        "name": None,
    }


def job(pipeline: Json, n: int, commit: Json, who: Json | None) -> Json:
    """A job of a pipeline."""
    ident = pipeline["id"] * 10 + n
    return {
        "id": ident,
        "status": pipeline["status"],
        "stage": "test",
        "name": f"rspec {n}",
        "ref": "main",
        "tag": False,
        "coverage": None if n % 2 else 97.5,
        "allow_failure": False,
        "created_at": pipeline["created_at"],
        "started_at": pipeline["created_at"],
        "finished_at": None if pipeline["status"] == "running" else pipeline["updated_at"],
        "erased_at": None,
        "duration": 12.5,
        "queued_duration": 0.25,
        "user": who,
        "commit": commit,
        "pipeline": {name: value for name, value in pipeline.items() if name != "name"},
        "failure_reason": "script_failure" if pipeline["status"] == "failed" else None,
        "web_url": f"{WEB}/-/jobs/{ident}",
        "project": {"ci_job_token_scope_enabled": False},
        "artifacts": [{"file_type": "trace", "size": 1500 + n, "filename": "job.log", "file_format": None}],
        "runner": None if n % 2 else {"id": 7, "description": "shared", "active": True, "is_shared": True},
        "runner_manager": None,
        "artifacts_expire_at": None,
        "archived": False,
        "tag_list": [],
    }


def tag(name: str, commit: Json) -> Json:
    """A tag of the repository."""
    return {
        "name": name,
        "message": "",
        "target": commit["id"],
        "commit": {key: value for key, value in commit.items() if key != "stats"},
        "release": None,
        "protected": False,
        "created_at": None,
    }


def release(project: Json, tag_name: str, at: str, author: Json, commit: Json, milestones: list[Json]) -> Json:
    """A release of a tag."""
    full = project["path_with_namespace"]
    return {
        "name": f"Release {tag_name}",
        "tag_name": tag_name,
        "description": "Notes\n\n* one",
        "created_at": at,
        "released_at": at,
        "upcoming_release": False,
        "author": author,
        "commit": {key: value for key, value in commit.items() if key != "stats"},
        "milestones": milestones,
        "commit_path": f"/{full}/-/commit/{commit['id']}",
        "tag_path": f"/{full}/-/tags/{tag_name}",
        "assets": {
            "count": 1,
            "sources": [{"format": "zip", "url": f"{WEB}/{full}/-/archive/{tag_name}.zip"}],
            "links": [{"id": 1, "name": "docs", "url": f"{WEB}/docs", "direct_asset_url": None, "link_type": "other"}],
        },
        "evidences": [],
        "_links": {"self": f"{WEB}/{full}/-/releases/{tag_name}"},
    }
